"""Whatever code writes into the memory that its supervisor shares with it, that one goes on, and so does the next cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.runner.shared_page import SharedPage

from .client import RunnerClient

#: Writes numbers over all that is shared, and says so past it.
_OVERWRITE = """
import ctypes, os, random, time

def overwrite(make):
    for line in open("/proc/self/maps"):
        span, rights = line.split()[:2]
        if "w" in rights and "s" in rights:
            start, end = (int(part, 16) for part in span.split("-"))
            words = (ctypes.c_uint64 * ((end - start) // 8)).from_address(start)
            words[:] = [make() for _ in words]

numbers = random.Random({seed})
overwrite({make})
os.write(1, b"on\\n")
"""

_NUMBERS = {
    "the largest": "lambda: (1 << 64) - 1",
    "half of it": "lambda: 1 << 63",
    "nothing": "lambda: 0",
    "any": "lambda: numbers.getrandbits(64)",
    "any of any length": "lambda: numbers.getrandbits(numbers.randrange(65))",
}

_WORDS = st.integers(0, (1 << 64) - 1) | st.sampled_from((0, 1, (1 << 64) - 1, 1 << 63))


@pytest.mark.parametrize("numbers", _NUMBERS)
def test_stop_does_what_it_says(runner: RunnerClient, numbers: str) -> None:
    for seed in range(3):
        code = _OVERWRITE.format(seed=seed, make=_NUMBERS[numbers]) + "time.sleep(600)"
        msg_id = runner.request("execute_request", code=code)
        runner.wait_text(msg_id, "on\n")
        answer = runner.ask("interrupt_request")
        if not answer["stopped"]:
            assert "did not stop" in answer["evalue"]
            assert runner.ask("restart_request")["status"] == "ok"
        assert runner.run("print('next')").text == "next\n"


@pytest.mark.parametrize("numbers", _NUMBERS)
def test_limit_of_time_holds(runner: RunnerClient, numbers: str) -> None:
    code = _OVERWRITE.format(seed=0, make=_NUMBERS[numbers]) + "time.sleep(600)"
    result = runner.run(code, timeout_seconds=2)
    assert result.reply["reason"] == "timeout", result.reply
    assert runner.run("print('next')").text == "next\n"


@pytest.mark.parametrize("numbers", _NUMBERS)
def test_death_is_told_and_the_next_prints(runner: RunnerClient, numbers: str) -> None:
    code = _OVERWRITE.format(seed=0, make=_NUMBERS[numbers])
    assert runner.run(code + "os._exit(3)").reply["ename"] == "InterpreterDied"
    assert runner.run("print('next')").text == "next\n"


@given(st.lists(_WORDS, min_size=5, max_size=5), st.integers(0, 1 << 40))
def test_page_takes_a_request_whatever_stands_on_it(words: list[int], number: int) -> None:
    page = SharedPage()
    for at, word in enumerate(words):
        page._words[at] = word
    before = page.signals
    page.ask(number)
    assert page.asked(number) >= 1
    assert page.outstanding(number) <= page.asked(number)
    assert page.signals != before
