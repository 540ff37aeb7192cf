"""Values that ``%%sandbox -i`` and ``-o`` carry."""

from __future__ import annotations

import pytest

from .client import Kernel, ok, refused, shown

MAKE = """
import numpy as np, pandas as pd
values = dict(a=2**70, b=[1, None, {'é': 1.5}], c=b'\\0\\xff' * 1000, d=np.arange(6.0).reshape(2, 3),
    e=pd.DataFrame({'n': [1, 2], 't': ['x', None]}), f='text', g=True)
globals().update(values)
"""
CHECK = """
for key, value in values.items():
    now = globals()[key]
    assert type(now) is type(value), key
    assert now.equals(value) if key == 'e' else (now == value).all() if key == 'd' else now == value, key
"""


def test_values_go_in_and_come_back_as_what_they_are(kernel: Kernel, name: str) -> None:
    ok(kernel.run(MAKE))
    ok(kernel.run(f"%%sandbox {name} -i a,b,c,d -i e,f,g\ntypes = [type(v).__name__ for v in (a, b, c, d, e, f, g)]"))
    types = "['int', 'list', 'bytes', 'ndarray', 'DataFrame', 'str', 'bool']\n"
    assert ok(kernel.run(f"%%sandbox {name}\nprint(types)")).text() == types
    ok(kernel.run("del a, b, c, d, e, f, g"))
    ok(kernel.run(f"%%sandbox {name} -o a,b,c,d -o e,f,g\n1"))
    ok(kernel.run(CHECK))


def test_series_keep_their_labels_both_ways(kernel: Kernel, name: str) -> None:
    ok(kernel.run("import pandas as pd\nt = pd.DataFrame({'v': [3, 1, 2]})"))
    ok(kernel.run(f"%%sandbox {name} -i t -o m,ordered\nm = t.max(); ordered = t.sort_values('v').v"))
    printed = ok(kernel.run("print(m.to_dict(), ordered.to_dict())")).text()
    assert printed == "{'v': 3} {1: 1, 2: 2, 0: 3}\n"
    ok(kernel.run(f"%%sandbox {name} -i m,ordered\nprint(m.to_dict(), ordered.to_dict())")).text()
    assert ok(kernel.run(f"%%sandbox {name}\nprint(m.to_dict(), ordered.to_dict())")).text() == printed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-i missing", "no variable 'missing' here"),
        ("-i bad", "bad cannot be carried: it is of type set (use sorted(x))"),
        ("-i worse,bad", "worse cannot be carried: it is of type Worse"),
    ],
)
def test_value_that_cannot_go_in_stops_the_cell_before_it_runs(
    kernel: Kernel, name: str, line: str, message: str
) -> None:
    ok(kernel.run("class Worse:\n    def __reduce__(self): return print, ('unpickled',)\nbad, worse = {1}, Worse()"))
    outcome = kernel.run(f"%%sandbox {name} {line}\nprint('ran')")
    assert message in refused(outcome).replace("__main__.", "")
    assert outcome.text() == ""
    assert name not in ok(kernel.run("%sandbox")).text()


def test_values_that_cannot_come_back_are_all_named_and_none_is_bound(kernel: Kernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} -o fine,bad,gone\nfine, bad = 1, (1, 2)\nprint('ran')")
    assert outcome.text() == "ran\n"
    evalue = refused(outcome)
    assert "bad cannot be carried: it is of type tuple (use list(x))" in evalue and "gone cannot be carried" in evalue
    assert ok(kernel.run("print('fine' in globals())")).text() == "False\n"


def test_large_values_show_a_bar_and_small_ones_do_not(kernel: Kernel, name: str) -> None:
    ok(kernel.run("import numpy as np\nlarge = np.random.default_rng(1).random(3_000_000); small = 1"))
    text = shown(ok(kernel.run(f"%%sandbox {name} -i large,small -o back\nback = large * 2")))
    assert "large" in text and "back" in text and "small" not in text
    assert ok(kernel.run("print((back == large * 2).all())")).text() == "True\n"


def test_much_json_is_refused_before_the_kernel_has_any_of_it(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    before = kernel.process.memory_info().rss
    # 180 MB of JSON, which would be 5 GB of lists here.
    code = f"%%sandbox {name} -o big\nbig = [[]] * 60_000_000"
    assert "big cannot be carried" in refused(kernel.run(code))
    assert kernel.process.memory_info().rss - before < 200 << 20
    assert ok(kernel.run(f"%%sandbox {name}\ndel big; print('goes on')")).text() == "goes on\n"


def test_values_are_refused_for_other_languages(kernel: Kernel, name: str) -> None:
    assert "-i and -o carry Python variables" in refused(kernel.run(f"%%sandbox {name} --language bash -o x\nx=1"))
