"""Values and errors that no message can hold as they are: each is shown or refused, and the interpreter lives."""

from __future__ import annotations

import re
import sys

import pytest

from .client import RunnerClient

DEEP = "import sys\nbefore = sys.getrecursionlimit()\nsys.setrecursionlimit({limit})\ndef f(n): return f(n + 1)\n"


def check_alive(runner: RunnerClient) -> None:
    """The interpreter is the first one still."""
    assert runner.run("1 + 1").value == "2"
    assert [event for event in runner.events if event.msg_type == "interpreter_died"] == []


@pytest.mark.parametrize(
    ("bundle", "data"),
    [
        ("{'text/plain': 5}", {"text/plain": "5"}),
        ("{'text/html': None, 'text/plain': 'x'}", {"text/html": "None", "text/plain": "x"}),
        ("{'application/json': {'a': [1, None]}}", {"application/json": {"a": [1, None]}}),
        ("{'application/json': {'a': float('nan')}}", {"application/json": {"a": "nan"}}),
        ("{'text/plain': ['a', 'b']}", {"text/plain": ["a", "b"]}),
        ("{5: 'x'}", {"5": "x"}),
    ],
)
def test_bundle_is_made_one_that_a_notebook_can_hold(runner: RunnerClient, bundle: str, data: object) -> None:
    assert runner.run(f"display({bundle}, raw=True)").of("display_data")[0]["data"] == data
    shown = f"class Shown:\n    def _repr_mimebundle_(self, **options): return {bundle}\nShown()"
    result = runner.run(shown).of("execute_result")[0]["data"]
    assert {key: result[key] for key in result if key in data} == data  # type: ignore[operator]


def test_metadata_that_is_none_is_left_out(runner: RunnerClient) -> None:
    code = "class Shown:\n    def _repr_mimebundle_(self, **options): return {'text/plain': 'shown'}, 7\nShown()"
    (result,) = runner.run(code).of("execute_result")
    assert result["data"] == {"text/plain": "shown"} and result["metadata"] == {}
    check_alive(runner)


@pytest.mark.parametrize(
    "call",
    ["c.send(data=5)", "c.send({}, metadata=5)", "c.close(data=[1])", "create_comm(target_name=5)", "c.send({}, 5)"],
)
def test_comm_message_that_is_none_is_an_error_of_the_cell(runner: RunnerClient, call: str) -> None:
    runner.run("from comm import create_comm\nc = create_comm(target_name='t', data={})")
    result = runner.run(call)
    assert result.error["ename"] == "TypeError" and "of type" in result.error["evalue"]
    check_alive(runner)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ("class E(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise E", "E"),
        ("class M(type):\n    __name__ = 5\nclass E(Exception, metaclass=M): pass\nraise E", "5"),
        ("e = ValueError(1)\ne.__cause__ = e\nraise e", "ValueError"),
        ("raise ValueError('\\ud800')", "ValueError"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("import asyncio\nraise asyncio.CancelledError", "CancelledError"),
    ],
)
def test_odd_error_is_shown_once(runner: RunnerClient, error: str, name: str) -> None:
    result = runner.run(error)
    assert result.error["ename"] == result.reply["ename"] == name
    check_alive(runner)


def test_value_is_shown_where_stdout_is_none(runner: RunnerClient) -> None:
    runner.run("import sys\nout, sys.stdout, sys.stderr = sys.stdout, None, None\nprint('nowhere')")
    assert runner.run("5").value == "5"
    assert runner.run("1 / 0").error["ename"] == "ZeroDivisionError"
    assert runner.run("sys.stdout = out\nprint('back')").text == "back\n"


def test_value_is_shown_where_stdout_is_closed(runner: RunnerClient) -> None:
    runner.run("import io, sys\nout, sys.stdout = sys.stdout, io.StringIO()\nsys.stdout.close()")
    assert runner.run("5").value == "5"
    assert runner.run("sys.stdout = out\nprint('back')").text == "back\n"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.write(1, 'no bytes')",
        "import threading\nthread = threading.Thread()\nthread.start()\nthread.start()",
        "class Shown:\n    def _repr_html_(self): raise ValueError('no')\nShown()",
    ],
)
def test_traceback_shows_no_code_of_the_runner(runner: RunnerClient, code: str) -> None:
    text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(runner.run(code).of("error")[0]["traceback"]))
    assert "_hopx_runner" not in text and "Cell In[" in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="so many calls end older interpreters, whoever runs them")
def test_traceback_of_a_hundred_thousand_calls_is_told_short(runner: RunnerClient) -> None:
    result = runner.run(DEEP.format(limit=100_000) + "f(0)")
    assert result.error["ename"] == "RecursionError"
    text = "\n".join(result.error["traceback"])
    assert "more calls in between are not shown" in text and len(text) < 100_000
    check_alive(runner)


def test_traceback_of_a_thousand_calls_is_told_whole(runner: RunnerClient) -> None:
    result = runner.run(DEEP.format(limit=1000) + "f(0)")
    assert "not shown" not in "\n".join(result.error["traceback"])


def test_message_over_the_bound_is_an_error_that_names_it(runner: RunnerClient) -> None:
    result = runner.run("'x' * 140_000_000", timeout=180)
    assert result.error["ename"] == "LocalProtocolError" and "134217728" in result.error["evalue"]
    check_alive(runner)


def test_error_over_the_bound_loses_its_middle(runner: RunnerClient) -> None:
    result = runner.run("raise ValueError('a' + 'x' * 140_000_000 + 'z')", timeout=180)
    for text in (result.error["evalue"], result.reply["evalue"], result.error["traceback"][-1]):
        assert "characters are not shown" in text and text.endswith("z") and len(text) < 5_000_000
    assert result.reply["ename"] == "ValueError"
    check_alive(runner)


def test_object_that_exits_when_it_is_asked_does_not_end_the_answers_to_questions(runner: RunnerClient) -> None:
    runner.run("import time\nclass Odd:\n    def __getattr__(self, name): raise SystemExit(4)\nodd = Odd()")
    msg_id = runner.request("execute_request", code="print('on')\ntime.sleep(60)")
    runner.wait_text(msg_id, "on\n")
    assert runner.ask("inspect_request", code="odd", cursor_pos=3)["ename"] == "SystemExit"
    assert runner.ask("complete_request", code="od", cursor_pos=2)["matches"] == ["odd"]
    runner.request("interrupt_request")
    assert runner.finish(msg_id).error["ename"] == "KeyboardInterrupt"
