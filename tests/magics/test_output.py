"""What a ``%%sandbox`` cell shows in an ordinary Python kernel, seen from a client."""

from __future__ import annotations

from pathlib import Path

from .client import PythonKernel, ok


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
