"""What callers may ask for, checked before it reaches a sandbox, and what a sandbox may say in an error here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = [
    "checked_code",
    "checked_command",
    "checked_environment",
    "checked_path",
    "checked_size",
    "checked_timeout",
    "harmless",
]

#: Of what a sandbox gives for a reason, in characters.
_MAX_REASON = 2000


def checked_command(command: str | Sequence[str]) -> str | list[str]:
    """A shell line, or an argument list that is not empty. Raises `TypeError` and `ValueError`."""
    words = [command] if isinstance(command, str) else [*command]
    if not words or not all(isinstance(word, str) for word in words):
        raise TypeError(f"a command is a shell line or a list of str that is not empty, not {command!r}")
    if not words[0].strip():
        raise ValueError("the command is empty")
    _refuse_fragments("a command", "".join(words))
    return command if isinstance(command, str) else words


def checked_code(code: str) -> str:
    """Source text. Raises `TypeError`."""
    if not isinstance(code, str):
        raise TypeError(f"code is a str, not {type(code).__name__}")
    return code


def checked_size(name: str, size: float) -> int:
    """A number of bytes from 1. Raises `TypeError` and `ValueError` with the parameter's name."""
    if not isinstance(size, (int, float)):
        raise TypeError(f"{name} is a number of bytes, not {size!r}")
    if not 1 <= size < math.inf:
        raise ValueError(f"{name} is a number of bytes from 1, not {size}")
    return int(size)


def checked_timeout(timeout: float | None) -> float | None:
    """A time in seconds, or None for no deadline. Raises `TypeError` and `ValueError`."""
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout is a number of seconds, not {timeout!r}")
    if not (timeout > 0 and math.isfinite(timeout)):
        raise ValueError(f"timeout is a positive number of seconds, not {timeout}")
    return timeout


def checked_environment(env: Mapping[str, str] | None) -> dict[str, str]:
    """Environment variables. Raises `TypeError` and `ValueError` that name the one that cannot be set."""
    if env is not None and not isinstance(env, Mapping):
        raise TypeError(f"env is a mapping of environment variables, not {env!r}")
    checked = dict(env or {})
    for name, value in checked.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"an environment variable is a str with a str for its name, not {name!r}: {value!r}")
        if not name or "=" in name or "\0" in name + value or not _is_text(name + value):
            raise ValueError(f"{name!r} cannot be an environment variable with the value {value!r}")
    return checked


def _is_text(text: str) -> bool:
    """Whether a process can be given this: not where it holds halves of characters."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def checked_path(path: str) -> str:
    """A path in a sandbox, in text. Raises `TypeError` and `ValueError`."""
    if not isinstance(path, str):
        raise TypeError(f"a path in a sandbox is a str, not {type(path).__name__}")
    if not path:
        raise ValueError("a path cannot be empty")
    _refuse_fragments("a path", path)
    return path


def _refuse_fragments(what: str, text: str) -> None:
    if "\0" in text:
        raise ValueError(f"{what} cannot hold a null character")
    if not _is_text(text):
        raise ValueError(f"{what} cannot hold half a character: {text!r:.80}")


def harmless(text: str) -> str:
    """A sandbox's words for an error here: not endless, and no control sequences for the terminal that shows them."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:_MAX_REASON])
