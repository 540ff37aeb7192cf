"""Bundles for results and alerts: readable, bounded, never markup."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hopx_kernel.progress.results import alert_bundle, omitted_bundle, result_bundle

EVIL = "<img src=x onerror=alert(1)>"


def test_tree_is_json_with_text_and_html_beside_it() -> None:
    data, metadata = result_bundle({"rows": [1, {"a": None}], EVIL: EVIL})
    assert data["application/json"] == {"rows": [1, {"a": None}], EVIL: EVIL}
    assert metadata["application/json"]["expanded"] is True
    assert json.loads(data["text/plain"]) == data["application/json"]
    assert "<details open" in data["text/html"] and "<img" not in data["text/html"]


@pytest.mark.parametrize("value", [5, "text", None, True, 1.5, EVIL])
def test_bare_value_has_no_tree(value: Any) -> None:
    data, _ = result_bundle(value)
    assert "application/json" not in data and "<img" not in data["text/html"]
    assert data["text/plain"] == json.dumps(value)


def test_text_of_several_lines_is_shown_as_it_is() -> None:
    data, _ = result_bundle(f"first\n\x1b[31m{EVIL}\n")
    assert data["text/plain"] == f"first\n{EVIL}\n"
    assert "first\n&lt;img" in data["text/html"] and "<img" not in data["text/html"]


def test_long_text_of_several_lines_is_cut_and_counted() -> None:
    data, _ = result_bundle("line\n" * 100_000)
    assert (
        len(data["text/plain"]) < 21_000 and "characters)" in data["text/plain"] and "characters)" in data["text/html"]
    )


def test_large_result_is_whole_as_json_and_cut_for_reading() -> None:
    value = {"rows": list(range(100_000))}
    data, metadata = result_bundle(value)
    assert data["application/json"] == value and metadata["application/json"]["expanded"] is False
    assert len(data["text/plain"]) < 21_000 and len(data["text/html"]) < 100_000
    assert "characters)" in data["text/plain"] and "more</div>" in data["text/html"]


def test_deep_result_does_not_raise() -> None:
    value: Any = []
    for _ in range(900):
        value = [value]
    assert result_bundle(value)[0]["text/html"]


def test_alert_is_escaped_and_keeps_its_lines() -> None:
    data, _ = alert_bundle(f"first\n{EVIL}\x1b[31m")
    assert "first\n&lt;img" in data["text/html"]
    assert data["text/plain"] == f"✗ Error: first\n{EVIL}"


def test_long_alert_is_cut_and_counted() -> None:
    data, _ = alert_bundle("x" * 1_000_000)
    assert len(data["text/html"]) < 10_000 and "… (+996,000 characters)" in data["text/plain"]


def test_omitted_are_counted() -> None:
    assert omitted_bundle(4900, "error")[0]["text/plain"] == "… and 4,900 more errors of this cell"
    assert omitted_bundle(1, "result")[0]["text/plain"] == "… and 1 more result of this cell"


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**70])
def test_number_that_a_page_would_show_as_another_is_shown_by_the_tree_that_does_not(number: int) -> None:
    data, metadata = result_bundle({"rows": [{"id": number}]})
    assert "application/json" not in data and metadata == {}
    assert str(number) in data["text/html"] and json.loads(data["text/plain"]) == {"rows": [{"id": number}]}


def test_numbers_that_a_page_reads_exactly_stay_json() -> None:
    value = {"least": -(2**53) + 1, "most": 2**53 - 1, "large": 1e300, "flag": True}
    assert result_bundle(value)[0]["application/json"] == value
