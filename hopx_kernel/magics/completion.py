"""Completion of ``%sandbox`` and ``%%sandbox`` lines: names, verbs, options, paths and variables."""

from __future__ import annotations

from typing import Any

from ..library.inside.names import complete_own
from .arguments import LANGUAGES, cell_parser, verb_parsers
from .registry import Registry

__all__ = ["complete", "find_candidates"]


def complete(registry: Registry, shell: Any, event: Any) -> list[str]:
    """What may stand at the cursor, for IPython's ``complete_command`` hook."""
    word, found = find_candidates(registry, event.text_until_cursor)
    return complete_own(found, word, shell.user_ns) if isinstance(found, str) else found


def find_candidates(registry: Registry, text: str) -> tuple[str, list[str] | str]:
    """The word at a line's end, and what it may become.

    The latter is ``variables`` or ``paths`` where it is one of a person's own, as `complete_own` finds them.
    """
    words = text.split()
    if text[-1:].isspace():
        words.append("")
    command, *words = words or [""]
    if not words:
        return "", []
    found = _cell(registry, words) if command == "%%sandbox" else _line(registry, words)
    if isinstance(found, str):
        return words[-1], found
    return words[-1], [candidate for candidate in found if candidate.startswith(words[-1])]


def _options(parser: Any) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings if option.startswith("--")]


def _cell(registry: Registry, words: list[str]) -> list[str] | str:
    previous = words[-2] if len(words) > 1 else ""
    if previous == "--kind":
        return registry.maker.kinds()
    if previous == "--language":
        return list(LANGUAGES)
    if previous in ("-i", "--input"):
        return "variables"
    if words[-1].startswith("-"):
        return _options(cell_parser())
    return registry.names() if len(words) == 1 else _options(cell_parser())


def _line(registry: Registry, words: list[str]) -> list[str] | str:
    if len(words) == 1:
        return [*registry.names(), "--help"]
    parsers = verb_parsers()
    verb = words[1]
    if len(words) == 2:
        return [*parsers, "--help"]
    if verb not in parsers:
        return []
    if words[-1].startswith("-"):
        return _options(parsers[verb])
    if (verb == "upload" and len(words) == 3) or (verb == "download" and len(words) == 4):
        return "paths"
    if verb == "replay" and words[0] in registry.names():
        return [str(log.number) for log in registry.get(words[0]).logs]
    return []
