"""``%%sandbox`` in an ordinary Python kernel, seen from a client."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from .client import PythonKernel


def ok(outcome: Any) -> Any:
    assert outcome.content["status"] == "ok", (outcome.content, outcome.text("stderr"))
    return outcome


# ------------------------------------------------------------------ output


def test_cell_runs_in_a_lasting_namespace_of_its_own(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 41"))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(x + 1)")).text() == "42\n"
    assert ok(kernel.run("print('x' in globals())")).text() == "False\n"


def test_names_keep_sandboxes_apart(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1"))
    outcome = ok(kernel.run(f"%%sandbox {name}-other\nprint('x' in globals())\n"))
    assert outcome.text() == "False\n"
    ok(kernel.run(f"%sandbox {name}-other kill"))


def test_output_streams_while_the_cell_runs(kernel: PythonKernel, name: str, tmp_path: Path) -> None:
    code = "import os, time\nfor i in range(3):\n    print('line', i)\n    while not os.path.exists(f'/tmp/go{i}'): time.sleep(0.01)"
    ok(kernel.run(f"%%sandbox {name}\n1"))
    # The cell waits for files that a thread of this kernel writes after each line has been seen.
    ok(
        kernel.run(
            "import sys, threading, time\n"
            f"named = get_ipython().magics_manager.magics['line']['sandbox'].__self__.registry.get({name!r})\n"
            f"def go():\n"
            f"    for i in range(3):\n"
            f"        while not __import__('os').path.exists({str(tmp_path)!r} + f'/seen{{i}}'): time.sleep(0.01)\n"
            f"        named.sandbox.files.write(f'/tmp/go{{i}}', '')\n"
            "threading.Thread(target=go, daemon=True).start()"
        )
    )
    msg_id = kernel.send(f"%%sandbox {name}\n{code}")
    for i in range(3):
        kernel.wait_for_text(msg_id, f"line {i}\n")
        (tmp_path / f"seen{i}").touch()
    ok(kernel.collect(msg_id))


def test_both_streams_arrive_as_what_they_are(kernel: PythonKernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name}\nimport sys\nprint('out')\nprint('err', file=sys.stderr)"))
    assert (outcome.text(), outcome.text("stderr")) == ("out\n", "err\n")


def test_rich_results_are_shown(kernel: PythonKernel, name: str) -> None:
    code = "from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))\nimport pandas\npandas.DataFrame({'a': [1]})"
    first, second = ok(kernel.run(f"%%sandbox {name}\n{code}")).contents("display_data")
    assert "<b>bold</b>" in first["data"]["text/html"]
    assert "<table" in second["data"]["text/html"]
    assert "a" in second["data"]["text/plain"]


def test_scripts_from_the_sandbox_do_not_reach_the_page(kernel: PythonKernel, name: str) -> None:
    code = "from IPython.display import HTML, Javascript, display\ndisplay(Javascript('alert(1)'), HTML('<img src=x onerror=alert(1)>'))"
    for content in ok(kernel.run(f"%%sandbox {name}\n{code}")).contents("display_data"):
        assert "application/javascript" not in content["data"]
        assert "onerror" not in content["data"].get("text/html", "").split("sandbox=")[0]


def test_updates_of_a_display_arrive(kernel: PythonKernel, name: str) -> None:
    code = "from IPython.display import display\nhandle = display('one', display_id=True)\nhandle.update('two')"
    outcome = ok(kernel.run(f"%%sandbox {name}\n{code}"))
    (first,), (second,) = outcome.contents("display_data"), outcome.contents("update_display_data")
    assert first["transient"]["display_id"] == second["transient"]["display_id"]
    assert "two" in second["data"]["text/plain"]


def test_plots_are_shown(kernel: PythonKernel, name: str) -> None:
    code = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    outcome = ok(kernel.run(f"%%sandbox {name}\n{code}"))
    assert any("image/png" in content["data"] for content in outcome.contents("display_data"))


def test_progress_shows_as_bars_and_stays_as_a_record(kernel: PythonKernel, name: str) -> None:
    code = "import time\nfor i in range(5): progress('Loading things', 25 * i); time.sleep(0.3)"
    # Who can be asked for input has a page to look at.
    outcome = ok(kernel.run(f"%%sandbox {name}\n{code}", allow_stdin=True))
    assert "comm_open" in outcome.types
    record = outcome.contents("update_display_data")[-1]["data"]
    assert "Loading things" in record["text/html"] and "100" in record["text/plain"]


def test_markers_of_a_bash_cell_show_as_bars(kernel: PythonKernel, name: str) -> None:
    cell = """echo before; echo '__PROGRESS__{"message": "From bash", "percent": 40}'; sleep 0.5; echo after"""
    outcome = ok(kernel.run(f"%%sandbox {name} --language bash\n{cell}", allow_stdin=True))
    displays = [*outcome.contents("display_data"), *outcome.contents("update_display_data")]
    assert "From bash" in displays[-1]["data"]["text/plain"]
    assert "__PROGRESS__" not in outcome.text()
    assert outcome.text().replace("\n\n", "\n") == "before\nafter\n"


def test_result_and_alert_are_shown(kernel: PythonKernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name}\nresult({{'answer': 42}})\nerror('be careful')"))
    shown = [content["data"]["text/plain"] for content in outcome.contents("display_data")]
    assert any("42" in text for text in shown)
    assert any("be careful" in text for text in shown)


def test_input_is_asked_here(kernel: PythonKernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name}\nprint('hello', input('Who? '))", allow_stdin=True)
    request = kernel.client.get_stdin_msg(timeout=30)
    assert request["content"]["prompt"] == "Who? "
    kernel.client.input("you")
    assert "hello you" in ok(kernel.collect(msg_id)).text()


def test_output_of_a_thread_after_the_end_goes_to_its_cell(kernel: PythonKernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name}\nimport threading\nthreading.Timer(0.5, print, ('later',)).start()")
    ok(kernel.collect(msg_id))
    ok(kernel.run("pass"))
    kernel.wait_for_text(msg_id, "later")


def test_no_display_shows_nothing_and_replay_shows_it(kernel: PythonKernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name} --no-display\nprint('out')\n7"))
    assert set(outcome.types) <= {"busy", "execute_input", "idle"}
    outcome = ok(kernel.run(f"%sandbox {name} replay"))
    assert outcome.text() == "out\n"
    assert outcome.contents("display_data")[0]["data"]["text/plain"] == "7"


def test_replay_of_a_run_by_number(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nprint('first')"))
    kernel.run(f"%%sandbox {name}\nprint('second'); 1/0")
    assert ok(kernel.run(f"%sandbox {name} replay 1")).text() == "first\n"
    outcome = ok(kernel.run(f"%sandbox {name} replay 2"))
    assert outcome.text() == "second\n" and "ZeroDivisionError" in outcome.text("stderr")
    assert "kept are: 1, 2" in kernel.run(f"%sandbox {name} replay 3").text("stderr")


# ------------------------------------------------------------------ errors, interrupts, deadlines


def test_error_is_remote_with_its_own_traceback_and_stops_run_all(kernel: PythonKernel, name: str) -> None:
    first = kernel.send(f"%%sandbox {name}\nprint('before')\ndef f():\n    return 1 / 0\nf()")
    second = kernel.send("print('must not run')")
    outcome = kernel.collect(first)
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert outcome.content["evalue"] == "ZeroDivisionError: division by zero"
    traceback = "\n".join(outcome.error["traceback"])
    assert f"In[{outcome.content['execution_count']}]" in re.sub(r"\x1b\[[\d;]*m", "", traceback)
    assert "ZeroDivisionError" in traceback
    assert "hopx_kernel" not in traceback
    assert kernel.collect(second).content["status"] == "aborted"


def test_interrupt_stops_the_remote_code_and_keeps_both_states(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run("here = 1"))
    ok(kernel.run(f"%%sandbox {name}\nthere = 2"))
    msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\nwhile True: pass")
    kernel.wait_for_text(msg_id, "started")
    kernel.press_interrupt()
    outcome = kernel.collect(msg_id)
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert outcome.content["evalue"].startswith("KeyboardInterrupt")
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"
    assert ok(kernel.run("print(here)")).text() == "1\n"


def test_ten_interrupts_in_a_row_do_no_harm(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nimport time; there = 2"))
    for _ in range(10):
        msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\ntime.sleep(60)")
        kernel.wait_for_text(msg_id, "started")
        kernel.press_interrupt()
        assert kernel.collect(msg_id).content["status"] == "error"
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"


def test_timeout_names_the_deadline_and_keeps_the_namespace(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1"))
    outcome = kernel.run(f"%%sandbox {name} --timeout 0.5\nprint('part')\nwhile True: pass")
    assert (outcome.content["ename"], outcome.text()) == ("SandboxTimeoutError", "part\n")
    assert "0.5" in outcome.content["evalue"]
    assert ok(kernel.run(f"%%sandbox {name}\nprint(x)")).text() == "1\n"


def test_crash_is_told_and_the_next_cell_works(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name}\nprint('before', flush=True)\nimport os; os._exit(3)")
    assert outcome.text() == "before\n"
    assert outcome.content["status"] == "error"
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


# ------------------------------------------------------------------ values


def test_values_go_in_and_come_back(kernel: PythonKernel, name: str) -> None:
    ok(
        kernel.run(
            "import numpy as np, pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 't': ['x', None]}); n = np.arange(3); d = {'k': [1]}"
        )
    )
    ok(
        kernel.run(
            f"%%sandbox {name} -i df,n -i d -o df2,total -o raw\ndf2 = df.assign(b=n[:2]); total = d['k'][0] + 1; raw = b'\\x00'"
        )
    )
    outcome = ok(
        kernel.run("print(type(df2).__name__, list(df2.columns), df2.b.tolist(), df2.t.isna().tolist(), total, raw)")
    )
    assert outcome.text() == "DataFrame ['a', 't', 'b'] [0, 1] [False, True] 2 b'\\x00'\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-i missing", "no variable 'missing' here"),
        ("-i bad", r"bad cannot be carried: it is of type set (use sorted(x))"),
    ],
)
def test_value_that_cannot_go_in_stops_the_cell_before_it_runs(
    kernel: PythonKernel, name: str, line: str, message: str
) -> None:
    ok(kernel.run("bad = {1}"))
    outcome = kernel.run(f"%%sandbox {name} {line}\nprint('ran')")
    assert outcome.content["status"] == "error"
    assert message in outcome.text("stderr")
    assert "ran" not in outcome.text()


def test_value_that_cannot_come_back_is_named_with_its_type(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} -o bad\nbad = (1, 2)\nprint('ran')")
    assert outcome.content["status"] == "error"
    assert outcome.text() == "ran\n"
    assert "bad cannot be carried: it is of type tuple (use list(x))" in outcome.text("stderr")


def test_large_values_show_a_bar(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run("import numpy as np\nlarge = np.zeros(4_000_000); small = 1"))
    outcome = ok(kernel.run(f"%%sandbox {name} -i large,small -o back\nback = large + 1"))
    shown = "".join(
        content["data"].get("text/plain", "")
        for msg_type in ("display_data", "update_display_data")
        for content in outcome.contents(msg_type)
    )
    assert "large" in shown and "back" in shown and "small" not in shown
    assert ok(kernel.run("print(back.sum())")).text() == "4000000.0\n"


# ------------------------------------------------------------------ languages, environment, kinds


def test_bash_cell_runs_and_its_exit_code_is_an_error(kernel: PythonKernel, name: str) -> None:
    assert ok(kernel.run(f'%%sandbox {name} --language bash\nfor i in 1 2; do echo "$i"; done')).text() == "1\n2\n"
    outcome = kernel.run(f"%%sandbox {name} --language bash\necho before; exit 3")
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert "exit status 3" in outcome.content["evalue"]


def test_javascript_cell_runs_or_says_what_is_missing(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} --language javascript\nconsole.log('js ' + (1 + 1))")
    if outcome.content["status"] == "ok":
        assert outcome.text() == "js 2\n"
    else:
        assert "the sandbox has no node" in outcome.content["evalue"]


def test_language_that_is_missing_says_so(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nimport os; os.environ['PATH'] = '/nowhere'"))
    outcome = kernel.run(f"%%sandbox {name} --language javascript\n1")
    assert "the sandbox has no node, which --language javascript needs" in outcome.content["evalue"]


def test_values_are_refused_for_other_languages(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} --language bash -o x\nx=1")
    assert "-i and -o carry Python variables" in outcome.text("stderr")


def test_env_reaches_new_and_living_sandboxes(kernel: PythonKernel, name: str) -> None:
    assert ok(kernel.run(f"%%sandbox {name} --env 'A=b c' --language bash\necho $A")).text() == "b c\n"
    assert ok(kernel.run(f"%%sandbox {name} --env A=d --language bash\necho $A")).text() == "d\n"
    ok(kernel.run(f"%sandbox {name} env A=e B=\"f 'g'\""))
    assert ok(kernel.run(f"%%sandbox {name} --language bash\necho $A $B")).text() == "e f 'g'\n"


def test_option_that_differs_from_the_living_sandbox_is_refused(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    for option in ("--kind process", "--network", "--template other"):
        assert f"%sandbox {name} kill" in kernel.run(f"%%sandbox {name} {option}\n1").text("stderr")


def test_unknown_kind_or_template_says_which_there_are(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} --kind cloud\n1")
    assert "local" in outcome.content["evalue"]
    outcome = kernel.run(f"%%sandbox {name} --template other\n1")
    assert "code-interpreter" in outcome.content["evalue"]
    assert name not in ok(kernel.run("%sandbox")).text()


def test_kind_that_isolates_nothing_says_so(kernel: PythonKernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name} --kind process\nprint('ran')"))
    assert outcome.text() == "ran\n"
    assert "isolates nothing" in outcome.text("stderr")
    assert "not isolated" in ok(kernel.run("%sandbox")).text()


# ------------------------------------------------------------------ background


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


# ------------------------------------------------------------------ the end


def children_of(kernel: PythonKernel) -> list[psutil.Process]:
    return [process for process in kernel.process.children(recursive=True) if process.is_running()]


@pytest.mark.parametrize("end", ["kill", "shutdown", "restart"])
def test_end_of_the_kernel_leaves_no_sandbox(fresh_kernel: PythonKernel, end: str) -> None:
    for name in ("a", "b"):
        ok(fresh_kernel.run(f"%%sandbox {name} --background\nimport time\ntime.sleep(1000)"))
    processes = children_of(fresh_kernel)
    assert len(processes) >= 4
    if end == "kill":
        fresh_kernel.process.kill()
    elif end == "shutdown":
        fresh_kernel.manager.shutdown_kernel()
    else:
        fresh_kernel.manager.restart_kernel()
    _, left = psutil.wait_procs(processes, timeout=2 if end == "kill" else 10)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def test_unload_kills_the_sandboxes_and_takes_the_magics_away(fresh_kernel: PythonKernel) -> None:
    ok(fresh_kernel.run("%%sandbox\n1"))
    processes = children_of(fresh_kernel)
    ok(fresh_kernel.run("%unload_ext hopx_kernel"))
    _, left = psutil.wait_procs(processes, timeout=5)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]
    assert fresh_kernel.run("%sandbox").content["status"] == "error" or "not found" in fresh_kernel.run(
        "%sandbox"
    ).text("stderr")
    ok(fresh_kernel.run("%load_ext hopx_kernel\n%sandbox"))


def test_lost_sandbox_is_told_and_restart_makes_it_anew(fresh_kernel: PythonKernel) -> None:
    ok(fresh_kernel.run("%%sandbox a\nx = 1"))
    for process in children_of(fresh_kernel):
        process.kill()
    deadline = time.monotonic() + 10
    while fresh_kernel.run("%%sandbox a\nx").content["status"] == "ok":
        assert time.monotonic() < deadline
    assert "restart" in fresh_kernel.run("%sandbox a status").text()
    ok(fresh_kernel.run("%sandbox a restart"))
    assert ok(fresh_kernel.run("%%sandbox a\nprint('x' in globals())")).text() == "False\n"
