"""An interpreter that is killed in a flood, at many moments: all that `print` has returned from is shown, and once."""

from __future__ import annotations

import mmap
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopx_kernel.protocol import RunnerOptions

from .client import RunnerClient, RunResult, open_runner

#: How often each way is tried in one interpreter after another, each killed at another moment.
KILLS = 10

_NAMES = ("stdout", "stderr")

#: What all ways begin with: counters that the test reads after the death, and a way to print that counts what has returned.
_BEGIN = """
import ctypes, mmap, os, signal, sys, threading, time
with open({path!r}, "r+b") as file:
    printed = memoryview(mmap.mmap(file.fileno(), 64)).cast("Q")

def flood(number, make, stream):
    line = 0
    while True:
        stream.write(make(line))
        line += 1
        printed[number] = line

def kill_oneself():  # without what flushes before a `os.kill`
    signal.raise_signal(signal.SIGKILL)
"""

#: Each way to flood; the number of counters and how line N of each looks.
WAYS = {
    "lines": ("flood(0, LINES[0], sys.stdout)", ["lambda n: f'{n}\\n'"]),
    "errors": ("flood(1, LINES[1], sys.stderr)", ["", "lambda n: f'{n}\\n'"]),
    "long lines": ("flood(0, LINES[0], sys.stdout)", ["lambda n: f'{n}' + 'x' * (n * 977 % 9000) + '\\n'"]),
    "odd characters": (
        "flood(0, LINES[0], sys.stdout)",
        ["lambda n: f'{n} \\0\\xff\\u20ac\\U0001f600 ' + '\\0' * (n % 3) + '\\n'"],
    ),
    "texts longer than all memory for them": (
        "flood(0, LINES[0], sys.stdout)",
        ["lambda n: f'{n}' + 'y' * (n * 99_991 % 400_000) + '\\n'"],
    ),
    "both streams": (
        """
for line in range(10 ** 9):
    for number, stream in enumerate((sys.stdout, sys.stderr)):
        stream.write(LINES[number](line))
        printed[number] = line + 1
""",
        ["lambda n: f'{n}\\n'", "lambda n: f'{n} of stderr\\n'"],
    ),
    "two threads": (
        """
threading.Thread(target=flood, args=(1, LINES[1], sys.stderr), daemon=True).start()
flood(0, LINES[0], sys.stdout)
""",
        ["lambda n: f'{n}\\n'", "lambda n: f'{n} ' + 'x' * (n % 200) + '\\n'"],
    ),
    "with displays between": (
        """
from IPython.display import display
def make(line):
    if not line % 500:
        display(line)
        printed[2] = line // 500 + 1
    return LINES[0](line)
flood(0, make, sys.stdout)
""",
        ["lambda n: f'{n}\\n'"],
    ),
    "text that a library sends as the kernel's": (
        """
kernel = get_ipython().kernel
line = 0
while True:
    kernel.send_response(kernel.iopub_socket, "stream", {"name": "stderr", "text": LINES[1](line)})
    line += 1
    printed[1] = line
""",
        ["", "lambda n: f'{n}\\n'"],
    ),
    "a child": (
        """
import subprocess
code = BEGIN + '''
line = 0
while True:
    os.write(1, b"%d\\\\n" % line)
    line += 1
    printed[0] = line
'''
subprocess.run([sys.executable, '-c', code])
""",
        ["lambda n: f'{n}\\n'"],
    ),
    "bits of lines": (
        """
line = 0
while True:
    for part in LINES[0](line).split(' '):
        print(part, end=' ')
    print()
    line += 1
    printed[0] = line
""",
        ["lambda n: f'{n} a b c'"],
    ),
}


