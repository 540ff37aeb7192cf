"""What the interpreter asks of a shell, be it IPython's or the plain one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Dict, List, Optional, Tuple

from .services import Services

__all__ = ["BaseShell", "CellRequest", "error_content"]

#: Characters that each text of an error may have, and its traceback's lines together: more than a person reads, and less
#: than a message can carry, in which a character may be twelve.
ERROR_BOUND, TRACEBACK_BOUND = 1 << 20, 4 << 20


def error_content(name: Any, evalue: str, lines: List[str]) -> Dict[str, Any]:
    """Content of an ``error`` event; texts that are longer than a message lose their middle."""
    return {"ename": str(name), "evalue": _shortened(evalue), "traceback": _shortened_lines(lines)}


def _shortened(text: str, bound: int = ERROR_BOUND) -> str:
    if len(text) <= bound:
        return text
    half = bound // 2
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters are not shown.]\n{text[-half:]}"


def _shortened_lines(lines: List[str]) -> List[str]:
    lines = [_shortened(line) for line in lines]
    size = sum(map(len, lines))
    return lines if size <= TRACEBACK_BOUND else [_shortened("\n".join(lines), TRACEBACK_BOUND)]


@dataclass(frozen=True)
class CellRequest:
    """An ``execute_request``, with every option filled in.

    Parameters
    ----------
    execution_count : int, optional
        The number that the host wants this cell to have: it goes on counting where an interpreter has died.
    """

    code: str
    silent: bool = False
    store_history: bool = True
    user_expressions: Dict[str, Any] = field(default_factory=dict)
    allow_stdin: bool = False
    cell_id: Optional[str] = None
    execution_count: Optional[int] = None

    @classmethod
    def from_content(cls, content: Dict[str, Any]) -> "CellRequest":
        """Take a request's content; an option of the wrong type counts as not given."""
        silent = content.get("silent") is True
        expressions = content.get("user_expressions")
        count = content.get("execution_count")
        cell_id = content.get("cell_id")
        return cls(
            code=content["code"],
            silent=silent,
            store_history=content.get("store_history", True) is not False and not silent,
            user_expressions=expressions if isinstance(expressions, dict) else {},
            allow_stdin=content.get("allow_stdin") is True,
            cell_id=cell_id if isinstance(cell_id, str) else None,
            execution_count=count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else None,
        )


class BaseShell(ABC):
    """Runs cells in one namespace. Built before the fork, so that a new interpreter has it at once.

    Attributes
    ----------
    module : ModuleType
        The cells' ``__main__``.
    interrupted : bool
        Set when a suspended cell was cancelled by an interrupt: its `CancelledError` is a `KeyboardInterrupt`.
    """

    module: ModuleType
    interrupted: bool = False

    @abstractmethod
    def activate(self, services: Services) -> None:
        """Take up work in the forked interpreter."""

    def open_beside(self, services: Services) -> None:  # noqa: B027 - a shell without magics has none of these either
        """Give cells ``%sandbox``, which the host serves."""

    @abstractmethod
    async def run(self, request: CellRequest) -> Dict[str, Any]:
        """Run a cell; gives the content of its ``execute_reply`` without ``reason`` and times."""

    @abstractmethod
    def complete(self, code: str, cursor_pos: int) -> Dict[str, Any]:
        """Content of a ``complete_reply``."""

    @abstractmethod
    def inspect(self, code: str, cursor_pos: int, detail_level: int, omit_sections: List[str]) -> Dict[str, Any]:
        """Content of an ``inspect_reply``."""

    @abstractmethod
    def is_complete(self, code: str) -> Tuple[str, str]:
        """Status and indent of an ``is_complete_reply``."""

    @abstractmethod
    def show_exception(self) -> None:
        """Send the exception that is being handled as an ``error`` event."""
