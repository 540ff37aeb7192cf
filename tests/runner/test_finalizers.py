"""What a finalizer does, which the garbage collector may run between any two steps of ours, keeps nobody waiting."""

from __future__ import annotations

from .client import RunnerClient

#: Runs a line of code once between any two steps that some functions take, for each pair of steps anew. A finalizer
#: would come there too, with Python 3.12 and later; to have it come everywhere would take long.
_ANYWHERE = """
import sys, time

def go_anywhere(action, step, is_wanted):
    wanted = steps = 0
    def look(frame, event, arg):
        nonlocal steps
        if is_wanted(frame.f_code):
            frame.f_trace_opcodes = True
            if event == "opcode":
                if steps == wanted:
                    step()
                steps += 1
        return look
    while True:
        steps = 0
        sys.settrace(look)
        action()
        sys.settrace(None)
        if steps > wanted:
            wanted += 1
        elif steps:
            return wanted
        else:
            time.sleep(0.01)  # it had nothing of this to do: lines that come too soon are sent by another thread
"""


def test_finalizer_that_prints_may_come_at_any_step_of_a_flush(runner: RunnerClient) -> None:
    runner.run(_ANYWHERE)
    result = runner.run("""
count = go_anywhere(
    lambda: print("line"),
    lambda: print("from a finalizer"),
    lambda code: code.co_name == "_flush_all",
)
print(f"{count} steps")
""")
    assert result.reply["status"] == "ok"
    lines = [line for line in result.text.split("\n") if line]
    count = int(lines[-1].split()[0])
    assert count > 10 and lines.count("from a finalizer") == count


def test_finalizer_that_reports_progress_may_come_at_any_step_of_waking_what_sends_it(runner: RunnerClient) -> None:
    runner.run(_ANYWHERE)
    result = runner.run("""
import itertools
numbers = itertools.count()
count = go_anywhere(
    lambda: progress("loop", data={"n": next(numbers)}),
    lambda: progress("finalizer", data={"n": next(numbers)}),
    lambda code: code.co_filename.endswith(("bell.py", "threading.py")) and not code.co_name.startswith("is_"),
)
print(f"{count} steps")
""")
    assert result.reply["status"] == "ok"
    assert int(result.text.split()[0]) > 10
    assert result.of("progress")
