"""``%%sandbox`` in a cell of the kernel: a sandbox beside the cell's own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from .client import Kernel
from .test_life import wait_gone


def ok(outcome: Any) -> Any:
    assert outcome.content["status"] == "ok", (outcome.content, outcome.text("stderr"))
    return outcome


def refused(outcome: Any) -> str:
    """What a cell that ends in a `UsageError` says."""
    assert outcome.content["ename"] == "UsageError", outcome.content
    evalue: str = outcome.content["evalue"]
    return evalue


def shown(outcome: Any) -> str:
    """The plain text of everything that was displayed, and of its updates."""
    return "\n".join(
        content["data"].get("text/plain", "")
        for msg_type in ("display_data", "update_display_data")
        for content in outcome.contents(msg_type)
    )


@pytest.fixture
def name(request: pytest.FixtureRequest, kernel: Kernel) -> Iterator[str]:
    """A name for a sandbox, which is killed afterwards."""
    name = f"s{abs(hash(request.node.name))}"
    yield name
    if name in kernel.run("%sandbox").text():
        ok(kernel.run(f"%sandbox {name} kill"))


# ------------------------------------------------------------------ the magics


def test_magics_are_there_at_once_and_loading_them_is_harmless(fresh_kernel: Kernel) -> None:
    for line in ("%sandbox", "%load_ext hopx_kernel", "%reload_ext hopx_kernel", "%load_ext hopx_kernel"):
        outcome = ok(fresh_kernel.run(line))
        assert outcome.text("stderr") == ""
    assert "%%sandbox" in ok(fresh_kernel.run("%sandbox")).text()
    assert ok(fresh_kernel.run("%%sandbox\nprint('there')")).text() == "there\n"


def test_other_extensions_load_as_ever(kernel: Kernel) -> None:
    assert ok(kernel.run("%load_ext autoreload\n%autoreload 0")).text("stderr") == ""
    assert kernel.run("%load_ext no_such_extension").content["ename"] == "ModuleNotFoundError"


@pytest.mark.parametrize(
    "line", ["%sandbox --help", "%sandbox x --help", "%sandbox x upload --help", "%%sandbox --help\n1"]
)
def test_help_is_given_without_any_sandbox(kernel: Kernel, line: str) -> None:
    assert "SRC" in (text := ok(kernel.run(line)).text()) or "NAME" in text


def test_bad_line_is_a_usage_error(kernel: Kernel) -> None:
    assert "ruby" in refused(kernel.run("%%sandbox --language ruby\n1"))
    assert "there is no sandbox 'nobody'" in refused(kernel.run("%sandbox nobody kill"))
    assert "quotation" in refused(kernel.run("%sandbox 'a"))


def test_code_beside_makes_no_further_sandboxes(kernel: Kernel, name: str) -> None:
    assert "not found" in kernel.run(f"%%sandbox {name}\n%sandbox").content["evalue"]
    code = "print('sandbox' in get_ipython().magics_manager.magics['line'])"
    assert ok(kernel.run(f"%%sandbox {name}\n{code}")).text() == "False\n"


# ------------------------------------------------------------------ output


def test_cell_runs_in_a_lasting_namespace_of_its_own(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 41"))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(x + 1)")).text() == "42\n"
    assert ok(kernel.run("print('x' in globals())")).text() == "False\n"
    assert ok(kernel.run(f"%%sandbox {name}-other\nprint('x' in globals())")).text() == "False\n"
    ok(kernel.run(f"%sandbox {name}-other kill"))


def test_files_and_processes_are_apart_too(kernel: Kernel, name: str) -> None:
    ok(kernel.run("open('mine', 'w').close()"))
    code = "import os\nprint(os.path.exists('mine'), sum(entry.isdigit() for entry in os.listdir('/proc')) < 10)"
    assert ok(kernel.run(f"%%sandbox {name}\n{code}")).text() == "False True\n"


def test_magic_works_in_the_middle_of_a_cell_and_in_loops(kernel: Kernel, name: str) -> None:
    code = (
        "print('before')\n"
        "for i in range(3):\n"
        f"    get_ipython().run_cell_magic('sandbox', '{name}', f'print(\"there\", {{i}})')\n"
        "    print('here', i)\n"
        f"%sandbox {name} env A=b\n"
        "print('after')"
    )
    expected = ["before", *(f"{place} {i}" for i in range(3) for place in ("there", "here")), "after"]
    assert ok(kernel.run(code)).text().splitlines() == expected


def test_magic_works_in_threads(kernel: Kernel, name: str) -> None:
    code = (
        "import threading\n"
        "def use(i): get_ipython().run_cell_magic('sandbox', f'{name}', f'print({i} * 10)')\n"
        "threads = [threading.Thread(target=use, args=(i,)) for i in range(4)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]; None"
    ).replace("{name}", name, 1)
    assert sorted(ok(kernel.run(code)).text().split()) == ["0", "10", "20", "30"]


def test_output_streams_while_the_cell_runs(kernel: Kernel, name: str) -> None:
    code = f"%%sandbox {name}\nfor i in range(3): print('line', i, input())"
    msg_id = kernel.send(code, allow_stdin=True)
    for i in range(3):
        kernel.client.get_stdin_msg(timeout=30)  # the code waits here for what is sent below
        kernel.client.input("x")
        kernel.wait_for_text(msg_id, f"line {i}")
    ok(kernel.collect(msg_id))


def test_both_streams_arrive_as_what_they_are(kernel: Kernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name}\nimport sys\nprint('out')\nprint('err', file=sys.stderr)"))
    assert (outcome.text(), outcome.text("stderr")) == ("out\n", "err\n")


def test_flood_arrives_whole_and_in_order(kernel: Kernel, name: str) -> None:
    text = ok(kernel.run(f"%%sandbox {name}\nfor i in range(200_000): print(i)")).text()
    assert text == "".join(f"{i}\n" for i in range(200_000))


def test_rich_results_are_shown_and_scripts_are_kept_out(kernel: Kernel, name: str) -> None:
    code = "from IPython.display import HTML, display\ndisplay(HTML('<b>b</b><img src=x onerror=alert(1)>'))\n6 * 7"
    first, second = ok(kernel.run(f"%%sandbox {name}\n{code}")).contents("display_data")
    assert "onerror" not in first["data"]["text/html"].split("sandbox=")[0]
    assert second["data"]["text/plain"] == "42"


def test_displays_are_updated_and_output_is_cleared(kernel: Kernel, name: str) -> None:
    code = "from IPython.display import clear_output, display\nd = display('one', display_id=True)\nd.update('two')\nclear_output()"
    outcome = ok(kernel.run(f"%%sandbox {name}\n{code}"))
    (first,), (second,) = outcome.contents("display_data"), outcome.contents("update_display_data")
    assert first["transient"]["display_id"] == second["transient"]["display_id"]
    assert outcome.types.count("clear_output") == 1


def test_widget_gets_a_note(kernel: Kernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name}\nimport ipywidgets\nipywidgets.IntSlider(); ipywidgets.IntSlider();"))
    assert outcome.text("stderr").count("wants to be shown") == 1
    assert "comm_open" not in outcome.types


def test_output_of_a_thread_after_the_end_goes_to_its_cell(kernel: Kernel, name: str) -> None:
    code = "import threading\nthreading.Thread(target=lambda: (input_done.wait(), print('later'))).start()"
    msg_id = kernel.send(f"%%sandbox {name}\nimport threading; input_done = threading.Event()\n{code}")
    ok(kernel.collect(msg_id))
    ok(kernel.run(f"%%sandbox {name}\ninput_done.set()"))
    kernel.wait_for_text(msg_id, "later")


def test_no_display_shows_nothing_and_replay_shows_it(kernel: Kernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name} --no-display\nprint('out')\n7"))
    assert set(outcome.types) == {"busy", "execute_input", "idle"}
    outcome = ok(kernel.run(f"%sandbox {name} replay"))
    assert outcome.text() == "out\n"
    assert outcome.contents("display_data")[0]["data"]["text/plain"] == "7"
    kernel.run(f"%%sandbox {name}\n1/0")
    assert "ZeroDivisionError" in ok(kernel.run(f"%sandbox {name} replay 2")).text("stderr")
    assert "kept are: 1, 2" in refused(kernel.run(f"%sandbox {name} replay 3"))


def test_input_is_asked_of_the_person(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(
        f"%%sandbox {name}\nimport getpass\nprint(input('Who? '), getpass.getpass('Word? '))", allow_stdin=True
    )
    assert kernel.client.get_stdin_msg(timeout=30)["content"] == {"prompt": "Who? ", "password": False}
    kernel.client.input("you")
    assert kernel.client.get_stdin_msg(timeout=30)["content"] == {"prompt": "Word? ", "password": True}
    kernel.client.input("xyz")
    assert "you xyz" in ok(kernel.collect(msg_id)).text()
    assert kernel.run(f"%%sandbox {name}\ninput()").content["evalue"].startswith("StdinNotImplementedError")


# ------------------------------------------------------------------ progress


def test_progress_shows_as_bars_and_stays_as_a_record(kernel: Kernel, name: str) -> None:
    code = "for i in range(5): progress('Sifting', 25 * i)"
    # Who can be asked for input has a page to look at.
    outcome = ok(kernel.run(f"%%sandbox {name}\n{code}", allow_stdin=True))
    assert "comm_open" in outcome.types
    record = outcome.contents("update_display_data")[-1]["data"]
    assert "Sifting" in record["text/html"] and "100 %" in record["text/plain"]


def test_tasks_of_two_sandboxes_do_not_become_one(kernel: Kernel, name: str) -> None:
    cell = "progress('From {}', {}, task='t'); progress('Other {}', 5)"
    code = (
        f"{cell.format('here', 30, 'here')}\n"
        f'get_ipython().run_cell_magic(\'sandbox\', \'{name}\', """{cell.format("there", 60, "there")}""")\n'
    )
    outcome = ok(kernel.run(code))
    last = (outcome.contents("update_display_data") or outcome.contents("display_data"))[-1]["data"]["text/plain"]
    for text, percent in (("From here", "30"), ("Other here", "5"), ("From there", "60"), ("Other there", "5")):
        assert re.search(rf"{text}\s.* {percent} %", last), last


def test_bars_of_a_run_that_has_ended_do_not_run_on(kernel: Kernel, name: str) -> None:
    code = (
        f"try: get_ipython().run_cell_magic('sandbox', '{name}', 'progress(\"Sifting\", 40); 1/0')\n"
        "except Exception as exc: print(type(exc).__name__)\n"
        "progress('Here', 100)"
    )
    outcome = ok(kernel.run(code))
    assert outcome.text() == "RemoteExecutionError\n"
    lines = outcome.contents("update_display_data")[-1]["data"]["text/plain"].splitlines()
    (sifting,) = [line for line in lines if "Sifting" in line]
    (here,) = [line for line in lines if "Here" in line]
    assert sifting[0] != here[0]  # failed and done have signs of their own


def test_results_and_alerts_are_shown(kernel: Kernel, name: str) -> None:
    text = shown(ok(kernel.run(f"%%sandbox {name}\nresult({{'answer': 42}})\nerror('be careful')")))
    assert "42" in text and "be careful" in text


# ------------------------------------------------------------------ errors, interrupts, deadlines


def test_error_is_remote_with_its_own_traceback_and_stops_run_all(kernel: Kernel, name: str) -> None:
    first = kernel.send(f"%%sandbox {name}\nprint('before')\ndef f():\n    return 1 / 0\nf()")
    second = kernel.send("print('must not run')")
    outcome = kernel.collect(first)
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert outcome.content["evalue"] == "ZeroDivisionError: division by zero"
    traceback = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(outcome.error["traceback"]))
    assert f"In[{outcome.content['execution_count']}]" in traceback
    assert "return 1 / 0" in traceback and "hopx" not in traceback
    assert kernel.collect(second).content["status"] == "aborted"


def test_error_can_be_caught_with_what_it_was(kernel: Kernel, name: str) -> None:
    code = (
        f"try: get_ipython().run_cell_magic('sandbox', '{name}', 'import json; json.loads(1)')\n"
        "except Exception as exc: print(type(exc).__name__, exc.ename, len(exc.traceback) > 0)"
    )
    assert ok(kernel.run(code)).text() == "RemoteExecutionError TypeError True\n"


def test_interrupt_stops_the_code_beside_and_keeps_both_namespaces(kernel: Kernel, name: str) -> None:
    ok(kernel.run("here = 1"))
    ok(kernel.run(f"%%sandbox {name}\nthere = 2"))
    for code in ("while True: pass", "import time; time.sleep(60)", "import asyncio; await asyncio.sleep(60)"):
        msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\n{code}")
        kernel.wait_for_text(msg_id, "started")
        reply = kernel.interrupt()
        assert reply["stopped"] and reply["kept"]
        outcome = kernel.collect(msg_id)
        assert (outcome.content["status"], outcome.content["ename"]) == ("error", "KeyboardInterrupt")
        assert (outcome.content["evalue"], outcome.content["reason"]) == ("", "interrupted")
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"
    assert ok(kernel.run("print(here)")).text() == "1\n"


def test_interrupt_while_the_sandbox_starts(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name}\nimport time\ntime.sleep(60)")
    kernel.collect(msg_id, lambda message: message["msg_type"] == "execute_input", with_reply=False)
    assert kernel.interrupt()["stopped"]
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


def test_interrupt_stops_input_beside(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name}\ninput('Who? ')", allow_stdin=True)
    kernel.client.get_stdin_msg(timeout=30)
    kernel.interrupt()
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run(f"%%sandbox {name}\nprint(1)")).text() == "1\n"


def test_interrupt_of_a_loop_of_magics_ends_the_loop(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    code = f"while True:\n    get_ipython().run_cell_magic('sandbox', '{name}', 'print(\"turn\", flush=True)')"
    msg_id = kernel.send(code)
    kernel.wait_for_text(msg_id, "turn")
    kernel.interrupt()
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"


def test_ten_interrupts_in_a_row_do_no_harm(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nimport time; there = 2"))
    msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\ntime.sleep(60)")
    kernel.wait_for_text(msg_id, "started")
    for _ in range(10):
        assert kernel.interrupt()["status"] == "ok"
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"


def test_code_beside_that_ignores_an_interrupt_is_told_of_and_left(kernel: Kernel, name: str) -> None:
    # Told from inside the try: an interrupt before it would stop the cell.
    code = (
        "import time\ntold = False\nwhile True:\n"
        "    try:\n        told = told or not print('started')\n        time.sleep(0.1)\n"
        "    except KeyboardInterrupt:\n        pass"
    )
    msg_id = kernel.send(f"%%sandbox {name}\n{code}")
    kernel.wait_for_text(msg_id, "started")
    kernel.interrupt()
    outcome = kernel.collect(msg_id)
    assert outcome.content["ename"] == "KeyboardInterrupt"
    assert "not stop" in outcome.text("stderr")
    ok(kernel.run(f"%sandbox {name} restart"))
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


def test_timeout_names_the_deadline_and_keeps_the_namespace(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1"))
    outcome = kernel.run(f"%%sandbox {name} --timeout 0.5\nprint('part')\nwhile True: pass")
    assert (outcome.content["ename"], outcome.text()) == ("SandboxTimeoutError", "part\n")
    assert "0.5" in outcome.content["evalue"]
    assert ok(kernel.run(f"%%sandbox {name}\nprint(x)")).text() == "1\n"


def test_crash_beside_is_told_and_the_next_cell_works(kernel: Kernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name}\nprint('before', flush=True)\nimport os; os._exit(3)")
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError" and "code 3" in outcome.content["evalue"]
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


# ------------------------------------------------------------------ values


def test_values_go_in_and_come_back_as_what_they_are(kernel: Kernel, name: str) -> None:
    code = (
        "import numpy as np, pandas as pd\n"
        "values = dict(a=2**70, b=[1, None, {'é': 1.5}], c=b'\\0\\xff' * 1000, d=np.arange(6.0).reshape(2, 3),\n"
        "    e=pd.DataFrame({'n': [1, 2], 't': ['x', None]}), f='text', g=True)\n"
        "globals().update(values)"
    )
    ok(kernel.run(code))
    ok(kernel.run(f"%%sandbox {name} -i a,b,c,d -i e,f,g\ntypes = [type(v).__name__ for v in (a, b, c, d, e, f, g)]"))
    types = "['int', 'list', 'bytes', 'ndarray', 'DataFrame', 'str', 'bool']\n"
    assert ok(kernel.run(f"%%sandbox {name}\nprint(types)")).text() == types
    ok(kernel.run("del a, b, c, d, e, f, g"))
    ok(kernel.run(f"%%sandbox {name} -o a,b,c,d -o e,f,g\n1"))
    check = (
        "for key, value in values.items():\n"
        "    now = globals()[key]\n"
        "    assert type(now) is type(value), key\n"
        "    same = now == value if not hasattr(value, 'shape') else now.equals(value) if key == 'e' else (now == value).all()\n"
        "    assert same, key\n"
    )
    ok(kernel.run(check))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-i missing", "no variable 'missing' here"),
        ("-i bad", "bad cannot be carried: it is of type set (use sorted(x))"),
        ("-i worse,bad", "worse cannot be carried: it is of type Worse"),
    ],
)
def test_value_that_cannot_go_in_stops_the_cell_before_it_runs(
    kernel: Kernel, name: str, line: str, message: str
) -> None:
    ok(kernel.run("class Worse:\n    def __reduce__(self): return print, ('unpickled',)\nbad, worse = {1}, Worse()"))
    outcome = kernel.run(f"%%sandbox {name} {line}\nprint('ran')")
    assert message in refused(outcome).replace("__main__.", "")
    assert outcome.text() == ""
    assert name not in ok(kernel.run("%sandbox")).text()


def test_values_that_cannot_come_back_are_all_named_and_none_is_bound(kernel: Kernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} -o fine,bad,gone\nfine, bad = 1, (1, 2)\nprint('ran')")
    assert outcome.text() == "ran\n"
    evalue = refused(outcome)
    assert "bad cannot be carried: it is of type tuple (use list(x))" in evalue and "gone cannot be carried" in evalue
    assert ok(kernel.run("print('fine' in globals())")).text() == "False\n"


def test_large_values_show_a_bar_and_small_ones_do_not(kernel: Kernel, name: str) -> None:
    ok(kernel.run("import numpy as np\nlarge = np.random.default_rng(1).random(3_000_000); small = 1"))
    outcome = ok(kernel.run(f"%%sandbox {name} -i large,small -o back\nback = large * 2"))
    text = shown(outcome)
    assert "large" in text and "back" in text and "small" not in text
    assert ok(kernel.run("print((back == large * 2).all())")).text() == "True\n"


def test_values_are_refused_for_other_languages(kernel: Kernel, name: str) -> None:
    assert "-i and -o carry Python" in refused(kernel.run(f"%%sandbox {name} --language bash -o x\nx=1"))


# ------------------------------------------------------------------ languages, environment


def test_bash_cell_runs_and_its_exit_code_is_an_error(kernel: Kernel, name: str) -> None:
    cell = """for i in 1 2; do echo "$i"; done; echo '__PROGRESS__{"message": "From bash", "percent": 40}'"""
    outcome = ok(kernel.run(f"%%sandbox {name} --language bash\n{cell}"))
    assert outcome.text() == "1\n2\n" and "From bash" in shown(outcome)
    outcome = kernel.run(f"%%sandbox {name} --language bash\necho before; exit 3")
    assert outcome.text() == "before\n" and "exit status 3" in outcome.content["evalue"]


def test_javascript_cell_runs_or_says_what_is_missing(kernel: Kernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} --language javascript\nconsole.log('js ' + (1 + 1))")
    if outcome.content["status"] == "ok":
        assert outcome.text() == "js 2\n"
    else:
        assert "the sandbox has no node" in outcome.content["evalue"]


def test_env_reaches_new_and_living_sandboxes(kernel: Kernel, name: str) -> None:
    assert ok(kernel.run(f"%%sandbox {name} --env 'A=b c' --language bash\necho $A")).text() == "b c\n"
    ok(kernel.run(f"%sandbox {name} env A=e B=\"f 'g'\""))
    assert ok(kernel.run(f"%%sandbox {name} --language bash\necho $A $B")).text() == "e f 'g'\n"


# ------------------------------------------------------------------ background


def test_background_run_gives_its_output_to_the_cell_that_started_it(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(
        f"%%sandbox {name} --background\nimport time\nfor i in range(3): print('line', i); time.sleep(0.2)\n42"
    )
    first = kernel.collect(msg_id)
    assert "running" in first.result
    outcome = ok(kernel.run("run = _; print('here'); value = run.wait(); print(value, run, run.result)"))
    assert outcome.text() == f"here\n42 <run 1 in sandbox {name!r}: done> 42\n"
    rest = "" if "line 2" in first.text() else kernel.wait_for_text(msg_id, "line 2").text()
    assert (first.text() + rest).count("line") == 3


def test_background_run_can_be_awaited_and_interrupted(kernel: Kernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background\nimport time\ntime.sleep(0.3)\n'done'")
    assert ok(kernel.run("await _")).result == "\"'done'\""
    msg_id = kernel.send(f"%%sandbox {name} --background\nprint('started', flush=True)\ntime.sleep(60)")
    kernel.wait_for_text(msg_id, "started")
    outcome = kernel.run("run = _\nprint(run.interrupt()['stopped'])\nrun.wait()")
    assert outcome.text() == "True\n"
    assert outcome.content["evalue"].startswith("KeyboardInterrupt")
    assert ok(kernel.run("run.is_done, run.interrupt()['stopped']")).result == "(True, True)"


def test_background_wait_has_a_limit_and_stop_ends_the_wait_alone(kernel: Kernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background\nimport time\nwhile not go: time.sleep(0.01)".replace("not go", "True"))
    assert kernel.run("run = _\nrun.wait(0.1)").content["ename"] == "TimeoutError"
    msg_id = kernel.send("print('waiting', flush=True); run.wait()")
    kernel.wait_for_text(msg_id, "waiting")
    kernel.interrupt()
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run("run.is_done")).result == "False"
    ok(kernel.run("run.interrupt()"))


def test_background_error_is_shown_in_its_cell_and_raised_to_who_waits(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name} --background\n1/0")
    first = kernel.collect(msg_id)
    assert kernel.run("_.wait()").content["evalue"] == "ZeroDivisionError: division by zero"
    if "ZeroDivisionError" not in first.text("stderr"):
        kernel.wait_for_text(msg_id, "ZeroDivisionError")


def test_background_run_brings_its_values_back_at_its_end(kernel: Kernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background -o late,bad\nlate, bad = [1], 2")
    assert ok(kernel.run("_.wait(); print(late)")).text() == "[1]\n"
    kernel.run(f"%%sandbox {name} --background -o bad\nbad = {{1}}")
    assert "bad cannot be carried" in refused(kernel.run("_.wait()"))


def test_two_runs_in_the_background_go_on_at_the_same_time(kernel: Kernel, name: str) -> None:
    code = "import time; begun = time.time(); time.sleep(1); [begun, time.time()]"
    kernel.run(f"%%sandbox {name} --background\n{code}")
    kernel.run(f"a = _\n%sandbox {name} status")
    kernel.run(f"%%sandbox {name}-other --background\n{code}")
    outcome = ok(
        kernel.run(
            "b = _; import json; (a0, a1), (b0, b1) = json.loads(a.wait()), json.loads(b.wait()); a0 < b1 and b0 < a1"
        )
    )
    assert outcome.result == "True"
    ok(kernel.run(f"%sandbox {name}-other kill"))


# ------------------------------------------------------------------ verbs and copies


def test_list_and_status_tell_what_there_is(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n\nspecial = 1"))
    kernel.run(f"%%sandbox {name}\n1/0")
    (row,) = [line for line in ok(kernel.run("%sandbox")).text().split("\n") if line.startswith(name)]
    assert row.split()[1:] == ["local", "alive", "2", "1/0"]
    text = ok(kernel.run(f"%sandbox {name}")).text()
    assert re.search(r"memory +\d+ MB", text)
    assert "network   no\n" in text and "ok: special = 1\n" in text and "raised: 1/0\n" in text


def test_restart_takes_variables_and_keeps_files_and_kill_forgets(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1; open('a', 'w').write('1')"))
    assert "fresh interpreter" in ok(kernel.run(f"%sandbox {name} restart")).text()
    assert ok(kernel.run(f"%%sandbox {name}\nprint('x' in globals(), open('a').read())")).text() == "False 1\n"
    ok(kernel.run(f"%sandbox {name} kill"))
    assert "there is no sandbox" in refused(kernel.run(f"%sandbox {name} kill"))


@pytest.mark.parametrize("file", ["plain.txt", "with space", "it's", 'a"b', "$HOME", "é"])
def test_upload_and_download_go_between_the_two_sandboxes(kernel: Kernel, name: str, file: str) -> None:
    ok(
        kernel.run(
            f"import os; os.makedirs('copies/back', exist_ok=True); os.chdir('copies'); open({file!r}, 'w').write('content')"
        )
    )
    ok(kernel.run(f"%%sandbox {name}\nimport os"))
    quoted = file.replace('"', '\\"').replace("$", "$$")
    ok(kernel.run(f'%sandbox {name} upload "{quoted}"'))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(os.listdir())")).text() == f"{[file]!r}\n"
    ok(kernel.run(f'%sandbox {name} download "{quoted}" back'))
    code = f"print(open('back/' + {file!r}).read(), os.listdir('back')); os.remove('back/' + {file!r}); os.chdir('..')"
    assert ok(kernel.run(code)).text() == f"content {[file]!r}\n"


def test_copies_never_touch_the_host(kernel: Kernel, name: str, tmp_path: Path) -> None:
    secret, target = tmp_path / "secret", tmp_path / "target"
    secret.write_text("s", encoding="utf-8")
    ok(kernel.run(f"%%sandbox {name}\nopen('a', 'w').close()"))
    assert "No such file" in refused(kernel.run(f"%sandbox {name} upload {secret}"))
    assert "its directory does not exist" in refused(kernel.run(f"%sandbox {name} download a {target}"))
    assert not target.exists()


def test_large_copies_show_a_bar_and_arrive_whole(kernel: Kernel, name: str) -> None:
    ok(
        kernel.run(
            "import os; data = os.urandom(20_000_000); open('large', 'wb').write(data); open('small', 'w').close()"
        )
    )
    ok(kernel.run(f"%%sandbox {name}\n1"))
    assert "display_data" not in ok(kernel.run(f"%sandbox {name} upload small")).types
    assert "large" in shown(ok(kernel.run(f"%sandbox {name} upload large")))
    assert "large" in shown(ok(kernel.run(f"%sandbox {name} download large copy")))
    assert ok(kernel.run("print(open('copy', 'rb').read() == data)")).text() == "True\n"


def test_interrupt_stops_a_copy_and_leaves_nothing_of_it(kernel: Kernel, name: str) -> None:
    ok(
        kernel.run(
            "import os; os.makedirs('empty', exist_ok=True); file = open('sparse', 'wb'); file.truncate(800_000_000); file.close()"
        )
    )
    ok(kernel.run(f"%%sandbox {name}\nwith open('sparse', 'wb') as file: file.truncate(800_000_000)"))
    for line in ("upload sparse other", "download sparse empty"):
        msg_id = kernel.send(f"%sandbox {name} {line}")
        kernel.collect(msg_id, lambda message: message["msg_type"] == "display_data", with_reply=False)
        kernel.interrupt()
        assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run("print(os.listdir('empty')); os.remove('sparse')")).text() == "[]\n"
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


def test_refused_copies_say_why_and_write_nothing(kernel: Kernel, name: str) -> None:
    ok(
        kernel.run(
            "import os; os.makedirs('refused', exist_ok=True); os.chdir('refused'); open('secret', 'w').write('s'); os.symlink('secret', 'link')"
        )
    )
    ok(kernel.run(f"%%sandbox {name}\nopen('a', 'w').close()"))
    lines = {
        "upload link": "link: it is a symbolic link, to 'secret'",
        "upload .": "directory",
        "upload /dev/zero": "device",
        "upload missing": "missing: No such file",
        "download missing": "missing: No such file",
        "download /workspace": "directory",
        "download /dev/zero out": "device",
        "download ..": "does not end in a file's name",
        "download a link": "symbolic link",
        "download a none/a": "its directory does not exist",
        "destroy": "restart",
    }
    for line, reason in lines.items():
        assert reason in refused(kernel.run(f"%sandbox {name} {line}")), line
    assert (
        ok(kernel.run("print(sorted(os.listdir()), open('secret').read()); os.chdir('..')")).text()
        == "['link', 'secret'] s\n"
    )


# ------------------------------------------------------------------ completion


def complete(kernel: Kernel, code: str) -> list[str]:
    content = kernel.reply(kernel.client.complete(code, len(code)))["content"]
    assert content["cursor_end"] == len(code)
    matches: list[str] = content["matches"]
    return matches


def test_completion_knows_names_verbs_options_and_what_is_ones_own(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    ok(kernel.run("spectacular = 1; open('data.csv', 'w').close()"))
    expected = {
        f"%sandbox {name[:6]}": [name],
        f"%%sandbox {name[:6]}": [name],
        f"x = 1\n  %sandbox {name[:6]}": [name],
        f"%sandbox {name} re": ["restart", "replay"],
        f"%sandbox {name} upload dat": ["data.csv"],
        f"%sandbox {name} replay 1": ["1"],
        "%%sandbox --ba": ["--background"],
        "%%sandbox --kind ": ["local"],
        "%%sandbox --language b": ["bash"],
        "%%sandbox -i specta": ["spectacular"],
        "%%sandbox -i name,specta": ["name,spectacular"],
    }
    for code, matches in expected.items():
        assert complete(kernel, code) == matches, code


def test_completion_of_the_cell_itself_is_pythons(kernel: Kernel) -> None:
    assert "print" in complete(kernel, "%%sandbox x\nprin")
    assert "%sandbox" in complete(kernel, "%sandb")
    assert "restart" not in complete(kernel, "x = '%sandbox x re")


# ------------------------------------------------------------------ no more than one's own


def test_network_and_other_kinds_are_refused_with_the_option(kernel: Kernel, name: str) -> None:
    assert "HopxConfig.network" in refused(kernel.run(f"%%sandbox {name} --network\n1"))
    for kind in ("process", "cloud"):
        assert "HopxConfig.kind" in refused(kernel.run(f"%%sandbox {name} --kind {kind}\n1"))
    assert name not in ok(kernel.run("%sandbox")).text()
    ok(kernel.run(f"%%sandbox {name} --kind local\n1"))
    assert "%sandbox" in refused(kernel.run(f"%%sandbox {name} --network\n1"))


def test_sandboxes_have_the_kernels_limits_network_and_number(jupyter_environment: dict[str, str]) -> None:
    options = ["open_files_limit=100", "max_sandboxes_beside=2", "network=True", "env={'SECRET': 'x'}"]
    with Kernel(*(f"--HopxConfig.{option}" for option in options)) as kernel:
        code = "import os, resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 'SECRET' in os.environ)"
        own, beside = kernel.run(code), ok(kernel.run(f"%%sandbox a --network\n{code}"))
        assert beside.text().split()[0] == own.text().split()[0] and int(own.text().split()[0]) <= 100
        assert beside.text().split()[1] == "False"
        assert "network   yes" in ok(kernel.run("%sandbox a")).text()
        ok(kernel.run("%%sandbox b\n1"))
        assert "network   no" in ok(kernel.run("%sandbox b")).text()
        evalue = refused(kernel.run("%%sandbox c\n1"))
        assert "max_sandboxes_beside" in evalue and "2" in evalue
        ok(kernel.run("%sandbox a kill"))
        ok(kernel.run("%%sandbox c\n1"))


def test_kernel_that_isolates_nothing_has_such_sandboxes_beside(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.kind=process") as kernel:
        outcome = ok(kernel.run("%%sandbox\nprint('ran')"))
        assert outcome.text() == "ran\n" and "isolates nothing" in outcome.text("stderr")


HOSTILE = """
import threading, time
beside = get_ipython().kernel._services.beside
emit = beside._services.emit
before = threading.active_count()
ids = ["a", "", "x" * 10_000, "\\ud800"]
for magic_id in ids:
    for action in ("begin", "answer", "interrupt", "leave", "", "x" * 10_000):
        for extra in (
            {},
            {"line": 1, "cell": [], "allow_stdin": "yes", "execution_count": None},
            {"line": "a", "cell": {"b": 1}, "allow_stdin": True, "execution_count": 10**400},
            {"line": "%", "cell": None, "allow_stdin": True, "execution_count": True},
            {"number": "1", "errno": "x", "fault": [], "sizes": 3},
        ):
            emit("sandbox_request", {"magic_id": magic_id, "action": action, **extra}, buffers=[b"x" * 100] * 3)
            emit("sandbox_request", {"magic_id": magic_id, "action": action, **extra}, parent_id="nobody")
