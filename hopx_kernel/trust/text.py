"""Terminal escapes: colours and cursor movements pass, and nothing else does.

A page ignores them, but ``jupyter console`` hands output to a real terminal, which a sequence can make write the
clipboard, rename the window or answer as if the person had typed. So do ``jupyter execute`` and a server's log with
errors and names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

__all__ = ["TextFilter", "clean_line", "clean_text"]

#: What begins an operating system command, a device control string, a privacy message, an application command, a string.
_SEVEN_BIT = ("]", "P", "^", "_", "X")
#: Controls that move in a text (backspace, tab, lines, bell) stay; those that switch, answer or stop a terminal do not.
_CONTROLS = dict.fromkeys(
    (*range(7), *range(14, 27), *range(28, 32), 127, *(code for code in range(128, 160) if code not in (133, 156)))
)
_HAS_CONTROL = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9b\x9d-\x9f]")
_ASCII_CONTROLS = bytes(code for code in _CONTROLS if code < 128)
#: What may follow an ESC, and that is whole: colours, moves of the cursor, erasing, inserting and deleting; the plain
#: character set; saving and restoring the cursor; the end of a string. A terminal carries out a control in the midst of a
#: sequence and reads on, so what is not whole, or is none of these, is none any more.
_HARMLESS = re.compile(r"\[[0-9;:]*[@A-HJ-MPSTXZ`adefms]|\(B|[78DEM\\]")
#: Any other sequence, as far as it is one.
_SEQUENCE = re.compile(r"\[[ -?]*[@-~]?|[ -/]*[0-~]?")
#: A sequence that is still without its end.
_UNENDED = re.compile(r"\[[ -?]*|[ -/]*")


def clean_text(text: str) -> str:
    """A whole text without commands to the terminal."""
    text = _without_controls(text)
    if "\x1b" not in text:
        return text
    first, *parts = text.split("\x1b")
    clean = [first]
    ends_command = False
    for index, part in enumerate(parts):
        if ends_command and part.startswith("\\"):
            clean.append(part[1:])
            ends_command = False
            continue
        following = parts[index + 1] if index + 1 < len(parts) else ""
        ends_command = part.startswith("]") and "\x07" not in part and following.startswith("\\")
        clean.append("" if ends_command else _clean_sequence(part))
    return "".join(clean)


def _without_controls(text: str) -> str:
    if not text.isascii():
        return text.translate(_CONTROLS) if _HAS_CONTROL.search(text) else text
    # Most text has none, and all text comes through here: this is the fastest look at it that there is.
    raw = text.encode("ascii")
    clean = raw.translate(None, _ASCII_CONTROLS)
    return text if len(clean) == len(raw) else clean.decode("ascii")


def clean_line(value: Any, limit: int = 1000) -> str:
    """One line, for logs, names and headings: no escapes, no controls, nothing that turns the writing around."""
    text = str(value)
    cut = _ESCAPES.sub("", text[: 4 * limit])
    line = "".join(" " if unicodedata.category(char) in _NOT_IN_LINES else char for char in cut)
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[:limit]}…"


#: Categories of characters: controls, formats (directions of writing, invisible ones), surrogates, line separators.
_NOT_IN_LINES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?")


def _clean_sequence(part: str) -> str:
    """What follows an ESC up to the next one, with the ESC where it may stay."""
    if part.startswith("]") and "\x07" in part:
        return part.partition("\x07")[2]
    if part.startswith(_SEVEN_BIT):
        return part[1:]
    return "\x1b" + part if _HARMLESS.match(part) else _SEQUENCE.sub("", part, count=1)


class TextFilter:
    """`clean_text` for a stream that is cut anywhere."""

    #: A sequence that is longer than this is none.
    MAX_SEQUENCE = 2048

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """The next piece; an escape sequence that it cuts is held back for the next one."""
        text = self._held + text
        self._held = ""
        cut = self._find_cut(text) if "\x1b" in text else -1
        if cut >= 0:
            text, self._held = text[:cut], text[cut:]
        return clean_text(text)

    def end(self) -> str:
        """What is still held, now that nothing follows."""
        text, self._held = self._held, ""
        return clean_text(text)

    def _find_cut(self, text: str) -> int:
        """Where a sequence begins that the text's end cuts; -1 for nowhere."""
        last = text.rfind("\x1b", -self.MAX_SEQUENCE)
        if last < 0:
            return -1
        part = text[last + 1 :]
        command = text.rfind("\x1b]", -self.MAX_SEQUENCE, last)
        if not part:
            return command if command >= 0 and "\x07" not in text[command:] else last
        if _UNENDED.fullmatch(part):
            return last
        return last if part.startswith("]") and "\x07" not in part else -1
