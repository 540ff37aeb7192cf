"""Output as large as the memory there is: it arrives, or is an error that names the limit; the next cell runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hopx_kernel.protocol import RunnerOptions

from .client import RunnerClient, open_runner

MIB = 1 << 20

#: Generous: hundreds of megabytes pass through this program, on a machine that does other things too.
TIMEOUT_SECONDS = 300.0


@pytest.fixture
def small() -> Iterator[RunnerClient]:
    """A runner with 400 MiB."""
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=400 * MIB)) as runner:
        yield runner


def check_alive(runner: RunnerClient) -> None:
    """Whether a cell can be stopped, and the next one runs, in the interpreter that there was."""
    msg_id = runner.request("execute_request", code="import time\nprint('on')\ntime.sleep(600)")
    runner.wait_text(msg_id, "on\n", TIMEOUT_SECONDS)
    runner.request("interrupt_request")
    assert runner.finish(msg_id, TIMEOUT_SECONDS).error["ename"] == "KeyboardInterrupt"
    assert runner.run("1 + 1", timeout=TIMEOUT_SECONDS).value == "2"
    assert not [event for event in runner.events if event.msg_type == "interpreter_died"]


@pytest.mark.parametrize(
    ("code", "size"),
    [
        ("print('x' * SIZE, end='')", 300 * MIB),
        ("import sys; count = sys.stdout.write('x' * SIZE)", 340 * MIB),
        ("import sys; print('x' * SIZE, end='', file=sys.stderr)", 300 * MIB),
        ("print(('x' * 79 + '\\n') * (SIZE // 80), end='')", 320 * MIB),
        ("print('\\u20ac' * SIZE, end='')", 150 * MIB),
        ("import sys; sys.stdout.writelines(['x' * SIZE])", 300 * MIB),
        ("import sys; count = sys.stdout.buffer.write(b'x' * SIZE)", 300 * MIB),
        ("import os\nleft = memoryview(b'x' * SIZE)\nwhile left: left = left[os.write(1, left):]", 300 * MIB),
        ("class Text(str):\n    def __len__(self): return 1\nprint(Text('x' * SIZE), end='')", 150 * MIB),
    ],
)
def test_text_of_most_of_the_memory_is_printed(small: RunnerClient, code: str, size: int) -> None:
    result = small.run(code.replace("SIZE", str(size)), timeout=TIMEOUT_SECONDS)
    assert result.reply["status"] == "ok", result.reply
    assert sum(len(content["text"]) for content in result.of("stream")) == size
    check_alive(small)


@pytest.mark.parametrize(
    "code",
    [
        "'x' * (300 << 20)",
        "'x' * (150 << 20)",
        "class Long:\n    def __repr__(self): return 'x' * (250 << 20)\nLong()",
        "raise ValueError('x' * (300 << 20))",
        "class Long(Exception):\n    def __str__(self): return 'x' * (250 << 20)\nraise Long",
        "from IPython.display import display\ndisplay({'text/plain': 'x' * (300 << 20)}, raw=True)",
        "from IPython.display import display\ndisplay({'application/json': ['x' * (50 << 20)] * 6}, raw=True)",
        "['x' * (100 << 20)] * 3",
        "get_ipython().set_next_input('x' * (140 << 20))",
    ],
)
def test_value_that_memory_cannot_show_is_an_error_that_names_the_limit(small: RunnerClient, code: str) -> None:
    result = small.run(code, timeout=TIMEOUT_SECONDS)
    assert (result.reply["status"], result.reply["kept"]) == ("error", True)
    assert "memory_limit" in result.reply["evalue"] or "not shown" in result.reply["evalue"]
    check_alive(small)


def test_text_is_whole_where_it_is_cut(runner: RunnerClient) -> None:
    # Each character is two surrogates, as some programs make them, and one of them stands at every cut.
    code = "text = 'a' + '\\ud83d\\ude00' * (2 << 20)\nprint(text, end='')"
    assert runner.run(code, timeout=TIMEOUT_SECONDS).text == "a" + "\U0001f600" * (2 << 20)


def test_interrupt_ends_a_print_that_is_long(small: RunnerClient) -> None:
    msg_id = small.request("execute_request", code="while True: print('y' * (200 << 20))")
    small.wait_for(lambda event: event.msg_type == "stream" and event.parent_id == msg_id, TIMEOUT_SECONDS)
    small.request("interrupt_request")
    assert small.finish(msg_id, TIMEOUT_SECONDS).error["ename"] == "KeyboardInterrupt"
    check_alive(small)


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("1", {"user_expressions": {"long": "'x' * (140 << 20)"}}),
        ("get_ipython().set_next_input('x' * (140 << 20))", {}),
    ],
)
def test_reply_over_the_bound_of_a_message_is_an_error(
    runner: RunnerClient, code: str, options: dict[str, object]
) -> None:
    result = runner.run(code, timeout=TIMEOUT_SECONDS, **options)
    assert (result.reply["status"], result.reply["ename"]) == ("error", "LocalProtocolError")
    assert "134217728" in result.reply["evalue"] and result.error["evalue"] == result.reply["evalue"]
    check_alive(runner)


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('\\U0001f600' * (8 << 20))",
        "class Long(Exception):\n    def _render_traceback_(self): return ['x' * (5 << 20)] * 60\nraise Long('a')",
    ],
)
def test_error_of_many_long_lines_is_told(runner: RunnerClient, code: str) -> None:
    result = runner.run(code, timeout=TIMEOUT_SECONDS)
    assert result.error["ename"] in ("ValueError", "Long")
    assert "not shown" in "\n".join(result.error["traceback"])
    check_alive(runner)


@pytest.mark.parametrize(
    "code",
    [
        "error('x' * (60 << 20))",
        "from IPython.display import display\ndisplay({'text/plain': 'x' * (60 << 20)}, raw=True)",
        "input('x' * (60 << 20))",
        "from comm import create_comm\ncreate_comm(target_name='a', data={'a': 'x' * (60 << 20)})",
    ],
)
def test_event_that_its_supervisor_has_no_memory_for_is_an_error(small: RunnerClient, code: str) -> None:
    result = small.run(code, timeout=TIMEOUT_SECONDS, allow_stdin=True)
    assert (result.reply["status"], result.reply["kept"]) == ("error", True)
    assert "memory_limit" in result.reply["evalue"] and "for one message" in result.reply["evalue"]
    check_alive(small)
