"""Values, languages, environment and kinds of ``%%sandbox`` cells."""

from __future__ import annotations

import pytest

from .client import PythonKernel, ok

# ------------------------------------------------------------------ values


def test_values_go_in_and_come_back(kernel: PythonKernel, name: str) -> None:
    ok(
        kernel.run(
            "import numpy as np, pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 't': ['x', None]}); n = np.arange(3); d = {'k': [1]}"
        )
    )
    ok(
        kernel.run(
            f"%%sandbox {name} -i df,n -i d -o df2,total -o raw\ndf2 = df.assign(b=n[:2]); total = d['k'][0] + 1; raw = b'\\x00'"
        )
    )
    outcome = ok(
        kernel.run("print(type(df2).__name__, list(df2.columns), df2.b.tolist(), df2.t.isna().tolist(), total, raw)")
    )
    assert outcome.text() == "DataFrame ['a', 't', 'b'] [0, 1] [False, True] 2 b'\\x00'\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-i missing", "no variable 'missing' here"),
        ("-i bad", r"bad cannot be carried: it is of type set (use sorted(x))"),
    ],
)
def test_value_that_cannot_go_in_stops_the_cell_before_it_runs(
    kernel: PythonKernel, name: str, line: str, message: str
) -> None:
    ok(kernel.run("bad = {1}"))
    outcome = kernel.run(f"%%sandbox {name} {line}\nprint('ran')")
    assert outcome.content["status"] == "error"
    assert message in outcome.text("stderr")
    assert "ran" not in outcome.text()


def test_value_that_cannot_come_back_is_named_with_its_type(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} -o bad\nbad = (1, 2)\nprint('ran')")
    assert outcome.content["status"] == "error"
    assert outcome.text() == "ran\n"
    assert "bad cannot be carried: it is of type tuple (use list(x))" in outcome.text("stderr")


def test_large_values_show_a_bar(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run("import numpy as np\nlarge = np.zeros(4_000_000); small = 1"))
    outcome = ok(kernel.run(f"%%sandbox {name} -i large,small -o back\nback = large + 1"))
    shown = "".join(
        content["data"].get("text/plain", "")
        for msg_type in ("display_data", "update_display_data")
        for content in outcome.contents(msg_type)
    )
    assert "large" in shown and "back" in shown and "small" not in shown
    assert ok(kernel.run("print(back.sum())")).text() == "4000000.0\n"


# ------------------------------------------------------------------ languages, environment, kinds


def test_bash_cell_runs_and_its_exit_code_is_an_error(kernel: PythonKernel, name: str) -> None:
    assert ok(kernel.run(f'%%sandbox {name} --language bash\nfor i in 1 2; do echo "$i"; done')).text() == "1\n2\n"
    outcome = kernel.run(f"%%sandbox {name} --language bash\necho before; exit 3")
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert "exit status 3" in outcome.content["evalue"]


def test_javascript_cell_runs_or_says_what_is_missing(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} --language javascript\nconsole.log('js ' + (1 + 1))")
    if outcome.content["status"] == "ok":
        assert outcome.text() == "js 2\n"
    else:
        assert "the sandbox has no node" in outcome.content["evalue"]


def test_language_that_is_missing_says_so(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nimport os; os.environ['PATH'] = '/nowhere'"))
    outcome = kernel.run(f"%%sandbox {name} --language javascript\n1")
    assert "the sandbox has no node, which --language javascript needs" in outcome.content["evalue"]


def test_values_are_refused_for_other_languages(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} --language bash -o x\nx=1")
    assert "-i and -o carry Python variables" in outcome.text("stderr")


def test_env_reaches_new_and_living_sandboxes(kernel: PythonKernel, name: str) -> None:
    assert ok(kernel.run(f"%%sandbox {name} --env 'A=b c' --language bash\necho $A")).text() == "b c\n"
    assert ok(kernel.run(f"%%sandbox {name} --env A=d --language bash\necho $A")).text() == "d\n"
    ok(kernel.run(f"%sandbox {name} env A=e B=\"f 'g'\""))
    assert ok(kernel.run(f"%%sandbox {name} --language bash\necho $A $B")).text() == "e f 'g'\n"


def test_option_that_differs_from_the_living_sandbox_is_refused(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    for option in ("--kind process", "--network", "--template other"):
        assert f"%sandbox {name} kill" in kernel.run(f"%%sandbox {name} {option}\n1").text("stderr")


def test_unknown_kind_or_template_says_which_there_are(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} --kind cloud\n1")
    assert "local" in outcome.content["evalue"]
    outcome = kernel.run(f"%%sandbox {name} --template other\n1")
    assert "code-interpreter" in outcome.content["evalue"]
    assert name not in ok(kernel.run("%sandbox")).text()


def test_kind_that_isolates_nothing_says_so(kernel: PythonKernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name} --kind process\nprint('ran')"))
    assert outcome.text() == "ran\n"
    assert "isolates nothing" in outcome.text("stderr")
    assert "not isolated" in ok(kernel.run("%sandbox")).text()
