"""Text from the sandbox: colours pass, commands to a terminal do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.errors import RemoteExecutionError, SandboxError, SandboxStartError, SandboxTimeoutError
from hopx_kernel.trust import TextFilter, clean_line, clean_text


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
        # A terminal carries out a control in the midst of a sequence, and reads on.
        ("a\x1b\x08]52;c;QUJD\x07b", "a\x08]52;c;QUJD\x07b"),
        ("a\x1b\x00]52;c;QUJD\x07b", "ab"),
        ("a\x1b[6\x07nb", "a\x07nb"),
        ("a\x1b\nc", "a\nc"),
        # What makes it answer, print, lock the keyboard, or draw other letters.
        ("a\x1b[4$pb\x1b[1$wc\x1b['|d\x1b[#Re", "abcde"),
        ("a\x1b[5ib\x1b[2hc\x1b[!pd\x1b[9999999be", "abcde"),
        ("a\x1b(0b\x1b#8c\x1b F\x1b=d\x1bne", "abcde"),
        ("a\x1b(B\x1b[mb\x1b7c\x1b8\x1bM", "a\x1b(B\x1b[mb\x1b7c\x1b8\x1bM"),
        # What is not whole might become so by what comes next, from elsewhere.
        ("a\x1b[6", "a"),
        ("a\x1b", "a"),
        ("a\x1b(", "a"),
    ],
)
def test_terminal_commands_are_taken_out(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize("parameters", ["6", "0" * 3000])
def test_no_piece_leaves_a_sequence_to_be_ended_by_another(parameters: str) -> None:
    text_filter = TextFilter()
    assert "\x1b" not in text_filter.feed(f"a\x1b[{parameters}") + text_filter.end()


@given(st.lists(st.sampled_from(["a", "\x1b", "[", "]", "(", "B", "0", ";", "m", "n", "\x07", "\\", "é"]), max_size=30))
def test_filter_says_the_same_whole_and_in_pieces(pieces: list[str]) -> None:
    text_filter = TextFilter()
    pieced = "".join(text_filter.feed(piece) for piece in pieces) + text_filter.end()
    whole = TextFilter()
    assert pieced == whole.feed("".join(pieces)) + whole.end()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\x00\x05\x0e\x0f\x1a\x7fb", "ab"),
        ("é\x00\x05\x0e\x7f\x80\x84\x8d\x9bb", "éb"),
        ("a\tb\r\n\x08c\x0b\x0c\x07", "a\tb\r\n\x08c\x0b\x0c\x07"),
        ("\u202eא\u05d0", "\u202eא\u05d0"),
    ],
)
def test_controls_that_only_move_stay(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("a\nb\r\tc", "a b  c"),
        ("\x1b[31mred\x1b[0m \x1b]0;t\x07x\x1bc", "red x"),
        ("\u202eevil\u2066\u2028\ud800\ue000\x9d", " evil      "[:-1]),
        (5, "5"),
        ("x" * 50, "x" * 20 + "…"),
    ],
)
def test_line_for_logs_and_names_is_one_and_acts_nowhere(value: object, line: str) -> None:
    assert clean_line(value, 20) == line


@given(st.text(max_size=100))
def test_no_text_leaves_a_command_in_a_line(text: str) -> None:
    line = clean_line(text)
    assert "\n" not in line and "\x1b" not in line and not any("\x7f" <= char <= "\x9f" for char in line)


@pytest.mark.parametrize(
    "error",
    [
        RemoteExecutionError("E", "a\x1b]0;t\x07\n\x9d"),
        SandboxError("a\x1b]0;t\x07\n\x9d"),
        SandboxTimeoutError("a\x1b\n\x9d"),
        SandboxStartError("a\x1b\n", "\x9db"),
    ],
)
def test_errors_say_nothing_to_a_terminal(error: Exception) -> None:
    assert "\n" in str(error) and "\x1b" not in str(error) and "\x9d" not in str(error)
    assert "\x1b" in repr(error.args) or "\\x1b" in repr(error.args)
