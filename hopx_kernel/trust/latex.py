"""TeX that only typesets, and Markdown, in which it stands.

A page's MathJax typesets not only ``text/latex`` but also what stands between dollar signs in HTML, in Markdown and in
labels of widgets; and TeX can make links with ``javascript:`` and set attributes.
"""

from __future__ import annotations

import html

__all__ = ["calm_text", "has_acting_math", "safe_latex", "safe_markdown"]

#: What MathJax takes for the beginning of mathematics.
_MATH_BEGINS = ("$", "\\(", "\\[", "\\begin")
#: Commands that make links, set attributes or CSS, load extensions, or put together the names of other commands.
_ACTING = (
    "\\href", "\\url", "\\require", "\\class", "\\cssId", "\\style", "\\data", "\\html", "\\include", "\\mmlToken",
    "\\bbox", "\\fcolorbox", "\\csname", "\\texthtml", "\\breakAlign",
)  # fmt: skip

_SIMPLE_TAGS = (
    *(
        f"{slash}{tag}>"
        for tag in "b i em strong code sub sup u s kbd mark small p br hr".split()  # noqa: SIM905
        for slash in ("", "/")
    ),
    *("br/>", "br />", "hr/>", "hr />"),
)


def safe_latex(source: str) -> str | None:
    """TeX that only typesets; None where it would do more."""
    # Exports write it into markup as it is, where a blank keeps what follows from being a tag; TeX reads over it.
    return None if any(command in source for command in _ACTING) else source.replace("<", "< ")


def has_acting_math(text: str) -> bool:
    """Whether a page's text holds mathematics that does more than to typeset."""
    # MathJax reads on over these as if they were not there.
    joined = text.replace("<wbr>", "")
    return any(command in joined for command in _ACTING) and any(begin in joined for begin in _MATH_BEGINS)


def calm_text(text: str) -> str:
    """Plain text whose mathematics only typesets; where it would do more, its commands are none any more."""
    return text.replace("\\", "∖") if "\\" in text and has_acting_math(text) else text


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
