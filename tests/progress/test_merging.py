"""A flood of printed reports: merged, each task ends as it does when they are taken one by one."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hopx_kernel.progress import merge_report
from hopx_kernel.progress.model import ProgressModel, Task
from hopx_kernel.protocol import Message
from hopx_kernel.protocol.markers import MarkerParser


def taken(chunks: list[str], *, merges: bool) -> tuple[ProgressModel, str, list[Any], int]:
    """The model, the text, the events of other kinds, and the number of reports."""
    parser, model, texts, others, reports = MarkerParser(), ProgressModel(), [], [], 0
    parser.merge = merge_report if merges else None
    for part in [part for chunk in chunks for part in parser.feed(chunk)] + parser.flush():
        if isinstance(part, str):
            texts.append(part)
        elif part.msg_type == "progress":
            reports += 1
            model.take(part.content, 0.0)
        else:
            others.append((part.msg_type, part.content))
    return model, "".join(texts), others, reports


def seen(task: Task) -> Any:
    """All that a task shows, but for its times and the shape of its curves."""
    metrics = {name: series.last for name, series in task.metrics.items()}
    return task.parent, task.message, task.unit, task.state, task.current, task.total, task.percent, metrics, task.notes


def is_same(chunks: list[str]) -> None:
    model, text, others, _ = taken(chunks, merges=True)
    one_by_one, text_then, others_then, _ = taken(chunks, merges=False)
    assert (text, others) == (text_then, others_then)
    assert list(model.tasks) == list(one_by_one.tasks)
    for key, task in model.tasks.items():
        assert seen(task) == seen(one_by_one.tasks[key])
    assert model.omitted == one_by_one.omitted


NUMBERS = st.integers(-5, 120) | st.floats(0, 120) | st.sampled_from(["50%", "x", 99.5, 100, 10**400])
DATA = st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.text("xy", max_size=2), max_size=2) | NUMBERS
REPORTS = st.fixed_dictionaries(
    {},
    optional={
        "message": st.sampled_from(["", "one", "two", "é", '"', "__PROGRESS__{", 3, None]),
        **dict.fromkeys(("percent", "current", "total"), NUMBERS),
        "data": DATA,
        "task": st.sampled_from(["t", "u", 1]),
        "parent": st.sampled_from(["t", "p"]),
        "unit": st.sampled_from(["", "MB"]),
        "state": st.sampled_from(["running", "done", "failed", "nonsense"]),
        "type": st.sampled_from(["progress", "result"]),
    },
)
LINES = st.one_of(
    *[REPORTS.map(lambda report: "__PROGRESS__" + json.dumps(report) + "\n")] * 4,
    REPORTS.map(
        lambda report: "__PROGRESS__ " + json.dumps(report, separators=(",", ":"), ensure_ascii=False) + "\r\n"
    ),
    st.sampled_from(['__RESULT__{"data": 1}\n', '__ERROR__{"message": "m"}\n', "text\n", "__PROGRESS__{no}\n", "_"]),
    st.sampled_from(
        ['__PROGRESS__{"message": "a", "percent": 1\n}\n', '__PROGRESS__{"message":"b"}', "\r", "__ERROR__"]
    ),
    st.builds(
        lambda count, form: "".join(form % (i, i) for i in range(count)),
        st.integers(1, 40),
        st.sampled_from(
            [
                '__PROGRESS__{"message": "step %d", "percent": %d}\n',
                '__PROGRESS__{"type":"progress","message":"step %d","percent":%d.5}\n',
                '__PROGRESS__{"current": %d, "total": 20, "message": "\\u00e9%d"}\n',
                '__PROGRESS__{"message": "%d", "percent": 0%d}\n',
            ]
        ),
    ),
)


@settings(deadline=None, max_examples=400)
@example(['__RESULT__{"data": 1}\n', '__PROGRESS__{"message":"b"}', "__PROGRESS__{}\n"], [])
@given(st.lists(LINES, max_size=12), st.lists(st.integers(0, 2000), max_size=2))
def test_tasks_end_as_they_do_one_by_one(lines: list[str], cuts: list[int]) -> None:
    text = "".join(lines)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    is_same([text[start:end] for start, end in itertools.pairwise(edges)])


@settings(deadline=None)
@given(st.lists(REPORTS.filter(bool), min_size=1, max_size=8))
def test_reports_that_must_be_merged_leave_what_the_last_left(reports: list[Any]) -> None:
    lines = [
        "".join("__PROGRESS__" + json.dumps({"percent": i % 7, **report}) + "\n" for i in range(40))
        for report in reports
    ]
    is_same(["".join(lines)])


def test_flood_is_few_reports_and_keeps_the_last() -> None:
    lines = [f'__PROGRESS__{{"message": "step {i}", "percent": {i / 10_000}}}\n' for i in range(1_000_001)]
    text = "".join(lines)
    chunks = [text[start : start + 65536] for start in range(0, len(text), 65536)]
    model, rest, others, reports = taken(chunks, merges=True)
    assert (rest, others) == ("", [])
    assert reports < 3 * len(chunks)
    (task,) = model.tasks.values()
    assert (task.message, task.percent, task.state) == ("step 1000000", 100.0, "done")


def test_few_reports_keep_the_shape_of_their_curve() -> None:
    lines = ["__PROGRESS__" + json.dumps({"message": "fit", "data": {"loss": value}}) + "\n" for value in range(30)]
    model, *_ = taken(["".join(lines)], merges=True)
    assert model.tasks[""].metrics["loss"].points == list(range(30))


def test_end_is_seen_before_what_begins_anew() -> None:
    lines = ["__PROGRESS__" + json.dumps({"percent": percent}) + "\n" for percent in (50, 100, 10, 20)]
    parser = MarkerParser()
    parser.merge = merge_report
    given = [part.content["percent"] for part in parser.feed("".join(lines)) if isinstance(part, Message)]
    assert given == [50, 100, 20]
