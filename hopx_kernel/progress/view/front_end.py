"""Where the files of the front end lie."""

from __future__ import annotations

from pathlib import Path

__all__ = ["front_end_file"]

_PACKAGE = Path(__file__).parents[2]


def front_end_file(name: str) -> str:
    """A file of the front end: beside the package's modules in a wheel, in ``widgets/src`` in a work tree."""
    for folder in (_PACKAGE / "static", _PACKAGE.parent / "widgets" / "src"):
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8")
    raise ImportError(f"the front end's {name} is missing from this installation")
