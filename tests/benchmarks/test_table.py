"""The benchmarks' table, and that they measure at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import FIGURES, Row
from benchmarks.figures.base import median, percentile_95
from benchmarks.table import render, sum_up

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("row", "ours", "theirs", "cells"),
    [
        (Row("k", "t", "s", at_most_ratio=0.5), [1.0], [4.0], ("1 s", "4 s", "0.25", "≤ 0.5 ×", "reached")),
        (Row("k", "t", "s", at_most_ratio=0.5), [3.0], [4.0], ("3 s", "4 s", "0.75", "≤ 0.5 ×", "MISSED")),
        (Row("k", "t", "ms", at_most=5), [1.0, 9.0, 5.0], [], ("5 ms", "", "", "≤ 5 ms", "reached")),
        (Row("k", "t", "ms", max, at_most=5), [1.0, 9.0, 5.0], [0.0], ("9 ms", "0 ms", "", "≤ 5 ms", "MISSED")),
        (Row("k", "t", "ms", at_most=5), [], [4.0], ("", "4 ms", "", "≤ 5 ms", "")),
        (Row("k", "t", ""), [1234.5], [0.12345], ("1234", "0.123", "10000.00", "", "")),
    ],
)
def test_row_has_its_ratio_and_verdict(
    row: Row, ours: list[float], theirs: list[float], cells: tuple[str, ...]
) -> None:
    assert sum_up(row, {"hopx": ours, "ipykernel": theirs})[1:] == cells


def test_percentile_is_a_measured_value_near_the_top() -> None:
    assert percentile_95([float(n) for n in range(100, 0, -1)]) == 95
    assert percentile_95([7.0]) == median([7.0]) == 7


def test_table_is_markdown_with_equal_widths() -> None:
    lines = render([("a", "1 s", "2 s", "0.50", "≤ 1 ×", "reached")]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert all(line.startswith("|") and line.endswith("|") for line in lines)


def test_every_figure_has_rows_with_keys_of_their_own_summary() -> None:
    for name, figure in FIGURES.items():
        assert figure.name == name
        assert len({(row.key, row.summary) for row in figure.rows}) == len(figure.rows)


def test_measuring_prints_a_row_and_keeps_every_value(hopx_kernelspec: str, tmp_path: Path) -> None:
    values = tmp_path / "values.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "round-trip", "-n", "1", "--json", str(values)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "`1+1`, request to idle" in done.stdout
    saved = json.loads(values.read_text(encoding="utf-8"))["round-trip"]
    assert {kernel: len(samples["delay"]) for kernel, samples in saved.items()} == {"hopx": 50, "ipykernel": 50}


def test_unknown_figure_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "unknown figure: speed" in done.stderr
