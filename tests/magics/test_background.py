"""``%%sandbox --background``."""

from __future__ import annotations

from .client import Kernel, ok, refused

#: Waits until a run has written something.
UNTIL = "import time\nwhile not run.output: time.sleep(0.01)\n"


def test_run_gives_its_output_to_the_cell_that_started_it(kernel: Kernel, name: str, directory: str) -> None:
    wait = "while i == 1 and not os.path.exists('go'): time.sleep(0.01)"
    code = f"import os, time\nfor i in range(3):\n    print('line', i)\n    {wait}\n42"
    msg_id = kernel.send(f"%%sandbox {name} --background\n{code}")
    first = kernel.collect(msg_id)
    assert "running" in first.result
    ok(kernel.run("run = _; open('go', 'w').close()"))
    ok(kernel.run(f"%sandbox {name} upload go"))
    outcome = ok(kernel.run("print('here'); value = run.wait(); print(value, run, run.result)"))
    assert outcome.text() == f"here\n42 <run 1 in sandbox {name!r}: done> 42\n"
    text = first.text()
    while not text.endswith("line 2\n"):
        text += kernel.collect(msg_id, lambda message: message["msg_type"] == "stream").text()
    assert text == "line 0\nline 1\nline 2\n"


def test_output_is_what_was_written_to_both_streams_in_order(kernel: Kernel, name: str) -> None:
    code = "import sys\nprint('é', flush=True)\nprint('err', file=sys.stderr, flush=True)\n1/0"
    ok(kernel.run(f"%%sandbox {name} --background --no-display\n{code}"))
    assert kernel.run("run = _\nrun.wait()").content["ename"] == "RemoteExecutionError"
    assert ok(kernel.run("run.output")).result == r"'é\nerr\n'"


def test_output_grows_while_the_code_runs(kernel: Kernel, name: str) -> None:
    code = "import itertools, time\nfor i in itertools.count(): print(i, flush=True); time.sleep(0.02)"
    ok(kernel.run(f"%%sandbox {name} --background\n{code}"))
    outcome = ok(
        kernel.run(
            f"run = _\n{UNTIL}first = run.output\nwhile len(run.output) == len(first): time.sleep(0.01)\n"
            "run.output.startswith(first), run.is_done, run.interrupt()['stopped']"
        )
    )
    assert outcome.result == "(True, False, True)"


def test_output_of_very_much_is_its_last_part(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name} --background --no-display\nfor i in range(1_000_000): print(i)"))
    outcome = ok(
        kernel.run("run = _\nrun.wait()\nlen(run.output) < 5_000_000, run.output.endswith('999998\\n999999\\n')")
    )
    assert outcome.result == "(True, True)"
    assert "omitted" in ok(kernel.run("run.output[:100]")).result


def test_run_can_be_awaited_and_interrupted(kernel: Kernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background\nimport time\ntime.sleep(0.3)\n'done'")
    assert ok(kernel.run("await _")).result == "\"'done'\""
    kernel.run(f"%%sandbox {name} --background\nprint('x', flush=True)\ntime.sleep(60)")
    outcome = kernel.run(f"run = _\n{UNTIL}print(run.interrupt()['stopped'])\nrun.wait()")
    assert outcome.text() == "True\n"
    assert outcome.content["evalue"].startswith("KeyboardInterrupt")
    assert ok(kernel.run("run.is_done, run.interrupt()['stopped'], run.output")).result == r"(True, True, 'x\n')"


def test_wait_has_a_limit_and_stop_ends_the_wait_alone(kernel: Kernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background\nimport time\nwhile True: time.sleep(0.01)")
    assert kernel.run("run = _\nrun.wait(0.1)").content["ename"] == "TimeoutError"
    msg_id = kernel.send("print('waiting', flush=True); run.wait()")
    kernel.wait_for_text(msg_id, "waiting")
    kernel.press_interrupt()
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run("run.is_done")).result == "False"
    ok(kernel.run("run.interrupt()"))


def test_error_is_shown_in_its_cell_and_raised_to_who_waits(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name} --background\n1/0")
    first = kernel.collect(msg_id)
    assert kernel.run("_.wait()").content["evalue"] == "ZeroDivisionError: division by zero"
    if "ZeroDivisionError" not in first.text("stderr"):
        kernel.wait_for_text(msg_id, "ZeroDivisionError")


def test_run_brings_its_values_back_at_its_end(kernel: Kernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background -o late,bad\nlate, bad = [1], 2")
    assert ok(kernel.run("_.wait(); print(late)")).text() == "[1]\n"
    kernel.run(f"%%sandbox {name} --background -o bad\nbad = {{1}}")
    assert "bad cannot be carried" in refused(kernel.run("_.wait()"))


def test_two_runs_go_on_at_the_same_time(kernel: Kernel, name: str) -> None:
    code = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)"
    kernel.run(f"%%sandbox {name} --background\n{code}")
    kernel.run(f"a = _\n%sandbox {name} status")
    kernel.run(f"%%sandbox {name}-other --background\n{code}")
    ok(kernel.run("b = _\nimport time\nwhile not (a.output and b.output): time.sleep(0.01)"))
    outcome = ok(kernel.run("a.is_done, b.is_done, a.interrupt()['stopped'], b.interrupt()['stopped']"))
    assert outcome.result == "(False, False, True, True)"
    ok(kernel.run(f"%sandbox {name}-other kill"))


def test_restart_ends_it(kernel: Kernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background\nprint('x', flush=True)\nimport time\ntime.sleep(100)")
    ok(kernel.run(f"run = _\n{UNTIL}%sandbox {name} restart"))
    assert kernel.run("run.wait()").content["status"] == "error"
    assert ok(kernel.run("run.output")).result == r"'x\n'"
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"
