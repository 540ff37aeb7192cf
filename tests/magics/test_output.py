"""What a ``%%sandbox`` cell shows, seen from a client."""

from __future__ import annotations

import pytest

from .client import Kernel, ok, refused, shown, was_interrupted


def test_cell_runs_in_a_lasting_namespace_of_its_own(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 41"))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(x + 1)")).text() == "42\n"
    assert ok(kernel.run("print('x' in globals())")).text() == "False\n"


def test_names_keep_sandboxes_apart(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1"))
    outcome = ok(kernel.run(f"%%sandbox {name}-other\nprint('x' in globals())\n"))
    assert outcome.text() == "False\n"
    ok(kernel.run(f"%sandbox {name}-other kill"))


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


def test_output_streams_while_the_cell_runs(kernel: Kernel, name: str) -> None:
    code = f"%%sandbox {name}\nfor i in range(3): print('line', i, input())"
    msg_id = kernel.send(code, allow_stdin=True)
    for i in range(3):
        kernel.client.get_stdin_msg(timeout=90)  # the code waits here for what is sent below
        kernel.client.input("x")
        kernel.wait_for_text(msg_id, f"line {i}")
    ok(kernel.collect(msg_id))


def test_both_streams_arrive_as_what_they_are(kernel: Kernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name}\nimport sys\nprint('out')\nprint('err', file=sys.stderr)"))
    assert (outcome.text(), outcome.text("stderr")) == ("out\n", "err\n")


def test_flood_arrives_whole_and_in_order(kernel: Kernel, name: str) -> None:
    text = ok(kernel.run(f"%%sandbox {name}\nfor i in range(200_000): print(i)")).text()
    assert text == "".join(f"{i}\n" for i in range(200_000))


def test_rich_results_are_shown(kernel: Kernel, name: str) -> None:
    code = "from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))\nimport pandas\npandas.DataFrame({'a': [1]})"
    first, second = ok(kernel.run(f"%%sandbox {name}\n{code}")).contents("display_data")
    assert "<b>bold</b>" in first["data"]["text/html"]
    assert "<table" in second["data"]["text/html"]
    assert "a" in second["data"]["text/plain"]


def test_scripts_from_the_sandbox_do_not_reach_the_page(kernel: Kernel, name: str) -> None:
    code = "from IPython.display import HTML, Javascript, display\ndisplay(Javascript('alert(1)'), HTML('<img src=x onerror=alert(1)>'))"
    for content in ok(kernel.run(f"%%sandbox {name}\n{code}")).contents("display_data"):
        assert "application/javascript" not in content["data"]
        assert "onerror" not in content["data"].get("text/html", "").split("sandbox=")[0]


def test_displays_are_updated_and_output_is_cleared(kernel: Kernel, name: str) -> None:
    code = "from IPython.display import clear_output, display\nd = display('one', display_id=True)\nd.update('two')\nclear_output()"
    outcome = ok(kernel.run(f"%%sandbox {name}\n{code}"))
    (first,), (second,) = outcome.contents("display_data"), outcome.contents("update_display_data")
    assert first["transient"]["display_id"] == second["transient"]["display_id"]
    assert "two" in second["data"]["text/plain"]
    assert outcome.types.count("clear_output") == 1


def test_plots_are_shown(kernel: Kernel, name: str) -> None:
    code = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    outcome = ok(kernel.run(f"%%sandbox {name}\n{code}"))
    assert any("image/png" in content["data"] for content in outcome.contents("display_data"))


def test_widget_gets_a_note(kernel: Kernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name}\nimport ipywidgets\nipywidgets.IntSlider(); ipywidgets.IntSlider();"))
    assert outcome.text("stderr").count("wants to be shown") == 1
    assert "comm_open" not in outcome.types


def test_input_is_asked_of_the_person(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(
        f"%%sandbox {name}\nimport getpass\nprint(input('Who? '), getpass.getpass('Word? '))", allow_stdin=True
    )
    assert kernel.client.get_stdin_msg(timeout=90)["content"] == {"prompt": "Who? ", "password": False}
    kernel.client.input("you")
    assert kernel.client.get_stdin_msg(timeout=90)["content"] == {"prompt": "Word? ", "password": True}
    kernel.client.input("xyz")
    assert "you xyz" in ok(kernel.collect(msg_id)).text()
    assert kernel.run(f"%%sandbox {name}\ninput()").content["evalue"].startswith("StdinNotImplementedError")


def test_input_is_asked_of_the_person_also_where_nothing_else_is_shown(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name} --no-display\nprint('hidden')\nx = input('Who? ')", allow_stdin=True)
    assert kernel.client.get_stdin_msg(timeout=90)["content"]["prompt"] == "Who? "
    kernel.client.input("you")
    assert ok(kernel.collect(msg_id)).text() == ""
    assert ok(kernel.run(f"%%sandbox {name}\nprint(x)")).text() == "you\n"


def test_output_of_a_thread_after_the_end_goes_to_its_cell(kernel: Kernel, name: str) -> None:
    code = "threading.Thread(target=lambda: (go_on.wait(), print('later'))).start()"
    msg_id = kernel.send(f"%%sandbox {name}\nimport threading; go_on = threading.Event()\n{code}")
    ok(kernel.collect(msg_id))
    ok(kernel.run(f"%%sandbox {name}\ngo_on.set()"))
    kernel.wait_for_text(msg_id, "later")


def test_no_display_shows_nothing_and_replay_shows_it(kernel: Kernel, name: str) -> None:
    outcome = ok(kernel.run(f"%%sandbox {name} --no-display\nprint('out')\n7"))
    assert set(outcome.types) == {"busy", "execute_input", "idle"}
    outcome = ok(kernel.run(f"%sandbox {name} replay"))
    assert outcome.text() == "out\n"
    assert outcome.contents("display_data")[0]["data"]["text/plain"] == "7"


def test_replay_of_a_run_by_number(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nprint('first')"))
    kernel.run(f"%%sandbox {name}\nprint('second'); 1/0")
    assert ok(kernel.run(f"%sandbox {name} replay 1")).text() == "first\n"
    outcome = ok(kernel.run(f"%sandbox {name} replay 2"))
    assert outcome.text() == "second\n" and "ZeroDivisionError" in outcome.text("stderr")
    assert "kept are: 1, 2" in refused(kernel.run(f"%sandbox {name} replay 3"))


# ------------------------------------------------------------------ progress


def test_progress_shows_as_bars_and_stays_as_a_record(kernel: Kernel, name: str) -> None:
    code = "for i in range(5): progress('Sifting', 25 * i)"
    # Who can be asked for input has a page to look at. For the first bar of all, what shows it is imported.
    msg_id = kernel.send(f"%%sandbox {name}\n{code}\nwhile True: pass", allow_stdin=True)
    kernel.collect(msg_id, lambda message: message["msg_type"] == "comm_open")
    kernel.press_interrupt()
    assert was_interrupted(kernel.collect(msg_id))
    outcome = ok(kernel.run(f"%%sandbox {name}\n{code}", allow_stdin=True))
    assert "comm_open" in outcome.types
    record = outcome.contents("update_display_data")[-1]["data"]
    assert "Sifting" in record["text/html"] and "100 %" in record["text/plain"]


@pytest.mark.parametrize("allow_stdin", [False, True])
def test_markers_of_a_bash_cell_show_as_bars(kernel: Kernel, name: str, allow_stdin: bool) -> None:
    cell = """echo before; echo '__PROGRESS__{"message": "From bash", "percent": 40}'; sleep 0.5; echo after"""
    outcome = ok(kernel.run(f"%%sandbox {name} --language bash\n{cell}", allow_stdin=allow_stdin))
    assert "From bash" in shown(outcome)
    assert "__PROGRESS__" not in outcome.text()
    assert outcome.text().replace("\n\n", "\n") == "before\nafter\n"


def test_long_run_has_a_header(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name}\nwhile True: pass", allow_stdin=True)
    header = kernel.collect(msg_id, lambda message: message["msg_type"] == "display_data").contents("display_data")[0]
    assert "application/vnd.jupyter.widget-view+json" in header["data"]
    assert "Running" in header["data"]["text/plain"] and "local sandbox" in header["data"]["text/plain"]
    kernel.press_interrupt()
    outcome = kernel.collect(msg_id)
    assert was_interrupted(outcome)
    assert "stopped, variables kept" in outcome.contents("update_display_data")[-1]["data"]["text/plain"]


def test_results_and_alerts_are_shown(kernel: Kernel, name: str) -> None:
    text = shown(ok(kernel.run(f"%%sandbox {name}\nresult({{'answer': 42}})\nerror('be careful')")))
    assert "42" in text and "be careful" in text


def test_note_in_place_of_a_script_says_how_to_have_it(kernel: Kernel, name: str) -> None:
    code = f"%%sandbox {name}\nfrom IPython.display import Javascript, display\ndisplay(Javascript('alert(1)'))"
    text = shown(ok(kernel.run(code)))
    assert (
        text.startswith("[JavaScript from the sandbox was not run in this page.") and "If you trust the code, " in text
    )
    # An ordinary kernel knows no exception for its sandboxes; the kernel in a sandbox has an option.
    assert "without %%sandbox" in text or 'c.HopxConfig.trust = "trusted"' in text


def test_markup_is_bounded_and_large_markup_is_whole(kernel: Kernel, name: str) -> None:
    code = (
        f"%%sandbox {name}\nfrom IPython.display import HTML, display\n"
        "display(HTML('<div>' * 400_000)); display(HTML('<b>x</b>' * 20_000))"
    )
    deep, large = (content["data"] for content in ok(kernel.run(code)).contents("display_data"))
    assert "more than 1,024 elements in one another was not shown" in deep["text/plain"]
    assert large["text/html"].count("<b>x</b>") == 20_000
