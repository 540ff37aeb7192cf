"""Text from the sandbox: colours pass, commands to a terminal do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.trust import TextFilter, clean_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[2K\x1b[1A", "\x1b[2K\x1b[1A"),
        ("a\x1b]52;c;QUJD\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq\x1b\\b", "aq\x1b\\b"),
        ("a\x1b[6nb\x1b[cd", "abd"),
        ("a\x1b[?1049hb", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x9d52;c;QUJD\x9cb", "a52;c;QUJD\x9cb"),
    ],
)
def test_terminal_commands_are_taken_out(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@given(st.lists(st.sampled_from(["a", "\x1b", "[", "]", "0", ";", "m", "n", "\x07", "\\", "é"]), max_size=30))
def test_filter_says_the_same_whole_and_in_pieces(pieces: list[str]) -> None:
    text_filter = TextFilter()
    pieced = "".join(text_filter.feed(piece) for piece in pieces) + text_filter.end()
    whole = TextFilter()
    assert pieced == whole.feed("".join(pieces)) + whole.end()
