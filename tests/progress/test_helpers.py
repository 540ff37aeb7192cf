"""The helpers of the sandbox, without a kernel: what a call costs, what is sent and when."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hopx_kernel.runner.progress_slots import MIN_SECONDS

from .sandbox_side import PROLOGUE, ROOT, TIMEOUT_SECONDS, run


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


LABELS = {
    "Path('/data/x')": "/data/x",
    "Name('mine')": "mine",
    "Color.RED": "red",
    "ValueError('bad')": "ValueError: bad",
    "Decimal('1.50')": "1.50",
    "datetime.date(2024, 5, 17)": "2024-05-17",
    "12": "12",
    "0.5": "0.5",
    "True": "True",
    "b'x'": "b'x'",
    "['a', 1]": "['a', 1]",
    "('a', 1)": "('a', 1)",
    "Bad()": "<Bad whose repr raised RuntimeError>",
}


def test_messages_tasks_and_units_that_are_no_text_are_shown_as_people_write_them() -> None:
    source = (
        "import datetime, enum\nfrom decimal import Decimal\nfrom pathlib import Path\n"
        "class Name(str):\n    def __repr__(self): return 'Name()'\n"
        "class Color(str, enum.Enum): RED = 'red'\n"
        "class Bad:\n    def __getattr__(self, name): raise RuntimeError\n    def __repr__(self): raise RuntimeError\n"
    )
    sent = run(source + "\n".join(f"progress({value}, task={value}, unit={value})" for value in LABELS))
    shown = [{content["message"], content["task"], content["unit"]} for _, content, _ in sent]
    assert shown == [{text} for text in LABELS.values()]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_shown_as_their_first_rows(library: str) -> None:
    sent = run(f"import {library}\nresult({library}.DataFrame({{'a': range(1500), 'b': 'x'}}))")
    rows = sent[0][1]["data"]
    assert rows[0] == {"a": 0, "b": "x"} and len(rows) == 1001 and rows[-1] == "… and 500 more"


def test_module_for_editors_has_the_same_names_and_prints_markers() -> None:
    code = "from hopx_progress import progress, result, error, track\nfor i in track(range(3), 'x'): pass\nerror('no')"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True, cwd=ROOT
    )
    lines = process.stdout.splitlines()
    assert lines[0].startswith("__PROGRESS__") and lines[-1] == '__ERROR__{"type": "error", "message": "no"}'
