"""Output: who writes what in which order, how fast, and what becomes of bytes that are no text."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from hopx_kernel.protocol import Message

from .client import RunnerClient

ORDERED = """
import os, subprocess, sys
expected = []
def say(fd, text):
    expected.append((fd, text))
for i in range(30):
    print(f'print {i}'); say(1, f'print {i}')
    os.write(1, b'write %d\\n' % i); say(1, f'write {i}')
    print(f'error {i}', file=sys.stderr); say(2, f'error {i}')
    os.write(2, b'errwrite %d\\n' % i); say(2, f'errwrite {i}')
    sys.stdout.buffer.write(b'buffer %d\\n' % i); say(1, f'buffer {i}')
    if i % 10 == 0:
        subprocess.run(['sh', '-c', 'echo child; echo childerr >&2; echo again; echo last >&2'])
        say(1, 'child'); say(2, 'childerr'); say(1, 'again'); say(2, 'last')
        os.system('echo system'); say(1, 'system')
expected
"""


def lines_of(runner: RunnerClient, events: list[Message]) -> list[tuple[int, str]]:
    lines = []
    for event in events:
        if event.msg_type == "stream":
            fd = 1 if event.content["name"] == "stdout" else 2
            lines += [(fd, line) for line in event.content["text"].splitlines()]
    return lines


def test_all_ways_of_writing_keep_their_order(runner: RunnerClient) -> None:
    result = runner.run(ORDERED)
    assert repr(lines_of(runner, result.events)).replace(" ", "") == "".join(result.value.split())


def test_order_is_kept_by_a_child_that_writes_to_both(runner: RunnerClient) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out$i; echo err$i >&2; done"
    result = runner.run(f"import subprocess; subprocess.run(['sh', '-c', {script!r}]); None")
    expected = [(fd, f"{name}{i}") for i in range(1, 10) for fd, name in ((1, "out"), (2, "err"))]
    assert lines_of(runner, result.events) == expected


def test_order_is_kept_behind_a_flood_of_prints(runner: RunnerClient) -> None:
    result = runner.run("import os\nfor i in range(20000): print(i)\nos.write(1, b'end\\n')\nprint('after')")
    assert result.text == "".join(f"{i}\n" for i in range(20000)) + "end\nafter\n"


def test_line_leaves_before_the_cell_ends(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code="print('first'); input()", allow_stdin=True)
    runner.wait_text(msg_id, "first\n")
    runner.wait_for(lambda event: event.msg_type == "input_request")
    runner.send(Message("input_reply", {"value": ""}, parent_id=msg_id))
    runner.finish(msg_id)


def test_partial_line_leaves_before_the_cell_ends(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code="import time\nprint('no end', end='')\ntime.sleep(60)")
    runner.wait_text(msg_id, "no end")
    runner.request("interrupt_request")
    assert runner.finish(msg_id).error["ename"] == "KeyboardInterrupt"


def test_print_leaves_as_one_message(runner: RunnerClient) -> None:
    results = [runner.run("print('a', 'b', 3)") for _ in range(20)]
    assert {result.text for result in results} == {"a b 3\n"}
    # Of a print that the machine stops in its middle, the first part leaves by itself.
    assert sum(len(result.of("stream")) for result in results) <= 22


def test_carriage_return_bar_is_shown_step_by_step(runner: RunnerClient) -> None:
    code = (
        "import sys, time\nfor i in range(5):\n    sys.stdout.write(f'\\r{i}/5'); sys.stdout.flush(); time.sleep(0.05)"
    )
    assert [one["text"] for one in runner.run(code).of("stream")] == [f"\r{i}/5" for i in range(5)]


def test_million_lines_come_in_order_in_few_messages(runner: RunnerClient) -> None:
    started = time.monotonic()
    result = runner.run("for i in range(1_000_000): print(i)", timeout=180)
    assert result.text == "".join(f"{i}\n" for i in range(1_000_000))
    # Those of the text's size, and twenty a second for as long as a slow machine takes.
    assert len(result.of("stream")) <= 500 + 20 * (time.monotonic() - started)


def test_flood_with_short_breaks_comes_in_few_messages(runner: RunnerClient) -> None:
    code = "import time\nfor i in range(40):\n    for j in range(1000): print(i, j)\n    time.sleep(0.06)"
    started = time.monotonic()
    result = runner.run(code, timeout=180)
    assert result.text == "".join(f"{i} {j}\n" for i in range(40) for j in range(1000))
    assert len(result.of("stream")) <= 400 + 20 * (time.monotonic() - started)


def test_line_of_ten_megabytes_arrives_whole(runner: RunnerClient) -> None:
    assert runner.run("print('0123456789' * 1_000_000)").text == "0123456789" * 1_000_000 + "\n"


def test_flood_of_a_child_arrives_whole(runner: RunnerClient) -> None:
    result = runner.run("import subprocess; subprocess.run(['seq', '300000']); print('done')", timeout=180)
    assert result.text == "".join(f"{i}\n" for i in range(1, 300001)) + "done\n"


def test_flood_of_small_writes_arrives_whole(runner: RunnerClient) -> None:
    result = runner.run("import os\nfor i in range(20000): os.write(1, b'%d\\n' % i)", timeout=180)
    assert result.text == "".join(f"{i}\n" for i in range(20000))


def test_order_comes_back_after_a_flood(runner: RunnerClient) -> None:
    runner.run("import subprocess; subprocess.run(['seq', '100000'])")
    script = "for i in 1 2 3 4 5; do echo out$i; echo err$i >&2; done"
    result = runner.run(f"subprocess.run(['sh', '-c', {script!r}]); None")
    assert lines_of(runner, result.events) == [
        (fd, f"{n}{i}") for i in range(1, 6) for fd, n in ((1, "out"), (2, "err"))
    ]


def test_bytes_that_are_not_utf8_are_replaced(runner: RunnerClient) -> None:
    assert runner.run("import os; _ = os.write(1, b'a\\xff\\xfeb\\n')").text == "a\ufffd\ufffdb\n"


def test_character_split_over_two_writes_stays_whole(runner: RunnerClient) -> None:
    code = "import os, time\n_ = os.write(1, b'\\xf0\\x9f')\ntime.sleep(0.05)\n_ = os.write(1, b'\\x98\\x80\\n')"
    assert runner.run(code).text == "\N{GRINNING FACE}\n"


def test_emoji_arrives(runner: RunnerClient) -> None:
    assert runner.run("print('\N{GRINNING FACE}\N{SNOWMAN}')").text == "\N{GRINNING FACE}\N{SNOWMAN}\n"


def test_lone_surrogate_is_replaced(runner: RunnerClient) -> None:
    result = runner.run("print('a\\ud800b'); 'c\\ud800'")
    assert result.text == "a\ufffdb\n"
    assert result.reply["status"] == "ok"
    assert runner.run("raise ValueError('\\udfff')").error["evalue"] == "\ufffd"


def test_unicode_line_separators_survive(runner: RunnerClient) -> None:
    assert runner.run("print('a\\u2028b\\x85c')").text == "a\u2028b\x85c\n"


def test_output_of_forked_children_is_shown_once(runner: RunnerClient) -> None:
    code = """
