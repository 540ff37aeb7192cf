"""Markup and errors of the sandbox, as a real kernel passes them on: bounded, in order, and never in an interrupt's way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest

from .client import PATIENT, TIMEOUT, Kernel

#: Markdown that keeps its parser busy for longer than it may be.
_ENDLESS = "from IPython.display import HTML, Markdown, display\ndisplay(Markdown('[' * 2_000_000))\nprint('after')"


@pytest.fixture(scope="module")
def kernel(jupyter_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel that gives code time to stop."""
    with Kernel(PATIENT) as kernel:
        yield kernel


def test_hundred_thousands_of_elements_become_a_note_in_their_place(kernel: Kernel) -> None:
    outcome = kernel.run(
        "from IPython.display import HTML, display\nprint('a')\ndisplay(HTML('<div>' * 400_000))\nprint('b')"
    )
    assert outcome.types == ["busy", "execute_input", "stream", "display_data", "stream", "idle"]
    (shown,) = outcome.contents("display_data")
    assert list(shown["data"]) == ["text/plain"]
    assert re.match(r"\[HTML of 2 MB with more than 1,024 elements", shown["data"]["text/plain"])
    assert '\n    c.HopxConfig.trust = "trusted"\n' in shown["data"]["text/plain"]


def test_large_markup_is_shown_whole_and_in_order(kernel: Kernel) -> None:
    outcome = kernel.run(
        "from IPython.display import HTML, display\n"
        "for i in range(3):\n    print(i)\n    display(HTML(f'<p class=x>{i}</p>' + '<b>x</b>' * 20_000))"
    )
    shown = [content["data"]["text/html"] for content in outcome.contents("display_data")]
    assert [html[: len('<p class="sbx-x">0')] for html in shown] == [f'<p class="sbx-x">{i}' for i in range(3)]
    assert all(html.count("<b>x</b>") == 20_000 for html in shown) and outcome.text() == "0\n1\n2\n"


def test_interrupt_ends_what_is_made_harmless(kernel: Kernel) -> None:
    kernel.run("kept = 1")
    run = kernel.send(_ENDLESS)
    worker = _wait_for_worker(kernel)
    assert kernel.interrupt()["status"] == "ok"
    outcome = kernel.collect(run)
    assert "it was interrupted" in outcome.contents("display_data")[0]["data"]["text/plain"]
    assert outcome.types[-1] == "idle" and not worker.is_running()
    assert kernel.run("kept").result == "1"
    again = kernel.run("display(HTML('<b>x</b>' * 20_000))")
    assert again.contents("display_data")[0]["data"]["text/html"].count("<b>") == 20_000


def test_kernel_answers_while_markup_is_made_harmless(kernel: Kernel) -> None:
    run = kernel.send(_ENDLESS)
    worker = _wait_for_worker(kernel)
    kernel.control("kernel_info_request", {})
    assert worker.is_running()
    kernel.interrupt()
    kernel.collect(run)


def test_parser_that_takes_too_long_is_ended_and_the_rest_is_shown(kernel: Kernel) -> None:
    outcome = kernel.run(_ENDLESS)
    (shown,) = outcome.contents("display_data")
    assert "text/markdown of 2 MB was not shown" in shown["data"]["text/plain"]
    assert outcome.text() == "after\n" and outcome.content["status"] == "ok"


def _wait_for_worker(kernel: Kernel) -> psutil.Process:
    while True:  # the test's own deadline ends it
        for process in kernel.process.children(recursive=True):
            try:
                if any("hopx_kernel.trust.worker" in word for word in process.cmdline()):
                    return process
            except psutil.Error:
                pass


def test_script_says_what_was_left_out_and_where_to_put_which_line(kernel: Kernel) -> None:
    for code in ("%%javascript\nalert(1)", "from IPython.display import Javascript\nJavascript('alert(1)')"):
        outcome = kernel.run(code)
        (content,) = outcome.contents("display_data") or outcome.contents("execute_result")
        text = content["data"]["text/plain"]
        assert text.startswith("[JavaScript from the sandbox was not run in this page.\n")
        assert '\n    c.HopxConfig.trust = "trusted"\n' in text and "jupyter_hopx_kernel_config.py:\n" in text
        assert "HOPX_TRUST=trusted" in text and os.environ["JUPYTER_CONFIG_DIR"] in text


def test_line_of_the_note_does_what_it_says(jupyter_environment: dict[str, str]) -> None:
    with Kernel(env={"HOPX_TRUST": "trusted"}) as kernel:
        (content,) = kernel.run("%%javascript\nalert(1)").contents("display_data")
        assert content["data"]["application/javascript"].strip() == "alert(1)"


# ---------------------------------------------------------------------- what reaches terminals

_NASTY = "\\x1b]0;title\\x07\\x1b]52;c;QQ==\\x07\\x1b[6n\\x9d\\x05"
_RAISE = (
    f"Evil = type('E\\n{_NASTY}\\u202e', (Exception,), {{'_render_traceback_': lambda self: ['tb {_NASTY}']}})\n"
    f"raise Evil('said {_NASTY}')"
)
_ACTING = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9b\x9d-\x9f]|\x1b(?!\\[[0-9;]*m)")


def test_errors_have_nothing_for_a_terminal(kernel: Kernel) -> None:
    outcome = kernel.run(_RAISE)
    for content in (outcome.error, outcome.content):
        assert "said" in content["evalue"] and "\n" not in content["ename"] and "\u202e" not in content["ename"]
        for text in (content["ename"], content["evalue"], *content["traceback"]):
            assert not _ACTING.search(text), text


def test_program_without_a_page_prints_nothing_that_acts(hopx_kernelspec: str, tmp_path: Path) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_RAISE)])
    book.metadata.kernelspec = {"name": "hopx", "display_name": "hopx", "language": "python"}
    path = tmp_path / "nasty.ipynb"
    nbformat.write(book, path)
    command = [sys.executable, "-m", "jupyter", "execute", str(path)]
    done = subprocess.run(command, capture_output=True, timeout=2 * TIMEOUT, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode and "said" in said
    assert not _ACTING.search(said), said


def test_server_s_log_has_nothing_for_a_terminal(jupyter_environment: dict[str, str], tmp_path: Path) -> None:
    name = _NASTY.replace("\\x9d", "")  # comms have names in ASCII
    code = (
        f"from comm import create_comm\nc = create_comm(target_name='a', comm_id='x{name}')\n"
        "c.publish_msg('comm_open', data={}, metadata={}, target_name='b', target_module=None)"
    )
    log = tmp_path / "log"
    with log.open("wb") as file, Kernel("--debug", stderr=file) as kernel:
        kernel.run(code)
        kernel.run(_RAISE)
    said = log.read_text(encoding="utf-8")
    assert "it is refused" in said
    assert not _ACTING.search(said), _ACTING.search(said)
