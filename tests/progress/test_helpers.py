"""The helpers of the sandbox, in every Python that is on this machine: how loops end, what a call costs, what is sent."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hopx_kernel.runner.progress_slots import MIN_SECONDS

#: Longer than any of these programs takes, on a slow machine too.
TIMEOUT_SECONDS = 180

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
        process = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
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
    process = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
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
        # Its own time: what else the machine does costs nothing here.
        "import time\nbest = 1.0\nfor _ in range(25):\n    started = time.thread_time()\n"
        "    for i in range(4_000): progress('x', i / 1000, {'loss': i}, task='t')\n"
        "    best = min(best, (time.thread_time() - started) / 4_000)\nsend('cost', {'seconds': best})"
    )
    (cost,) = [content["seconds"] for msg_type, content, _ in run(code, python) if msg_type == "cost"]
    assert cost <= 5e-6


def test_flood_sends_few_events_and_the_last_value() -> None:
    sent = run(
        "import time\nstarted = time.monotonic()\nfor i in range(100_001): progress('x', current=i, total=100_000)\n"
        "helpers.flush(); send('took', {'seconds': time.monotonic() - started})"
    )
    *events, (_, took, _) = sent
    assert len(events) <= took["seconds"] / MIN_SECONDS + 3
    assert events[-1][1]["current"] == 100_000


def test_last_value_is_sent_without_another_call() -> None:
    sent = run(
        "import time\nlast = []; send = helpers.reporter.send\n"
        "def look(msg_type, content): last[:] = [content.get('percent')]; send(msg_type, content)\n"
        "helpers.reporter.send = look\nfor i in range(1000): progress('x', i / 10)\n"
        "deadline = time.monotonic() + 30\nwhile last != [99.9] and time.monotonic() < deadline: time.sleep(0.01)\n"
        "send('mark', {})"
    )
    assert sent[-2][1]["percent"] == 99.9 and sent[-1][0] == "mark"


def test_change_of_state_waits_for_nothing() -> None:
    sent = run("for state in ('running', 'failed', 'running', 'done') * 5: progress('x', task='t', state=state)")
    assert [content["state"] for _, content, _ in sent] == ["running", "failed", "running", "done"] * 5


def test_what_a_later_report_leaves_out_is_not_lost() -> None:
    sent = run(
        # With a clock that stands, so that the later ones wait for each other however long they take.
        "import time\nthen = time.monotonic() + 3600; helpers._monotonic = lambda: then\n"
        "progress('a', task='t')\nprogress('b', task='t', total=9, data={'x': 1})\nprogress('c', task='t', current=3)"
    )
    assert len(sent) == 2
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
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
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
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
    assert "@" not in process.stdout
    assert "3/3" in process.stderr or "100%" in process.stdout


VALUES = {
    "decimal.Decimal('1.50')": "1.50",
    "fractions.Fraction(1, 3)": "1/3",
    "pathlib.PurePosixPath('/data/x')": "/data/x",
    "uuid.UUID(int=5)": "00000000-0000-0000-0000-000000000005",
    "ValueError('bad')": "ValueError: bad",
    "KeyError()": "KeyError",
    "datetime.date(2024, 5, 17)": "2024-05-17",
    "collections.deque([1, 2])": [1, 2],
    "collections.namedtuple('Point', 'x y')(1, 2)": {"x": 1, "y": 2},
    "dataclasses.make_dataclass('Point', ['x', 'y'])(1, {2})": {"x": 1, "y": [2]},
    "dataclasses.make_dataclass": "<function make_dataclass at",
    "{('a', 1): float('nan')}": {"('a', 1)": "nan"},
    "1 + 2j": "(1+2j)",
    "10 ** 400": "<int of 1,329 bits>",
}


def test_values_that_json_does_not_know_are_shown_as_people_write_them() -> None:
    source = "import collections, dataclasses, datetime, decimal, fractions, pathlib, uuid\n"
    sent = run(source + "\n".join(f"result({value})" for value in VALUES))
    shown = dict(zip(VALUES, (content["data"] for _, content, _ in sent), strict=True))
    function = "dataclasses.make_dataclass"
    assert shown[function].startswith(VALUES[function])
    assert {**shown, function: VALUES[function]} == VALUES


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_shown_as_their_first_rows(library: str) -> None:
    pytest.importorskip(library)
    sent = run(f"import {library}\nresult({library}.DataFrame({{'a': range(1500), 'b': 'x'}}))")
    rows = sent[0][1]["data"]
    assert rows[0] == {"a": 0, "b": "x"} and len(rows) == 1001 and rows[-1] == "… and 500 more"


def test_tracked_iterable_is_as_true_as_the_iterable() -> None:
    sent = run("result([bool(track(x)) for x in ([], [0], iter([]), (x for x in ''))])")
    assert sent[0][1]["data"] == [False, True, True, True]


def test_loop_inside_of_a_caught_exception_fails_and_the_next_of_its_name_is_another_bar() -> None:
    code = (
        "for a in track(range(2), 'outer'):\n    try:\n        for b in track(range(3), 'inner'):\n"
        "            if a == 0: raise ValueError\n    except ValueError: pass"
    )
    last = {content["task"]: content["state"] for _, content, _ in run(code)}
    assert last == {"outer": "done", "outer/inner": "failed", "outer/inner #2": "done"}


def test_iterator_that_raises_itself_fails_its_bar_and_the_exception_comes_out_unchanged() -> None:
    code = "def rows():\n    yield 1\n    raise KeyError('source')\ntry:\n    for x in track(rows(), 'x'): pass\nexcept KeyError as exc: result(exc.args)"
    sent = run(code)
    assert [content["state"] for kind, content, _ in sent if kind == "progress"][-1] == "failed"
    assert sent[-1][1]["data"] == ["source"] or ["source"] in [content.get("data") for _, content, _ in sent]


def test_tasks_of_one_loop_have_their_own_parents() -> None:
    code = (
        "import asyncio\nasync def one(n):\n    for i in track(range(2), f'outer {n}'):\n"
        "        async for j in track(numbers(), f'inner {n}'): await asyncio.sleep(0)\n"
        "async def numbers():\n    for i in range(3): yield i\n"
        "async def main(): await asyncio.gather(*(one(n) for n in range(3)))\nasyncio.run(main())"
    )
    parents = {content["task"]: content.get("parent") for _, content, _ in run(code)}
    assert parents == {
        name: parent
        for n in range(3)
        for name, parent in ((f"outer {n}", None), (f"outer {n}/inner {n}", f"outer {n}"))
    }


def states(code: str) -> dict[str, tuple[Any, Any, str]]:
    """What was last said of each task: count, total, state."""
    reports = [content for kind, content, _ in run(code) if kind == "progress"]
    return {content["task"]: (content.get("current"), content.get("total"), content["state"]) for content in reports}


@pytest.mark.parametrize("loop", ["track(range(3), name)", "tqdm(range(3), desc=name)"])
def test_no_look_at_the_count_comes_after_the_end(loop: str) -> None:
    pytest.importorskip("tqdm")
    last = states(
        "import sys, threading, time\nfrom tqdm import tqdm\nsys.setswitchinterval(1e-6)\n"
        "def send_slowly(*what): time.sleep(0.002); send(*what)\nhelpers.reporter.send = send_slowly\n"
        f"def work(name):\n    for _ in {loop}: time.sleep(0.02)\n"
        "for turn in range(4):\n    threads = [threading.Thread(target=work, args=(f'{turn}-{n}',)) for n in range(40)]\n"
        "    for one in threads: one.start()\n    for one in threads: one.join()"
    )
    assert len(last) == 160 and set(last.values()) == {(3, 3, "done")}


TQDM = {
    "left open": ("bar = tqdm(total=5, desc='left open'); bar.update(2)", (2, 5, "running")),
    "slowing": (
        "import time\nbar = tqdm(total=10**6, desc='slowing')\nfor i in range(1000): bar.update()\ntime.sleep(0.3); bar.update(); time.sleep(0.3); result(0)",
        (1001, 10**6, "running"),
    ),
    "closed early": ("with tqdm(total=5, desc='closed early') as bar: bar.update(2)", (2, 5, "stopped")),
    "raised": (
        "try:\n    for i in tqdm(range(5), desc='raised'):\n        if i == 3: 1 / 0\nexcept ZeroDivisionError: pass",
        (3, 5, "failed"),
    ),
    "not left": ("for i in tqdm(range(5), desc='not left', leave=False): pass", (5, 5, "done")),
    "endless": ("for i in tqdm(iter(range(7)), desc='endless'): pass", (7, None, "done")),
    "renamed": (
        "bar = tqdm(total=3, desc='renamed'); bar.set_description('other'); bar.update(3); bar.close()",
        (3, 3, "done"),
    ),
}


@pytest.mark.parametrize("name", TQDM)
def test_tqdm_bar_ends_with_its_exact_count(name: str) -> None:
    pytest.importorskip("tqdm")
    code, last = TQDM[name]
    assert states(f"from tqdm import tqdm\n{code}") == {name: last}


def test_bar_that_is_left_open_is_not_looked_at_for_ever() -> None:
    pytest.importorskip("tqdm")
    sent = run(
        "from tqdm import tqdm\nbar = tqdm(total=5, desc='x'); bar.update(2)\nhelpers.finish_run('run')\n"
        "import time\ndeadline = time.monotonic() + 30; slots = helpers.reporter.slots\n"
        "while slots._watched and time.monotonic() < deadline: time.sleep(0.01)\nresult(len(slots._watched))"
    )
    assert sent[-1][1]["data"] == 0


def test_disabled_bars_are_no_bars() -> None:
    pytest.importorskip("tqdm")
    pytest.importorskip("rich")
    code = (
        "from tqdm import tqdm\nfrom rich.progress import Progress\nfor i in tqdm(range(3), disable=True): pass\n"
        "with Progress(disable=True) as bars: bars.advance(bars.add_task('x', total=2))"
    )
    assert run(code) == []


RICH = {
    "two": (
        "with Progress() as p:\n    a = p.add_task('a', total=2); b = p.add_task('b', total=4)\n    p.advance(a, 2); p.advance(b)",
        {"a": (2, 2, "done"), "b": (1, 4, "stopped")},
    ),
    "raised": (
        "try:\n    with Progress() as p: p.advance(p.add_task('a', total=4)); 1 / 0\nexcept ZeroDivisionError: pass",
        {"a": (1, 4, "failed")},
    ),
    "removed": (
        "with Progress() as p:\n    a = p.add_task('a', total=4); p.advance(a); p.remove_task(a)",
        {"a": (1, 4, "stopped")},
    ),
    "hidden": ("with Progress() as p: p.advance(p.add_task('a', total=4, visible=False))", {}),
    "endless": ("with Progress() as p: p.advance(p.add_task('a', total=None), 9)", {"a": (9, None, "done")}),
    "markup": ("with Progress() as p: p.advance(p.add_task('[b]a[/b]', total=1))", {"a": (1, 1, "done")}),
    "nested": (
        "with Progress() as p:\n    p.advance(p.add_task('a', total=1))\n    for x in rich_track(range(2), description='b'): pass",
        {"a": (1, 1, "done"), "b": (2, 2, "done")},
    ),
}


@pytest.mark.parametrize("name", RICH)
def test_rich_tasks_end_as_their_display_does(name: str) -> None:
    pytest.importorskip("rich")
    code, last = RICH[name]
    assert {
        task.rpartition("/")[2]: state
        for task, state in states(f"from rich.progress import Progress, track as rich_track\n{code}").items()
    } == last


def test_rich_columns_of_bytes_and_fields_are_shown() -> None:
    pytest.importorskip("rich")
    sent = run(
        "from rich.progress import Progress, DownloadColumn\nwith Progress(DownloadColumn()) as p:\n"
        "    p.advance(p.add_task('a', total=4, loss=0.5))"
    )
    assert (sent[-1][1]["unit"], sent[-1][1]["data"]) == ("B", {"loss": 0.5})


def test_module_for_editors_has_the_same_names_and_prints_markers() -> None:
    code = "from hopx_progress import progress, result, error, track\nfor i in track(range(3), 'x'): pass\nerror('no')"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True, cwd=ROOT
    )
    lines = process.stdout.splitlines()
    assert lines[0].startswith("__PROGRESS__") and lines[-1] == '__ERROR__{"type": "error", "message": "no"}'
