"""Values into and out of an interpreter in a real sandbox."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hopx_kernel import RemoteExecutionError, Sandbox, SandboxError
from hopx_kernel.library import bridge
from hopx_kernel.library.runs import SandboxSession
from hopx_kernel.library.transfer import ValueRefusedError, encode_values, get_values, put_values

from .exactly import exactly
from .test_exact_values import EXACT


@pytest.fixture
def session(sandbox: Sandbox) -> SandboxSession:
    return sandbox.session()


def put(session: SandboxSession, **values: Any) -> None:
    bridge.call(put_values, session, encode_values(values))


def get(session: SandboxSession, *names: str) -> dict[str, Any]:
    return bridge.call(get_values, session, list(names))


def test_values_go_in_and_come_back(session: SandboxSession) -> None:
    values = {
        "a": {"k": [1, None, "é"]},
        "b": b"\0\xff",
        "c": np.arange(6).reshape(2, 3),
        "d": pd.DataFrame({"x": ["a"]}),
    }
    put(session, **values)
    back = get(session, *values)
    assert (back["a"], back["b"]) == (values["a"], values["b"])
    assert np.array_equal(back["c"], values["c"])
    pd.testing.assert_frame_equal(back["d"], values["d"])


def test_tables_of_every_kind_go_in_and_come_back_exactly(session: SandboxSession) -> None:
    names = {f"value{i}": name for i, name in enumerate(EXACT)}
    put(session, **{variable: EXACT[name] for variable, name in names.items()})
    for variable, back in get(session, *names).items():
        assert exactly(back) == exactly(EXACT[names[variable]]), names[variable]


def test_table_made_in_the_sandbox_comes_exactly(session: SandboxSession) -> None:
    put(session, t=pd.DataFrame({"v": [3, 1, 2]}))
    session.execute("m = t.max(); v = t.sort_values('v').v; row = t.loc[1]; few = t[t.v > 1]").wait()
    t = pd.DataFrame({"v": [3, 1, 2]})
    expected = {"m": t.max(), "v": t.sort_values("v").v, "row": t.loc[1], "few": t[t.v > 1]}
    assert exactly(get(session, *expected)) == exactly(expected)


def test_values_are_variables_of_the_namespace_and_leave_no_others(session: SandboxSession) -> None:
    code = "sorted(name for name in globals() if not name.startswith('_'))"
    before = session.execute(code).wait()
    put(session, x=41)
    assert session.execute("x + 1").wait() == "42"
    session.execute("del x").wait()
    assert session.execute(code).wait() == before


def test_values_pass_a_namespace_that_has_taken_the_builtins_names(session: SandboxSession) -> None:
    session.execute("open = exec = globals = dict = print = json = None").wait()
    put(session, x=1)
    assert get(session, "x") == {"x": 1}


def test_values_leave_history_and_last_result_alone(session: SandboxSession) -> None:
    session.execute("5").wait()
    put(session, x=1)
    get(session, "x")
    assert session.execute("_").wait() == "5"


def test_hostile_text_is_a_value_and_no_code(session: SandboxSession) -> None:
    text = "'''\"\"\"\\\n{x!r}\n__import__('os').system('touch /app/pwned')"
    put(session, text=text)
    assert get(session, "text") == {"text": text}


def test_all_that_cannot_be_carried_in_is_named_before_anything_runs() -> None:
    with pytest.raises(ValueRefusedError, match=r"(?s)a cannot .*tuple.*\nc cannot .*set"):
        encode_values({"a": (1,), "b": 1, "c": {1}})


def test_all_that_cannot_come_back_is_named(session: SandboxSession) -> None:
    session.execute("a = (1,); b = 1\nclass C: pass\nc = C()").wait()
    with pytest.raises(ValueRefusedError, match=r"(?s)a cannot .*tuple.*\nc cannot .*C\b.*\nd cannot .*no variable"):
        get(session, "a", "b", "c", "d")


def test_object_that_pretends_to_be_an_array_is_refused(session: SandboxSession) -> None:
    session.execute(
        "import numpy\nclass A(numpy.ndarray):\n  def __reduce__(self): 1/0\na = numpy.zeros(2).view(A)"
    ).wait()
    with pytest.raises(ValueRefusedError, match="type .*A"):
        get(session, "a")


def test_answer_forged_in_the_sandbox_gives_an_error_and_nothing_else(session: SandboxSession) -> None:
    """The sandbox's code may do what it likes with the program that serves its values."""
    session.execute("import runpy\nrunpy.run_path = lambda *a, **k: None\nx = 1").wait()
    with pytest.raises(Exception, match="makes no sense"):
        get(session, "x")


