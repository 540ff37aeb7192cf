"""Markers in text streams: found wherever they are, and nothing else is ever lost or changed."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopx_kernel.protocol import Message
from hopx_kernel.protocol.markers import (
    HOLD_SECONDS,
    MAX_PAYLOAD_CHARS,
    SURE_HOLD_SECONDS,
    MarkerParser,
    payload_event,
)


def parse(*chunks: str) -> list[object]:
    """Texts as they are, events as (msg_type, content), neighbouring texts joined."""
    parser = MarkerParser("run")
    parts = [part for chunk in chunks for part in parser.feed(chunk)] + parser.flush()
    result: list[object] = []
    for part in parts:
        if isinstance(part, Message):
            assert part.parent_id == "run"
            result.append((part.msg_type, part.content))
        elif result and isinstance(result[-1], str):
            result[-1] += part
        else:
            result.append(part)
    return result


LOADING = ("progress", {"message": "Loading", "percent": 40})

VECTORS = {
    "the_guides_progress": (
        '__PROGRESS__{"type": "progress", "message": "Loading", "percent": 40}\n',
        [LOADING],
    ),
    "the_guides_result": ('__RESULT__{"type": "result", "data": {"n": 5}}\n', [("result", {"data": {"n": 5}})]),
    "the_guides_error": ('__ERROR__{"type": "error", "message": "no"}\n', [("alert", {"message": "no"})]),
    "no_type": ('__PROGRESS__{"message":"Loading","percent":40}\n', [LOADING]),
    "a_null_result": ('__RESULT__{"data": null}\n', [("result", {"data": None})]),
    "mid_line": ('so far__PROGRESS__{"message":"Loading","percent":40}\n and on\n', ["so far", LOADING, " and on\n"]),
    "crlf": ('__PROGRESS__{"message":"Loading","percent":40}\r\nx', [LOADING, "x"]),
    "no_newline": ('__PROGRESS__{"message":"Loading","percent":40}', [LOADING]),
    "only_its_own_newline": ('a\n__PROGRESS__{"message":"Loading","percent":40}\n\nb', ["a\n", LOADING, "\nb"]),
    "two_threads_at_once": (
        '__PROGRESS__{"message":"Loading","percent":40}__PROGRESS__{"message":"Loading","percent":40}\n\n',
        [LOADING, LOADING, "\n"],
    ),
    "a_blank_between": ('__PROGRESS__ {"message":"Loading","percent":40}\n', [LOADING]),
    "braces_and_quotes_in_text": (
        r'__ERROR__{"message": "}{ \" \\ } __PROGRESS__{"}' + "\n",
        [("alert", {"message": r'}{ " \ } __PROGRESS__{'})],
    ),
    "nested": ('__RESULT__{"data": {"a": [{}, {"b": {}}]}}x', [("result", {"data": {"a": [{}, {"b": {}}]}}), "x"]),
    "percent_as_text": (
        '__PROGRESS__{"message":"x","percent":"12%"}\n',
        [("progress", {"message": "x", "percent": "12%"})],
    ),
    "nan": ('__PROGRESS__{"message":"x","percent":NaN}\n', [("progress", {"message": "x", "percent": "NaN"})]),
    "message_no_text": ('__PROGRESS__{"message":[1]}\n', [("progress", {"message": "[1]"})]),
    "percent_only": ('__PROGRESS__{"percent":3}\n', [("progress", {"message": "", "percent": 3})]),
    "unknown_keys": ('__ERROR__{"message":"x","evil":1}\n', [("alert", {"message": "x"})]),
}

TEXTS = {
    "plain": "hello\nworld\n",
    "dunder": "def __init__(self): __PROGRESS\n",
    "marker_alone": "the marker __PROGRESS__ is documented\n",
    "not_json": "__PROGRESS__{oops}\n",
    "single_quotes": "__PROGRESS__{'message': 'x'}\n",
    "cut_by_a_newline": '__PROGRESS__{"message":\n"x"}\n',
    "cut_by_the_end": '__PROGRESS__{"message": "x',
    "a_list": "__RESULT__[1, 2]\n",
    "another_type": '__PROGRESS__{"type": "result", "message": "x"}\n',
    "nothing_in_it": "__PROGRESS__{}\n",
    "result_without_data": '__RESULT__{"message": "x"}\n',
    "ends_in_underscores": "value__",
    "too_many_blanks": '__PROGRESS__          {"message":"x"}\n',
    "surrogates_and_nul": "\x00 \ud800 __ERROR__\n",
}


@pytest.mark.parametrize("name", VECTORS)
def test_marker_is_an_event_whole_and_in_pieces(name: str) -> None:
    text, expected = VECTORS[name]
    assert parse(text) == expected
    assert parse(*text) == expected
    for cut in range(len(text)):
        assert parse(text[:cut], text[cut:]) == expected


@pytest.mark.parametrize("name", TEXTS)
def test_text_stays_the_text_it_is(name: str) -> None:
    text = TEXTS[name]
    assert parse(text) == [text]
    assert parse(*text) == [text]


def test_bad_payload_does_not_hide_the_marker_in_it() -> None:
    text = '__PROGRESS__{"message": __PROGRESS__{"message":"Loading","percent":40}\n'
    assert parse(text) == ['__PROGRESS__{"message": ', LOADING]


def test_payload_nested_ten_thousand_deep_is_text() -> None:
    text = '__RESULT__{"data":' + "[" * 100_000 + "]" * 100_000 + "}\n"
    assert parse(text) in ([text], [text.rstrip("\n") + "\n"])


def test_payload_over_the_bound_is_text() -> None:
    text = '__ERROR__{"message": "' + "x" * MAX_PAYLOAD_CHARS + '"}\n'
    chunks = [text[start : start + 65536] for start in range(0, len(text), 65536)]
    assert parse(*chunks) == [text]


def test_message_of_one_megabyte_over_chunks_is_an_event() -> None:
    message = "x" * (MAX_PAYLOAD_CHARS - 100)
    text = f'__ERROR__{{"message": "{message}"}}\n'
    assert parse(*(text[start : start + 4096] for start in range(0, len(text), 4096))) == [
        ("alert", {"message": message})
    ]


def test_nothing_but_a_part_of_a_name_is_held_back() -> None:
    parser = MarkerParser()
    assert parser.feed("ready? _") == ["ready? "]
    assert parser.is_holding
    assert parser.feed("yes") == ["_yes"]
    assert not parser.is_holding
    assert parser.feed("snake_case") == ["snake_case"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("ready? _", HOLD_SECONDS),
        ("Name__", HOLD_SECONDS),
        ("__P", SURE_HOLD_SECONDS),
        ("__RESULT__", SURE_HOLD_SECONDS),
        ('__ERROR__{"mess', SURE_HOLD_SECONDS),
    ],
)
def test_a_prompt_waits_shortly_and_what_is_a_marker_for_its_slow_end(text: str, seconds: float) -> None:
    parser = MarkerParser()
    parser.feed(text)
    assert parser.is_holding and parser.hold_seconds == seconds


def test_flush_gives_a_cut_marker_as_text() -> None:
    parser = MarkerParser()
    assert parser.feed('x__PROGRESS__{"mess') == ["x"]
    assert parser.flush() == ['__PROGRESS__{"mess']
    assert parser.flush() == []
    assert parser.feed("on\n") == ["on\n"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["__PROGRESS__", "__RESULT__", '{"data": 1}', '{"message":"m"}', "_", "{", "}", '"', "\\", "\n", "ab"]
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_pieces_never_change_the_outcome(words: list[str], cuts: list[int]) -> None:
    text = "".join(words)
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    chunks = [text[start:end] for start, end in itertools.pairwise(edges)]
    assert parse(*chunks) == parse(text)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text(alphabet="_PROGRESULT{}\"'\n", max_size=80))
def test_text_without_a_whole_marker_passes_unchanged(before: str, after: str) -> None:
    text = (before + after).replace("__{", "_{")
    if not any(name in text for name in ("__PROGRESS__", "__RESULT__", "__ERROR__")):
        assert parse(*text) == ([text] if text else [])


def test_flood_without_markers_costs_next_to_nothing() -> None:
    parser, chunk = MarkerParser(), "x" * 65535 + "\n"
    started = time.process_time()
    for _ in range(2000):
        assert parser.feed(chunk)[0] is chunk
    assert time.process_time() - started < 5  # 128 MiB, which a look at every character would take longer for


def test_closing_braces_one_by_one_take_linear_time() -> None:
    parser = MarkerParser()
    started = time.process_time()
    parser.feed('__RESULT__{"data":"')
    for _ in range(200_000):
        parser.feed("}")
    assert parser.feed('"}\n') == [Message("result", {"data": "}" * 200_000})]
    assert time.process_time() - started < 5


def test_a_line_of_markers_without_payloads_takes_linear_time() -> None:
    text = "__PROGRESS__{" * 80_000 + "\n"
    started = time.process_time()
    assert parse(text) == [text]
    assert parse(*(text[start : start + 4096] for start in range(0, len(text), 4096))) == [text]
    assert time.process_time() - started < 5
    assert parse(text, '__PROGRESS__{"message":"Loading","percent":40}\n') == [text, LOADING]


@pytest.mark.parametrize("payload", [None, [], "x", 3, {"type": 5, "message": "x"}, {}])
def test_payload_that_is_none_gives_no_event(payload: object) -> None:
    assert payload_event("PROGRESS", payload) is None


def test_event_is_legal_on_the_wire() -> None:
    from hopx_kernel.protocol.messages import Role, check_message

    for text, _ in VECTORS.values():
        for part in MarkerParser("run").feed(text):
            if isinstance(part, Message):
                assert check_message(Role.RUNNER, part) is None
                json.dumps(part.content, allow_nan=False)
