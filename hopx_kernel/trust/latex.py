"""TeX that only typesets.

A page's MathJax typesets not only ``text/latex`` but also what stands between dollar signs in HTML, in Markdown and in
labels of widgets; and TeX can make links with ``javascript:`` and set attributes.
"""

from __future__ import annotations

import html
import re

__all__ = ["calm_text", "has_acting_math", "has_acting_math_within", "safe_latex"]

#: A tag, as a sanitiser writes it.
_TAG = re.compile(r"""<(?:[^>"]|"[^"]*")*>""")

#: What MathJax takes for the beginning of mathematics.
_MATH_BEGINS = ("$", "\\(", "\\[", "\\begin")
#: Commands that make links, set attributes or CSS, load extensions, or put together the names of other commands.
_ACTING = (
    "\\href", "\\url", "\\require", "\\class", "\\cssId", "\\style", "\\data", "\\html", "\\include", "\\mmlToken",
    "\\bbox", "\\fcolorbox", "\\csname", "\\texthtml", "\\breakAlign", "\\setOptions",
    "\\unicode",  # the name of its font becomes a style as it is, with whatever stands behind a semicolon
)  # fmt: skip


def safe_latex(source: str) -> str | None:
    """TeX that only typesets; None where it would do more."""
    # Exports write it into markup as it is, where a blank keeps what follows from being a tag; TeX reads over it.
    return None if any(command in source for command in _ACTING) else source.replace("<", "< ")


def has_acting_math(text: str) -> bool:
    """Whether a page's text holds mathematics that does more than to typeset."""
    # MathJax reads on over these as if they were not there.
    joined = text.replace("<wbr>", "")
    return any(command in joined for command in _ACTING) and any(begin in joined for begin in _MATH_BEGINS)


def has_acting_math_within(cleaned: str) -> bool:
    """Whether markup that was cleaned holds such mathematics, also where tags stand within it.

    A page that cleans it once more, as of a notebook that is opened again, may take out a tag and leave what is around it.
    """
    if "\\" not in cleaned:  # no sanitiser writes it in another way
        return False
    return has_acting_math(html.unescape(cleaned)) or has_acting_math(html.unescape(_TAG.sub("", cleaned)))


def calm_text(text: str) -> str:
    """Plain text whose mathematics only typesets; where it would do more, its commands are none any more."""
    return text.replace("\\", "∖") if "\\" in text and has_acting_math(text) else text
