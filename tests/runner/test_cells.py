"""Cells: results, state, errors, Jupyter's options, top-level await, `__main__`."""

from __future__ import annotations

import sys

import pytest

from hopx_kernel.protocol import RunnerOptions

from .client import RunnerClient, open_runner


def test_hello_tells_of_the_runner(runner: RunnerClient) -> None:
    hello = runner.events[0].content
    assert hello["status"] == "ok"
    assert hello["python_version"] == ".".join(map(str, sys.version_info[:3]))
    assert hello["ipython_version"]
    assert hello["pid"] == runner.process.pid


def test_last_expression_is_the_result(runner: RunnerClient) -> None:
    result = runner.run("x = 20\nx * 2 + 2")
    assert result.value == "42"
    assert result.of("execute_result")[0]["execution_count"] == 1
    assert result.reply["status"] == "ok"
    assert (result.reply["reason"], result.reply["stopped"], result.reply["kept"]) == ("completed", True, True)
    assert result.reply["execution_count"] == 1
    assert 0 <= result.reply["duration_seconds"] < 30


def test_state_stays_between_cells(runner: RunnerClient) -> None:
    runner.run("x = 5")
    assert runner.run("_ = 3\nx + _").value == "8"


def test_last_results_are_in_underscores(runner: RunnerClient) -> None:
    runner.run("40")
    assert runner.run("_ + 2").value == "42"
    assert runner.run("_1, Out[1], In[1]").value == "(40, 40, '40')"


def test_source_is_neither_wrapped_nor_prefixed(runner: RunnerClient) -> None:
    code = 'from __future__ import annotations\n"docstring"\ndef f(x: Undefined): ...\nIn[-1]'
    assert runner.run(code).value == repr(code)


def test_error_has_the_cells_own_line_numbers(runner: RunnerClient) -> None:
    result = runner.run("a = 1\nb = 2\n1 / 0\nc = 3")
    assert (result.error["ename"], result.error["evalue"]) == ("ZeroDivisionError", "division by zero")
    text = "\n".join(result.error["traceback"])
    assert "3" in text.split("ZeroDivisionError")[1]
    assert "hopx" not in text
    reply = result.reply
    assert reply["status"] == "error"
    assert reply["ename"] == "ZeroDivisionError"
    assert (reply["reason"], reply["stopped"], reply["kept"]) == ("raised", True, True)
    assert reply["traceback"] == result.error["traceback"]


def test_syntax_error_is_an_error(runner: RunnerClient) -> None:
    assert runner.run("x = = 1").error["ename"] == "SyntaxError"
    assert runner.run("1 + 1").value == "2"


@pytest.mark.parametrize("code", ["x = '\0'", "print('\ud800')", "'\ufffe'"])
def test_odd_code_is_answered(runner: RunnerClient, code: str) -> None:
    assert runner.run(code).reply["status"] in ("ok", "error")
    assert runner.run("1 + 1").value == "2"


def test_system_exit_is_an_error_and_keeps_the_interpreter(runner: RunnerClient) -> None:
    runner.run("x = 7")
    result = runner.run("import sys; sys.exit(3)")
    assert (result.error["ename"], result.error["evalue"]) == ("SystemExit", "3")
    assert result.reply["kept"] is True
    assert runner.run("x").value == "7"


def test_silent_shows_and_counts_nothing(runner: RunnerClient) -> None:
    result = runner.run("y = 6\ny", silent=True)
    assert not result.of("execute_result")
    assert runner.run("y").of("execute_result")[0]["execution_count"] == 1


def test_store_history_false_does_not_count(runner: RunnerClient) -> None:
    runner.run("1", store_history=False)
    assert runner.run("2").reply["execution_count"] == 1


def test_execution_count_is_taken_from_the_host(runner: RunnerClient) -> None:
    result = runner.run("'a'", execution_count=17)
    assert result.of("execute_result")[0]["execution_count"] == result.reply["execution_count"] == 17
    assert runner.run("Out[17]").reply["execution_count"] == 18


def test_user_expressions_are_evaluated(runner: RunnerClient) -> None:
    reply = runner.run("z = 4", user_expressions={"good": "z + 1", "bad": "nope"}).reply
    assert reply["user_expressions"]["good"]["data"]["text/plain"] == "5"
    assert reply["user_expressions"]["bad"]["ename"] == "NameError"


def test_user_expressions_are_left_out_after_an_error(runner: RunnerClient) -> None:
    assert runner.run("1/0", user_expressions={"x": "1"}).reply["user_expressions"] == {}


def test_runs_queue(runner: RunnerClient) -> None:
    first = runner.request("execute_request", code="import time; time.sleep(0.2); v = 1")
    second = runner.request("execute_request", code="v + 1")
    assert runner.finish(second).value == "2"
    assert runner.result(first).reply["status"] == "ok"


