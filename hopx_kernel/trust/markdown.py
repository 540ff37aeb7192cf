"""Markdown whose HTML is shown as the text it is, and whose code is shown as it stands.

The page's parser and that of exports have the last word on what is code. So only such code is left as it stands as all
of them read alike, wherever it is; the rest is escaped, also where that shows in code as ``&lt;``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from .latex import has_acting_math

__all__ = ["safe_markdown"]

_SIMPLE_TAGS = (
    *(
        f"{slash}{tag}>"
        for tag in "b i em strong code sub sup u s kbd mark small p br hr".split()  # noqa: SIM905
        for slash in ("", "/")
    ),
    *("br/>", "br />", "hr/>", "hr />"),
)

#: What may swallow the fences of code blocks after it: mathematics of several lines.
_MATH = ("$$", "\\[", "\\(", "\\begin")
_FENCE = re.compile(r"(`{3,})[A-Za-z0-9_+.#-]*")
#: A code span with a blank before it: without one, an address could go on into it.
_SPAN = re.compile(r"(?:(?<=\s)|^)(`[^`\n]+`)", re.MULTILINE)


def safe_markdown(source: str) -> str | None:
    """Markdown whose HTML is shown as the text it is, but for the plainest elements; None where a link would act.

    Pictures that are not in the source itself become links, since the page would fetch them with the person's cookies.
    """
    squeezed = "".join(c for c in html.unescape(source) if c.isprintable() and not c.isspace()).lower()
    squeezed = squeezed.replace("\\", "")
    if any(scheme in squeezed for scheme in ("javascript:", "vbscript:", "data:text", "data:application")):
        return None
    if has_acting_math(html.unescape(source)):
        return None
    if "`" not in source or "<" not in source:
        return _safe_text(source)
    return "".join(text if is_code else _safe_text(text) for is_code, text in _split(source))


def _safe_text(source: str) -> str:
    first, *rest = source.split("<")
    source = first + "".join(_safe_piece(piece) for piece in rest)
    first, *rest = source.replace("```mermaid", "```text").replace("~~~mermaid", "~~~text").split("![")
    return first + "".join(("![" if _is_own_picture(piece) else "[") + piece for piece in rest)


def _is_own_picture(piece: str) -> bool:
    return piece.partition("](")[2].startswith("data:image/") and "](" not in piece.partition("](")[0]


def _safe_piece(piece: str) -> str:
    if piece.lower().startswith(_SIMPLE_TAGS):
        return "<" + piece
    return ("&lt;" if piece[:1].isalpha() or piece[:1] in ("/", "!", "?") else "<") + piece


# ---------------------------------------------------------------------- what is code for every parser


def _split(source: str) -> Iterator[tuple[bool, str]]:
    """Pieces that make up the source, and whether each is code; from the first doubt on none is."""
    is_plain = all(char.isprintable() or char in "\n\t" for char in source)
    if not is_plain or any(mark in source for mark in _MATH):
        yield False, source
        return
    lines = source.splitlines(keepends=True)
    paragraph: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        if line.isspace() or ((fence := _FENCE.fullmatch(line.removesuffix("\n"))) and not paragraph):
            yield from _split_paragraph("".join(paragraph))
            paragraph = []
            end = index if line.isspace() else _find_end(lines, index, fence[1] if fence else "")
            if end is None:
                break
            yield False, line
            yield True, "".join(lines[index + 1 : end + 1])
            index = end + 1
        elif _is_doubtful(line):
            break
        else:
            paragraph.append(line)
            index += 1
    if index < len(lines):
        yield False, "".join((*paragraph, *lines[index:]))
    else:
        yield from _split_paragraph("".join(paragraph))


def _is_doubtful(line: str) -> bool:
    """Whether a line outside of code begins what may hold blank lines: fences, definitions of links and of terms."""
    return "```" in line or "~~~" in line or "]:" in line or line.lstrip().startswith(":")


def _find_end(lines: list[str], start: int, fence: str) -> int | None:
    """Where the block ends that a fence opens; None where one parser could see another end than the next."""
    for index in range(start + 1, len(lines)):
        if lines[index].removesuffix("\n") == fence:
            return index
        if "```" in lines[index] or "~~~" in lines[index]:
            return None
    return None


def _split_paragraph(text: str) -> Iterator[tuple[bool, str]]:
    """The spans of code of one paragraph, where nothing in it could begin or end them elsewhere."""
    pieces = _SPAN.split(text)
    outside = "".join(pieces[::2])
    is_clear = not any(mark in outside for mark in ("`", "<")) and not any(mark in text for mark in ("$", "\\", "|"))
    if not is_clear:
        yield False, text
        return
    for index, piece in enumerate(pieces):
        yield index % 2 == 1, piece