import os, sys
sys.stdout.write('parent ')
pid = os.fork()
if not pid:
    print('child')
    sys.stdout.flush()
    os._exit(0)
os.waitpid(pid, 0)
print('again')
"""
    assert runner.run(code).text == "parent child\nagain\n"


def test_output_of_multiprocessing_is_shown(runner: RunnerClient) -> None:
    code = "from multiprocessing import Process\ndef f(): print('from a process')\np = Process(target=f); p.start(); p.join(); print(p.exitcode)"
    assert runner.run(code).text == "from a process\n0\n"


def test_output_of_threads_loses_nothing(runner: RunnerClient) -> None:
    code = """
import threading
def f(name):
    for i in range(2000): print(name * 20)
threads = [threading.Thread(target=f, args=(name,)) for name in 'abcd']
for t in threads: t.start()
for t in threads: t.join()
"""
    lines = runner.run(code).text.split("\n")
    # print writes text and newline separately, so lines of threads may join, as they do in a terminal; no byte is lost.
    assert sum(len(line) for line in lines) == 4 * 2000 * 20
    assert len(lines) == 4 * 2000 + 1


def test_output_of_c_code_is_shown_at_the_cells_end(runner: RunnerClient) -> None:
    result = runner.run("import ctypes\nlibc = ctypes.CDLL(None)\n_ = libc.printf(b'from C')\nprint('python')")
    assert "from C" in result.text
    assert "python\n" in result.text


def test_child_left_behind_is_shown_under_the_last_run(runner: RunnerClient) -> None:
    msg_id = runner.request(
        "execute_request", code="import subprocess; p = subprocess.Popen(['sh', '-c', 'sleep 0.2; echo late'])"
    )
    runner.finish(msg_id)
    runner.wait_text(msg_id, "late\n")


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.stdout.isatty(), sys.stdout.encoding.lower(), sys.stdout.errors, sys.stdout.writable()",
        "import sys; sys.stdout.reconfigure(encoding='utf-8'); sys.stdout.closed",
        "import sys; sys.stdout.fileno(), sys.stderr.fileno(), sys.__stdout__ is sys.stdout",
    ],
)
def test_streams_are_like_files(runner: RunnerClient, code: str) -> None:
    expected = {"isatty": "(False, 'utf-8', 'strict', True)", "reconf": "False", "fileno": "(1, 2, True)"}
    (value,) = [text for key, text in expected.items() if key in code]
    assert runner.run(code).value == value


def test_stream_refuses_what_is_not_text(runner: RunnerClient) -> None:
    assert runner.run("import sys; sys.stdout.write(b'x')").error["ename"] == "TypeError"


def test_closing_stdout_harms_nothing(runner: RunnerClient) -> None:
    runner.run("import sys; sys.stdout.close()")
    assert runner.run("print('still here')").text == "still here\n"


def test_redirecting_stdout_works(runner: RunnerClient) -> None:
    code = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as f: print('x')\nf.getvalue()"
    assert runner.run(code).value == "'x\\n'"


def test_signal_handler_that_prints_is_shown(runner: RunnerClient) -> None:
    code = """
import signal
signal.signal(signal.SIGALRM, lambda *_: print('tick'))
for i in range(20000):
    # One at a time: ticks that come faster than they are handled would leave the cell no time.
    if not i % 50 and not signal.getitimer(signal.ITIMER_REAL)[0]: signal.setitimer(signal.ITIMER_REAL, 0.0001)
    print(i)
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    lines = runner.run(code).text.split("\n")
    numbers = [line.replace("tick", "") for line in lines]
    assert [line for line in numbers if line] == [str(i) for i in range(20000)]
    assert any("tick" in line for line in lines)


def test_line_leaves_by_the_print_that_ends_it(runner: RunnerClient) -> None:
    runner.run("import ctypes, os; stop = getattr(ctypes.PyDLL(None), 'raise')")
    msg_id = runner.request("execute_request", code="print(os.getpid()); stop(19)")  # SIGSTOP: no thread goes on
    runner.wait_text(msg_id, "\n")
    pid = int(runner.result(msg_id).text)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "Tt":
        time.sleep(0.01)  # the line may come before the stop
    os.kill(pid, signal.SIGCONT)
    assert runner.finish(msg_id).reply["status"] == "ok"