def test_events_of_a_run_end_with_its_reply(runner: RunnerClient) -> None:
    result = runner.run("print('a'); 1")
    assert [event.msg_type for event in result.events] == ["stream", "execute_result", "execute_reply"]


def test_top_level_await_works(runner: RunnerClient) -> None:
    assert runner.run("import asyncio\nawait asyncio.sleep(0, 'slept')").value == "'slept'"


def test_loop_runs_in_a_cell(runner: RunnerClient) -> None:
    assert runner.run("import asyncio; asyncio.get_running_loop().is_running()").value == "True"


def test_tasks_go_on_between_cells(runner: RunnerClient) -> None:
    msg_id = runner.request(
        "execute_request",
        code="import asyncio\nasync def f():\n    await asyncio.sleep(0.1)\n    print('from the task')\n"
        "task = asyncio.create_task(f())",
    )
    runner.finish(msg_id)
    runner.wait_text(msg_id, "from the task\n")
    assert runner.result(msg_id).events[-1].msg_type == "stream"


def test_context_variables_stay_between_cells(runner: RunnerClient) -> None:
    runner.run("from contextvars import ContextVar\nv = ContextVar('v')\n_t = v.set(3)")
    assert runner.run("v.get()").value == "3"


def test_thread_output_after_the_cell_is_that_cells(runner: RunnerClient) -> None:
    code = "import threading\ngo = threading.Event()\ndef f():\n    go.wait()\n    print('late')\nt = threading.Thread(target=f)\nt.start()"
    msg_id = runner.request("execute_request", code=code)
    runner.finish(msg_id)
    second = runner.run("go.set(); t.join(); print('second')")
    assert second.text == "second\n"
    assert runner.result(msg_id).text == "late\n"


def test_main_is_the_cells_module(runner: RunnerClient) -> None:
    code = "import sys, pickle\nclass A: pass\nA.__module__, sys.modules['__main__'].A is A, type(pickle.loads(pickle.dumps(A())))"
    assert runner.run(code).value == "('__main__', True, __main__.A)"


def test_multiprocessing_works_by_default(runner: RunnerClient) -> None:
    code = "from multiprocessing import Pool\ndef f(x): return x * x\nwith Pool(2) as p: r = p.map(f, range(5))\nr"
    assert runner.run(code).value == "[0, 1, 4, 9, 16]"


def test_runner_is_not_importable_by_its_packages_name(runner: RunnerClient) -> None:
    assert runner.run("import sys; [n for n in sys.modules if n.startswith('hopx_kernel')]").value == "[]"
    assert runner.run("sys.path[0], [p for p in sys.path if p.endswith('pyz')]").value == "('', [])"


def test_environment_that_is_set_reaches_children_and_every_later_interpreter(runner: RunnerClient) -> None:
    value = "b 'c' $d\n"
    runner.run("import os; os.environ['A'] = 'old'; os.environ['MINE'] = 'kept'")
    assert runner.ask("environment_request", env={"A": value})["status"] == "ok"
    code = "import os, subprocess; os.environ['A'], subprocess.getoutput('printf %s \"$A\"'), os.environ.get('MINE')"
    assert runner.run(code).value == repr((value, value.rstrip("\n"), "kept"))
    runner.run("os._exit(3)")
    assert runner.run(code).value == repr((value, value.rstrip("\n"), None))
    runner.ask("restart_request")
    assert runner.run(code).value == repr((value, value.rstrip("\n"), None))


def test_environment_that_is_set_while_an_interpreter_starts_reaches_it(runner: RunnerClient) -> None:
    for number in range(5):
        crash = runner.request("execute_request", code="import os; os._exit(3)")
        runner.reply_to(crash)
        asked = runner.request("environment_request", env={"A": str(number)})
        run = runner.request("execute_request", code="import os; os.environ['A']")
        runner.reply_to(asked)
        assert runner.finish(run).value == repr(str(number))


def test_environment_is_set_while_a_cell_runs_and_holds_for_the_next(runner: RunnerClient) -> None:
    run = runner.request("execute_request", code="import os, time; time.sleep(0.5); os.environ.get('LATE')")
    assert runner.ask("environment_request", env={"LATE": "x"})["status"] == "ok"
    runner.finish(run)
    assert runner.run("os.environ['LATE']").value == "'x'"


def test_environment_and_directory_are_the_options(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("work")
    with open_runner(RunnerOptions(cwd=str(directory), env={"FLAVOUR": "mint"})) as runner:
        assert runner.run("import os; os.getcwd(), os.environ['FLAVOUR']").value == repr((str(directory), "mint"))


def test_missing_directory_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_runner(RunnerOptions(cwd="/nowhere/at/all")) as runner:
        assert runner.run("1").value == "1"
        assert "/nowhere/at/all" in "".join(e.content["text"] for e in runner.events if e.msg_type == "stream")
