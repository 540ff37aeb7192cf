"""Cells in a Python that has no IPython."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopx_kernel.protocol import Message

from .client import RunnerClient, open_runner

#: The standard library and nothing else.
BARE = (sys.executable, "-I", "-S")


@pytest.fixture
def plain() -> Iterator[RunnerClient]:
    with open_runner(python=BARE) as client:
        yield client


def test_hello_tells_that_there_is_no_ipython(plain: RunnerClient) -> None:
    assert plain.events[0].content["ipython_version"] == ""
    assert plain.run("import sys; 'IPython' in sys.modules").value == "False"


def test_cells_state_and_results_work(plain: RunnerClient) -> None:
    plain.run("x = 20\nprint('hi')")
    result = plain.run("x * 2 + 2")
    assert result.value == "42"
    assert result.reply["execution_count"] == 2
    assert plain.run("_").value == "42"
    assert not plain.run("x;").of("execute_result")


def test_error_has_the_cells_own_lines(plain: RunnerClient) -> None:
    result = plain.run("a = 1\ndef f():\n    1 / 0\nf()")
    text = "\n".join(result.error["traceback"])
    assert "line 4" in text
    assert "line 3, in f" in text
    assert "1 / 0" in text
    assert "hopx" not in text
    assert result.reply["reason"] == "raised"


@pytest.mark.parametrize("code", ["x = = 1", "x = '\0'", "raise SystemExit(3)", "import sys; sys.exit()"])
def test_errors_keep_the_interpreter(plain: RunnerClient, code: str) -> None:
    plain.run("x = 7")
    assert plain.run(code).reply["status"] == "error"
    assert plain.run("x").value == "7"


def test_top_level_await_and_tasks_work(plain: RunnerClient) -> None:
    assert plain.run("import asyncio\nv = await asyncio.sleep(0, 5)\nv").value == "5"
    assert plain.run("await asyncio.sleep(0, 6)").value == "6"
    assert plain.run("asyncio.sleep(0)").value.startswith("<coroutine")


def test_future_imports_stay(plain: RunnerClient) -> None:
    plain.run("from __future__ import annotations")
    assert plain.run("def f(x: Undefined): pass\nf.__annotations__").value == "{'x': 'Undefined'}"


def test_interrupt_and_input_work(plain: RunnerClient) -> None:
    for code in ("while True: pass", "import time; time.sleep(60)", "import asyncio; await asyncio.sleep(60)"):
        msg_id = plain.request("execute_request", code=f"x = 5\nprint('on')\n{code}")
        plain.wait_text(msg_id, "on\n")
        assert plain.ask("interrupt_request")["stopped"] is True
        assert plain.result(msg_id).error["ename"] == "KeyboardInterrupt"
    msg_id = plain.request("execute_request", code="input('?') + 'b'", allow_stdin=True)
    plain.wait_for(lambda event: event.msg_type == "input_request")
    plain.send(Message("input_reply", {"value": "a"}, parent_id=msg_id))
    assert plain.finish(msg_id).value == "'ab'"
    assert plain.run("x").value == "5"


def test_questions_are_answered(plain: RunnerClient) -> None:
    plain.run("value = []\ndef f(a, b=2):\n    'Says hello.'")
    assert "value.append" in plain.ask("complete_request", code="value.app", cursor_pos=9)["matches"]
    assert "print" in plain.ask("complete_request", code="pri", cursor_pos=3)["matches"]
    text = plain.ask("inspect_request", code="f(", cursor_pos=2)["data"]["text/plain"]
    assert "Signature: f(a, b=2)" in text
    assert "Says hello." in text
    assert plain.ask("inspect_request", code="nope", cursor_pos=4)["found"] is False
    assert plain.ask("is_complete_request", code="for i in x:") == {"status": "incomplete", "indent": "    "}
    assert plain.ask("is_complete_request", code="1")["status"] == "complete"


def test_user_expressions_and_silent_work(plain: RunnerClient) -> None:
    reply = plain.run("x = 1", user_expressions={"y": "x + 1", "z": "1/0"}).reply
    assert reply["user_expressions"]["y"]["data"]["text/plain"] == "2"
    assert reply["user_expressions"]["z"]["ename"] == "ZeroDivisionError"
    assert not plain.run("5", silent=True).of("execute_result")


def test_death_and_restart_work(plain: RunnerClient) -> None:
    assert plain.run("import os; os._exit(3)").reply["reason"] == "died"
    assert plain.run("1 + 1").value == "2"


def test_progress_and_multiprocessing_work(plain: RunnerClient) -> None:
    assert plain.run("progress('x', 5)").of("progress")[0]["percent"] == 5
    code = "from multiprocessing import Pool\ndef f(x): return x * x\nwith Pool(2) as p: r = p.map(f, range(3))\nr"
    assert plain.run(code).value == "[0, 1, 4]"


def find_pythons() -> list[str]:
    """Every Python from 3.9 on that this machine has on its PATH or beside the running one."""
    found: dict[str, str] = {}
    places = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    places += Path(sys.base_prefix).parent.glob("*/bin")
    for path in [place / f"python3.{minor}" for minor in range(9, 16) for place in places]:
        if path.name not in found and path.exists():
            done = subprocess.run([path, "-I", "-S", "-c", "print(1)"], capture_output=True, check=False)
            if done.returncode == 0:
                found[path.name] = str(path)
    return list(found.values())


@pytest.mark.parametrize("python", find_pythons(), ids=lambda path: Path(path).name)
def test_other_pythons_run_the_same_file(python: str) -> None:
    with open_runner(python=(python, "-I", "-S")) as runner:
        result = runner.run("import os\nprint('a'); os.write(1, b'b\\n'); 1 + 1")
        assert (result.text, result.value) == ("a\nb\n", "2")
        msg_id = runner.request("execute_request", code="print('on')\nwhile True: pass")
        runner.wait_text(msg_id, "on\n")
        runner.ask("interrupt_request")
        assert runner.run("import os; os._exit(3)").reply["reason"] == "died"
        assert runner.run("await __import__('asyncio').sleep(0, 4)").value == "4"
