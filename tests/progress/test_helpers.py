"""The helpers of the sandbox, in every Python that is on this machine: how loops end, what a call costs, what is sent."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def find_pythons() -> dict[str, str]:
    """One working interpreter of each version from 3.9 on, this one first; pyenv's shims are there and do not work."""
    named = (shutil.which(f"python3.{minor}") for minor in range(9, 16))
    candidates = [sys.executable, *filter(None, named), *map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3"))]
    found: dict[str, str] = {}
    for path in candidates:
        command = [
            path,
            "-c",
            "import sys; print('%d.%d' % sys.version_info[:2]) if sys.version_info >= (3, 9) else exit(1)",
        ]
        process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if process.returncode == 0:
            found.setdefault(process.stdout.strip(), path)
    return found


PYTHONS = find_pythons()

#: Loads the helpers as the sandbox does, without the host's part of the package, and prints what they send.
PROLOGUE = f"""
import json, sys, types
package = types.ModuleType("hopx_kernel"); package.__path__ = [{str(ROOT / "hopx_kernel")!r}]
sys.modules["hopx_kernel"] = package
from hopx_kernel.runner import parents, progress as helpers
parents.set_last("run")
def send(msg_type, content): print("@" + json.dumps([msg_type, content, parents.get_parent_id()]))
helpers.install(send)
"""


def run(code: str, python: str = sys.executable) -> list[tuple[str, dict[str, Any], str]]:
    """Run code with the helpers; gives what was sent: type, content, run."""
    program = PROLOGUE + code + "\nhelpers.finish_run('run')\n"
    process = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr
    lines = [line[1:] for line in process.stdout.splitlines() if line.startswith("@")]
    return [(msg_type, content, run_id) for msg_type, content, run_id in map(json.loads, lines)]


ENDS = {
    "pass": "done",
    "continue": "done",
    "break": "stopped",
    "return": "stopped",
    "return i": "stopped",
    "with open('/dev/null'): break": "stopped",
    "raise ValueError": "failed",
    "int('x')": "failed",
    "1 / 0": "failed",
    "[1 / 0 for _ in 'a']": "failed",
    "None.nothing": "failed",
    "nothing": "failed",
    "[][1]": "failed",
    "assert False": "failed",
    "import nothing": "failed",
}

LOOPS = {
    "for": "def loop():\n    for i in track(range(5), 'x'):\n        if i == 2:\n            {body}\n",
    "zip": "def loop():\n    for i, _ in zip(track(range(5), 'x'), 'abcdefgh'):\n        if i == 2:\n            {body}\n",
    "async": (
        "async def items():\n    for i in range(5): yield i\nasync def main():\n"
        "    async for i in track(items(), 'x'):\n        if i == 2:\n            {body}\n"
        "def loop():\n    import asyncio\n    asyncio.run(main())\n"
    ),
}


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
@pytest.mark.parametrize("loop", LOOPS)
def test_end_of_a_loop_is_told_from_its_body(loop: str, python: str) -> None:
    parts = []
    for body in ENDS:
        definition = LOOPS[loop].format(body=body)
        parts.append(f"{definition}\ntry: loop()\nexcept Exception: pass\nhelpers.finish_run('run')")
    states = [content["state"] for _, content, _ in run("\n".join(parts), python) if content["state"] != "running"]
    assert dict(zip(ENDS, states, strict=True)) == ENDS


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
def test_call_with_nothing_to_send_costs_at_most_five_microseconds(python: str) -> None:
    code = (
        "import time\nbest = 1.0\nfor _ in range(5):\n    started = time.perf_counter()\n"
        "    for i in range(20_000): progress('x', i / 1000, {'loss': i}, task='t')\n"
        "    best = min(best, (time.perf_counter() - started) / 20_000)\nsend('cost', {'seconds': best})"
    )
    (cost,) = [content["seconds"] for msg_type, content, _ in run(code, python) if msg_type == "cost"]
    assert cost <= 5e-6


def test_flood_sends_few_events_and_the_last_value() -> None:
    sent = run("for i in range(100_001): progress('x', current=i, total=100_000)")
    assert len(sent) < 30
    assert sent[-1][1]["current"] == 100_000


def test_last_value_is_sent_without_another_call() -> None:
    sent = run("import time\nfor i in range(1000): progress('x', i / 10)\ntime.sleep(0.5); send('mark', {})")
    assert sent[-2][1]["percent"] == 99.9 and sent[-1][0] == "mark"


def test_change_of_state_waits_for_nothing() -> None:
    sent = run("for state in ('running', 'failed', 'running', 'done') * 5: progress('x', task='t', state=state)")
    assert [content["state"] for _, content, _ in sent] == ["running", "failed", "running", "done"] * 5


def test_what_a_later_report_leaves_out_is_not_lost() -> None:
    sent = run(
        "progress('a', task='t')\nprogress('b', task='t', total=9, data={'x': 1})\nprogress('c', task='t', current=3)"
    )
    merged = sent[-1][1]
    assert (merged["message"], merged["total"], merged["current"], merged["data"]) == ("c", 9, 3, {"x": 1})


def test_reports_of_a_thread_go_to_the_run_that_it_works_for() -> None:
    sent = run(
        "import threading\ndef work():\n    parents.current.set('other')\n    for i in range(1000): progress('x', i / 10)\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\nprogress('y', 5)\nhelpers.finish_run('other')"
    )
    assert {(content["message"], run_id) for _, content, run_id in sent} == {("x", "other"), ("y", "run")}
    assert [content["percent"] for _, content, run_id in sent if run_id == "other"][-1] == 99.9


def test_child_prints_markers_and_flushes_on_its_way_out() -> None:
    code = (
        PROLOGUE
        + "import os\nif os.fork() == 0:\n    for i in range(1001): progress('child', i / 10)\n    os._exit(0)\nos.wait()\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in process.stdout.splitlines() if line.startswith("__PROGRESS__")]
    assert json.loads(lines[-1][len("__PROGRESS__") :])["percent"] == 100.0


def test_mutable_data_is_taken_as_it_was() -> None:
    sent = run("data = {'n': 1}\nprogress('a')\nprogress('b', data=data)\ndata['n'] = 2\nhelpers.flush()")
    assert sent[-1][1]["data"] == {"n": 1}


@pytest.mark.parametrize("library", ["tqdm", "rich"])
def test_adapters_can_be_turned_off(library: str) -> None:
    pytest.importorskip(library)
    source = {
        "tqdm": "from tqdm import tqdm\nfor i in tqdm(range(3)): pass",
        "rich": "from rich.progress import track as t\nfor i in t(range(3)): pass",
    }
    code = PROLOGUE.replace("install(send)", "install(send, adapt=False)") + source[library]
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "@" not in process.stdout
    assert "3/3" in process.stderr or "100%" in process.stdout


def test_module_for_editors_has_the_same_names_and_prints_markers() -> None:
    code = "from hopx_progress import progress, result, error, track\nfor i in track(range(3), 'x'): pass\nerror('no')"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    lines = process.stdout.splitlines()
    assert lines[0].startswith("__PROGRESS__") and lines[-1] == '__ERROR__{"type": "error", "message": "no"}'
