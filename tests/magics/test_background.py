"""``%%sandbox --background``."""

from __future__ import annotations

from .client import PythonKernel, ok


def test_background_run_gives_its_output_to_the_cell_that_started_it(kernel: PythonKernel, name: str) -> None:
    code = "import time\nfor i in range(3): print('line', i); time.sleep(0.2)\n42"
    msg_id = kernel.send(f"%%sandbox {name} --background\n{code}")
    first = kernel.collect(msg_id)
    assert "running" in first.result
    outcome = ok(kernel.run("run = _; print('here'); value = run.wait(); print(value, run)"))
    assert outcome.text().startswith("here\n42 <run 1 in sandbox")
    assert "line" not in outcome.text()
    texts = (
        first.text() + kernel.wait_for_text(msg_id, "line 2").text() if "line 2" not in first.text() else first.text()
    )
    assert texts.count("line") == 3


def test_background_run_can_be_awaited_and_interrupted(kernel: PythonKernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background\nimport time\ntime.sleep(0.3)\n'done'")
    assert ok(kernel.run("await _")).result == "\"'done'\""
    kernel.run(f"%%sandbox {name} --background\nprint('x', flush=True)\ntime.sleep(60)")
    outcome = kernel.run(
        "run = _\nimport time\nwhile not run.output: time.sleep(0.01)\nprint(run.interrupt()['stopped'])\nrun.wait()"
    )
    assert outcome.text() == "True\n"
    assert outcome.content["evalue"].startswith("KeyboardInterrupt")


def test_background_error_is_shown_in_its_cell_and_raised_to_who_waits(kernel: PythonKernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name} --background\n1/0")
    first = kernel.collect(msg_id)
    assert kernel.run("_.wait()").content["evalue"] == "ZeroDivisionError: division by zero"
    if "ZeroDivisionError" not in first.text("stderr"):
        kernel.wait_for_text(msg_id, "ZeroDivisionError")


def test_background_run_brings_its_values_back_at_its_end(kernel: PythonKernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background -o late\nimport time\ntime.sleep(0.3)\nlate = [1]")
    assert ok(kernel.run("_.wait(); print(late)")).text() == "[1]\n"