class Counters:
    """How much the code knows that it has printed, in a file that is mapped there and here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(64))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 64)

    def values(self) -> list[int]:
        return memoryview(self._map).cast("Q").tolist()

    def reset(self) -> None:
        self._map[:] = bytes(64)


@pytest.fixture
def counters(tmp_path: Path) -> Counters:
    return Counters(tmp_path / "printed")


def begin(runner: RunnerClient, counters: Counters, makers: list[str]) -> int:
    """Prepare a fresh interpreter; gives its process."""
    counters.reset()
    lines = ", ".join([maker or "None" for maker in makers])
    first = _BEGIN.format(path=str(counters.path))
    code = f"{first}\nBEGIN, LINES = {first!r}, [{lines}]\nos.getpid()"
    return int(runner.run(code).value)


def check_lines(result: RunResult, makers: list[str], counts: list[int]) -> None:
    """Each line once and in order, and all that the code knew it had printed."""
    assert "may be missing" not in result.text, result.stream("stderr")[-300:]
    for name, maker, count in zip(_NAMES, makers, counts, strict=False):
        if not maker:
            continue
        make = eval(maker)
        shown = result.stream(name)
        at = line = 0
        ending = " \n" if "a b c" in maker else ""
        while at < len(shown):
            expected = make(line) + ending
            if not shown.startswith(expected, at):
                # The one line that it was in the middle of, with zeros for what of a record was not there yet.
                begun = shown[at:]
                same = [one in ("\0", other) for one, other in zip(begun, expected, strict=False)]
                assert len(begun) <= len(expected) and all(same), (line, begun[:200])
                break
            at += len(expected)
            line += 1
        assert line >= count, f"{count - line} lines of {name} are lost"


def wait_for_text(runner: RunnerClient, msg_id: str) -> None:
    runner.wait_for(lambda event: event.msg_type == "stream" and event.parent_id == msg_id)


def receive_for(runner: RunnerClient, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            runner.receive(left)
        except TimeoutError:
            return


@pytest.mark.parametrize("way", WAYS)
def test_kill_in_a_flood_loses_nothing_that_was_printed(runner: RunnerClient, counters: Counters, way: str) -> None:
    code, makers = WAYS[way]
    rng = random.Random(way)
    for _ in range(KILLS):
        pid = begin(runner, counters, makers)
        msg_id = runner.request("execute_request", code=code)
        wait_for_text(runner, msg_id)
        receive_for(runner, rng.random() * rng.choice((0.002, 0.02, 0.2)))
        os.kill(pid, signal.SIGKILL)
        result = runner.finish(msg_id)
        counts = counters.values()
        check_lines(result, makers, counts)
        assert len(result.of("display_data")) >= counts[2]
        assert "SIGKILL" in result.reply["evalue"]


def test_flood_that_ends_itself_loses_nothing(runner: RunnerClient, counters: Counters) -> None:
    makers = ["lambda n: f'{n}\\n'"]
    for count in (1, 2, 7, 19, 20, 21, 22, 100, 999, 20_000):
        begin(runner, counters, makers)
        result = runner.run(f"for n in range({count}): print(n)\nkill_oneself()")
        assert result.stream("stdout") == "".join([f"{n}\n" for n in range(count)])
        assert "may be missing" not in result.text
    for end in ("time.sleep(0.1)", "ctypes.string_at(0)", "print('x' * 99_999, end='')"):
        begin(runner, counters, makers)
        result = runner.run(f"for n in range(50_000): print(n)\n{end}\nkill_oneself()")
        assert result.stream("stdout").startswith("".join([f"{n}\n" for n in range(50_000)]))
        assert result.stream("stdout").count("x") == (99_999 if "99_999" in end else 0)


def test_kill_while_the_host_takes_nothing_loses_nothing(runner: RunnerClient, counters: Counters) -> None:
    makers = ["lambda n: f'{n}\\n'"]
    for _ in range(3):
        pid = begin(runner, counters, makers)
        runner.acknowledges = False
        msg_id = runner.request("execute_request", code="flood(0, LINES[0], sys.stdout)")
        wait_for_text(runner, msg_id)
        before = -1
        for _ in range(20):  # mostly until it stands still, since nobody takes what it prints
            if counters.values()[0] == before:
                break
            before = counters.values()[0]
            time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        runner.acknowledges = True
        result = runner.finish(msg_id)
        check_lines(result, makers, counters.values())


def test_each_request_keeps_its_own_text_when_all_are_killed(runner: RunnerClient, counters: Counters) -> None:
    makers = ["lambda n: f'{n}\\n'", "lambda n: f'{n}\\n'"]
    for _ in range(5):
        pid = begin(runner, counters, makers)
        first = runner.request(
            "execute_request",
            code="threading.Thread(target=flood, args=(0, LINES[0], sys.stdout), daemon=True).start()",
        )
        runner.finish(first)
        second = runner.request("execute_request", code="flood(1, LINES[1], sys.stderr)")
        wait_for_text(runner, second)
        os.kill(pid, signal.SIGKILL)
        runner.finish(second)
        counts = counters.values()
        check_lines(runner.result(first), ["lambda n: f'{n}\\n'"], counts)
        check_lines(runner.result(second), ["", "lambda n: f'{n}\\n'"], counts)
        assert not runner.result(first).stream("stderr")
        assert not runner.result(second).stream("stdout")


@pytest.fixture
def small() -> Iterator[RunnerClient]:
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=300 << 20, interrupt_grace_seconds=0.5)) as runner:
        yield runner


def test_end_by_a_limit_loses_nothing(small: RunnerClient, counters: Counters) -> None:
    makers = ["lambda n: f'{n}\\n'"]
    takes = "threading.Thread(target=lambda: [bytearray(8 << 20) for _ in range(99)], daemon=True).start()"
    begin(small, counters, makers)
    result = small.run(f"for n in range(30_000): print(n)\nparts = []\n{takes}\nsignal.raise_signal({_no_room()})")
    check_lines(result, makers, [30_000])
    # One that is deaf to a Stop is ended from outside: by a restart, and at its deadline.
    begin(small, counters, makers)
    code = """