def test_error_while_values_are_carried_is_raised(session: SandboxSession) -> None:
    session.execute("import runpy\ndef broken(*a, **k): raise LookupError('no')\nrunpy.run_path = broken\nx = 1").wait()
    with pytest.raises(RemoteExecutionError, match="LookupError"):
        get(session, "x")


def test_large_values_tell_how_far_they_are(session: SandboxSession) -> None:
    states: list[tuple[str, int, int]] = []
    array = np.arange(2_000_000)
    bridge.call(put_values, session, encode_values({"array": array}), lambda *state: states.append(state))
    assert len(states) > 10
    assert states[-1][0] == "array" and states[-1][1] == states[-1][2] > 16_000_000
    assert np.array_equal(get(session, "array")["array"], array)


def test_value_larger_than_the_sandbox_s_disk_says_so() -> None:
    with Sandbox.create(disk_bytes=4 << 20) as sandbox:
        session = sandbox.session()
        with pytest.raises(OSError, match="No space left"):
            put(session, array=np.zeros(1_000_000))
        session.execute("import numpy\nlarge = numpy.zeros(1_000_000)").wait()
        with pytest.raises(ValueRefusedError, match="large .*No space left"):
            get(session, "large")


# ------------------------------------------------------------------ what a hostile interpreter answers

#: Takes the place of the program that serves values: `answer` and `value` are the files that it is to write.
FORGE = """
import json, os, runpy
def forge(path, init):
    directory = init["request"]
    request = json.load(open(directory + "/request.json"))
    answer, (value,) = directory + "/answer.json", request["get"].values()
    {}
runpy.run_path = forge
x = 1
"""
FINE = "json.dump({'faults': {}}, open(answer, 'w'))"
FORGED = {
    "a value larger than every memory": (f"{FINE}; open(value, 'wb').truncate(10**15)", "10{15} bytes, and no more"),
    "a pipe for a value": (f"{FINE}; os.mkfifo(value)", "named pipe"),
    "a device for a value": (f"{FINE}; os.symlink('/dev/zero', value)", "character device"),
    "no value": (FINE, "No such file"),
    "an answer larger than every memory": ("open(answer, 'wb').truncate(10**15)", "makes no sense"),
    "a pipe for an answer": ("os.mkfifo(answer)", "makes no sense"),
    "a device for an answer": ("os.symlink('/dev/zero', answer)", "makes no sense"),
    "an answer nested without end": ("open(answer, 'w').write('[' * 10**6)", "makes no sense"),
    "nothing": ("import shutil; shutil.rmtree(directory)", "makes no sense"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_answer_is_an_error_that_says_so(session: SandboxSession, name: str) -> None:
    code, message = FORGED[name]
    session.execute(FORGE.format(code)).wait()
    with pytest.raises((SandboxError, OSError), match=message.replace("10{15}", "1" + "0" * 15)):
        get(session, "x")
    assert session.execute("x").wait() == "1"


def test_reason_from_the_sandbox_has_an_end_and_no_control_sequences(session: SandboxSession) -> None:
    words = "json.dump({'faults': {'x': chr(27) + '[2J' + 'y' * 10**6}}, open(answer, 'w'))"
    session.execute(FORGE.format(words)).wait()
    with pytest.raises(ValueRefusedError) as caught:
        get(session, "x")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 3000
