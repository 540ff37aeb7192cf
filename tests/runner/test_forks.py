"""Processes that a cell forks by itself: they show what they do, and end where the cell's code does."""

from __future__ import annotations

import pytest

from .client import RunnerClient

WAIT = "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pass", 0),
        ("sys.exit()", 0),
        ("sys.exit(3)", 3),
        ("sys.exit('told')", 1),
        ("raise ValueError('told')", 1),
        ("os._exit(4)", 4),
    ],
)
def test_child_ends_where_its_code_does(runner: RunnerClient, end: str, code: int) -> None:
    result = runner.run(f"import os, sys\npid = os.fork()\nif not pid:\n    {end}\nelse:\n    {WAIT}")
    assert result.stream("stdout") == f"{code}\n"
    assert ("told" in result.stream("stderr")) == ("told" in end)
    assert result.reply["status"] == "ok"
    assert runner.run("1 + 1").value == "2"


def test_child_shows_its_value_and_its_error_as_text(runner: RunnerClient) -> None:
    result = runner.run(f"import os\npid = os.fork()\nif pid: {WAIT}\n'parent' if pid else 'child'")
    assert result.stream("stdout") == "'child'\n0\n" and result.value == "'parent'"
    result = runner.run(f"pid = os.fork()\nif pid: {WAIT}\nelse: 1 / 0")
    assert "ZeroDivisionError" in result.stream("stderr") and result.of("error") == []


def test_child_shows_text_that_a_library_sends_as_the_kernels(runner: RunnerClient) -> None:
    send = "get_ipython().kernel.send_response(None, 'stream', {'name': name, 'text': 'of ' + name})"
    code = f"for name in ('stdout', 'stderr'): {send}"
    result = runner.run(f"import os\npid = os.fork()\nif pid: {WAIT}\nelse:\n    {code}")
    assert result.stream("stdout") == "of stdout0\n" and result.stream("stderr") == "of stderr"


def test_child_that_awaits_has_no_loop(runner: RunnerClient) -> None:
    result = runner.run(f"import asyncio, os\npid = os.fork()\nif pid: {WAIT}\nelse: await asyncio.sleep(60)")
    assert result.stream("stdout") == "1\n" and "no running event loop" in result.stream("stderr")


def test_child_of_a_task_ends_with_the_task_s_step(runner: RunnerClient) -> None:
    runner.run(
        "import asyncio, os\nasync def fork():\n    global pid\n    pid = os.fork()\ntask = asyncio.create_task(fork())"
    )
    assert runner.run(f"await task\n{WAIT}").stream("stdout") == "0\n"


def test_exit_of_a_child_needs_no_stderr(runner: RunnerClient) -> None:
    result = runner.run(
        f"import os, sys\npid = os.fork()\nif not pid:\n    sys.stderr = None\n    sys.exit('told')\n{WAIT}"
    )
    assert result.stream("stderr") == "told\n" and result.stream("stdout") == "1\n"


def test_lines_of_a_child_come_while_it_runs(runner: RunnerClient) -> None:
    run = runner.request(
        "execute_request",
        code="import os\nreader, writer = os.pipe()\npid = os.fork()\nif not pid:\n"
        "    for i in range(100): print('line', i)\n    print('no end', end='', flush=True)\n"
        "    os.close(writer); os.read(reader, 1); os._exit(0)\n"
        "os.close(reader); input()",
        allow_stdin=True,
    )
    expected = "".join(f"line {i}\n" for i in range(100)) + "no end"
    runner.wait_text(run, expected)
    assert runner.result(run).text == expected
    runner.request("interrupt_request")
    runner.finish(run)


def test_child_process_of_multiprocessing_prints_each_line_at_once(runner: RunnerClient) -> None:
    run = runner.request(
        "execute_request",
        code="import multiprocessing, time\ndef work():\n    for i in range(40): print('line', i)\n    time.sleep(60)\n"
        "p = multiprocessing.get_context('fork').Process(target=work); p.start(); p.join()",
    )
    runner.wait_text(run, "line 39\n")  # while it sleeps
    runner.request("interrupt_request")
    assert runner.finish(run).reply["ename"] == "KeyboardInterrupt"