threading.Thread(target=flood, args=(0, LINES[0], sys.stdout), daemon=True).start()
while True:
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        pass
"""
    msg_id = small.request("execute_request", code=code)
    small.wait_text(msg_id, "1000\n")
    small.request("restart_request")
    result = small.finish(msg_id)
    assert result.reply["reason"] == "restarted"
    check_lines(result, makers, counters.values())
    begin(small, counters, makers)
    result = small.run(code, timeout_seconds=1.0)
    assert (result.reply["reason"], result.reply["kept"]) == ("timeout", False)
    check_lines(result, makers, counters.values())


def _no_room() -> int:
    from hopx_kernel.runner.limits import NO_ROOM_SIGNAL

    return int(NO_ROOM_SIGNAL)


def test_what_children_have_written_is_shown_at_the_end(runner: RunnerClient) -> None:
    # A full pipe of it: its reader stands still while the interpreter ends.
    code = """
import os, signal, subprocess
for _ in range(200): os.write(1, b'a flood\\n')
child = subprocess.Popen(['sh', '-c', 'for n in 1 2 3 4 5 6 7 8 9; do echo line $n; done; exec sleep 600'])
os.write(1, b'x' * 60_000 + b'\\n')
signal.raise_signal(signal.SIGSTOP)
"""
    pid = int(runner.run("import os; os.getpid()").value)
    msg_id = runner.request("execute_request", code=code)
    runner.wait_text(msg_id, "line 9\n")
    os.kill(pid, signal.SIGKILL)
    text = runner.finish(msg_id).stream("stdout")
    assert text.count("a flood\n") == 200 and text.count("x") == 60_000
    assert [f"line {number}" for number in range(1, 10)] == [line for line in text.splitlines() if "line" in line]


def test_nothing_is_shown_twice_or_lost_after_the_death_of_a_fork(runner: RunnerClient) -> None:
    code = """
import os, signal
for n in range(5000): print('parent', n)
pid = os.fork()
if not pid:
    for n in range(5000): print('child', n)
    signal.raise_signal(signal.SIGKILL)
os.waitpid(pid, 0)
for n in range(5000, 10_000): print('parent', n)
signal.raise_signal(signal.SIGKILL)
"""
    lines = runner.run(code).stream("stdout").splitlines()
    assert [line for line in lines if "parent" in line] == [f"parent {n}" for n in range(10_000)]
    assert [line for line in lines if "child" in line] == [f"child {n}" for n in range(5000)]
