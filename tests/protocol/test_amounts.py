"""How much text there is, whatever its lines are like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.protocol.amounts import measure

_LINES = st.lists(st.sampled_from(("", "a", "\u20ac" * 300, "x" * 511, "y" * 513, "z" * 5000)), max_size=20)


@given(_LINES, st.sampled_from(("", "\n", "\r", "last")))
def test_lines_that_end_and_characters_are_counted(lines: list[str], end: str) -> None:
    text = "\n".join(lines) + end
    assert measure(text) == (text.count("\n"), len(text))