for i in range(200):
    content = {"line": "", "cell": None, "allow_stdin": False, "execution_count": 1}
    emit("sandbox_request", {"magic_id": f"many{i}", "action": "begin", **content})
print("sent")
"""


def test_hostile_requests_harm_nothing(fresh_kernel: Kernel) -> None:
    assert ok(fresh_kernel.run(HOSTILE)).text().endswith("sent\n")
    deadline = time.monotonic() + 20
    # Those that were taken are being answered.
    while (outcome := fresh_kernel.run("%%sandbox good\nprint('still here')")).content["status"] == "error":
        assert "already" in outcome.content["evalue"] and time.monotonic() < deadline
    assert outcome.text() == "still here\n"
    assert ok(fresh_kernel.run("print('me too')")).text() == "me too\n"


ANSWERS = """
from _hopx_runner.runner import belongings
Belongings = belongings.Belongings
lie = lambda self, content, buffers: answers[content["question"]]
y = 1
"""


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("%%sandbox liar -i y\n1", "{'pack': ({}, None)}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': 'x'}, 'faults': {}}, None)}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': -1}, 'faults': {}}, None)}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': 5}, 'faults': {}}, None), 'read': ({}, b'x' * 10**6)}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': 10**15}, 'faults': {}}, None), 'read': ({}, b'')}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': 4}, 'faults': {}}, None), 'read': ({}, b'nope')}"),
        ("%sandbox liar upload y", "{'open': ({'size': True, 'name': 'y'}, None)}"),
        ("%sandbox liar upload y", "{'open': ({'size': 3, 'name': '../../../../x'}, None), 'read': ({}, b'abc')}"),
        ("%sandbox liar upload y", "{'open': ({'errno': 2, 'reason': 7, 'filename': {}}, None)}"),
        ("%sandbox liar download a", "{'find': ({'path': 3}, None)}"),
        ("%sandbox liar download a", "{'find': ({'path': 'a'}, None), 'make': ({'fault': 'no'}, None)}"),
    ],
)
def test_lying_answers_are_errors_of_their_own_cell(kernel: Kernel, line: str, answers: str) -> None:
    ok(kernel.run("%%sandbox liar\nopen('a', 'w').write('abc')"))
    ok(kernel.run(ANSWERS + f"answers = {answers}\ntrue, Belongings.answer = Belongings.answer, lie"))
    assert kernel.run(line).content["status"] in ("error", "ok")
    ok(kernel.run("Belongings.answer = true"))
    assert ok(kernel.run("%%sandbox liar -i y -o z\nz = y + 1; print(sorted(__import__('os').listdir('/')))")).text()
    assert ok(kernel.run("print(z)")).text() == "2\n"


# ------------------------------------------------------------------ the end


def children_of(kernel: Kernel) -> list[psutil.Process]:
    return kernel.process.children(recursive=True)


@pytest.mark.parametrize("end", ["kill", "shutdown", "restart"])
def test_end_of_the_kernel_leaves_no_sandbox(fresh_kernel: Kernel, end: str) -> None:
    own = len(children_of(fresh_kernel))
    for name in ("a", "b"):
        msg_id = fresh_kernel.send(
            f"%%sandbox {name} --background\nprint('started', flush=True)\nimport time; time.sleep(1000)"
        )
        fresh_kernel.wait_for_text(msg_id, "started")
    processes = children_of(fresh_kernel)
    assert len(processes) >= own + 4
    if end == "kill":
        fresh_kernel.process.kill()
    elif end == "shutdown":
        fresh_kernel.shut_down()
    else:
        fresh_kernel.manager.restart_kernel()
    assert wait_gone(processes, 2 if end == "kill" else 10) == []


def test_sandboxes_outlive_the_interpreter_that_made_them(fresh_kernel: Kernel) -> None:
    ok(fresh_kernel.run("%%sandbox\nx = 1"))
    fresh_kernel.run("import os; os._exit(3)")
    assert ok(fresh_kernel.run("%%sandbox\nprint(x)")).text() == "1\n"


def test_sandboxes_outlive_the_sandbox_that_made_them(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("1")
    own = children_of(fresh_kernel)
    ok(fresh_kernel.run("%%sandbox\nx = 1"))
    for process in own:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 10
    while fresh_kernel.run("1").content["status"] == "error":
        assert time.monotonic() < deadline
    assert ok(fresh_kernel.run("%%sandbox\nprint(x)")).text() == "1\n"


def test_death_of_the_interpreter_stops_what_it_runs_beside(fresh_kernel: Kernel) -> None:
    ok(fresh_kernel.run("%%sandbox\nx = 1"))
    code = "import os, threading\nthreading.Timer(1, os._exit, (3,)).start()\nget_ipython().run_cell_magic('sandbox', '', 'while True: pass')"
    assert fresh_kernel.run(code).content["status"] == "error"
    assert ok(fresh_kernel.run("%%sandbox\nprint(x)")).text() == "1\n"


def test_lost_sandbox_is_told_and_restart_makes_it_anew(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("1")
    own = {process.pid for process in children_of(fresh_kernel)}
    ok(fresh_kernel.run("%%sandbox a\nx = 1"))
    for process in children_of(fresh_kernel):
        if process.pid not in own and process.is_running():
            process.kill()
    deadline = time.monotonic() + 10
    while (outcome := fresh_kernel.run("%%sandbox a\nx")).content["status"] == "ok":
        assert time.monotonic() < deadline
    assert outcome.content["ename"] == "SandboxLostError"
    assert "restart" in fresh_kernel.run("%sandbox a status").text()
    ok(fresh_kernel.run("%sandbox a restart"))
    assert ok(fresh_kernel.run("%%sandbox a\nprint('x' in globals())")).text() == "False\n"
