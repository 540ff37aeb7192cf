"""Completion of ``%sandbox`` and ``%%sandbox`` lines: names, verbs, options, paths and variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..sandboxes import KINDS
from .arguments import LANGUAGES, cell_parser, verb_parsers
from .registry import Registry

__all__ = ["complete"]


def complete(registry: Registry, shell: Any, event: Any) -> list[str]:
    """What may stand at the cursor, for IPython's ``complete_command`` hook."""
    words = event.text_until_cursor.split()
    if event.text_until_cursor[-1:].isspace():
        words.append("")
    command, *words = words
    if not words:
        return []
    found = _cell(registry, words, shell) if command == "%%sandbox" else _line(registry, words)
    return [candidate for candidate in found if candidate.startswith(words[-1])]


def _options(parser: Any) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings if option.startswith("--")]


def _cell(registry: Registry, words: list[str], shell: Any) -> list[str]:
    previous = words[-2] if len(words) > 1 else ""
    if previous == "--kind":
        return sorted(KINDS)
    if previous == "--language":
        return list(LANGUAGES)
    if previous in ("-i", "--input"):
        return _variables(words[-1], shell)
    if words[-1].startswith("-"):
        return _options(cell_parser())
    return registry.names() if len(words) == 1 else _options(cell_parser())


def _variables(word: str, shell: Any) -> list[str]:
    done, comma, _ = word.rpartition(",")
    names = [name for name in shell.user_ns if not name.startswith("_")]
    return [f"{done}{comma}{name}" for name in names]


def _line(registry: Registry, words: list[str]) -> list[str]:
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
        return _paths(words[-1])
    if verb == "replay" and words[0] in registry.names():
        return [str(log.number) for log in registry.get(words[0]).logs]
    return []


def _paths(word: str) -> list[str]:
    directory, name = os.path.split(word)
    try:
        entries = sorted(Path(directory or ".").expanduser().iterdir())
    except OSError:
        return []
    prefix = f"{directory.rstrip('/')}/" if directory else ""
    hidden = name.startswith(".")
    return [
        f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if hidden or not entry.name.startswith(".")
    ]
