"""Jupyter requests as the kernel takes them: read, checked, and answered in the spec's words when they are malformed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["ExecuteRequest", "MalformedRequestError", "Request", "error_content"]

_T = TypeVar("_T")


class MalformedRequestError(ValueError):
    """A request lacks a key or has one of the wrong type."""


def error_content(exc: BaseException, evalue: str | None = None, ename: str | None = None) -> dict[str, Any]:
    """The content of a reply with status ``error``, and of the ``error`` message beside it."""
    ename, evalue = ename or type(exc).__name__, str(exc) if evalue is None else evalue
    traceback = [f"\x1b[31m{ename}\x1b[39m: {evalue}"]
    return {"status": "error", "ename": ename, "evalue": evalue, "traceback": traceback}


@dataclass(frozen=True)
class Request:
    """A request with the identities that its reply goes back to."""

    idents: list[bytes]
    message: dict[str, Any]

    @property
    def msg_type(self) -> str:
        """The request's type."""
        return str(self.message["header"]["msg_type"])

    @property
    def msg_id(self) -> str:
        """The request's id."""
        return str(self.message["header"]["msg_id"])

    @property
    def subshell_id(self) -> str | None:
        """The subshell that it is addressed to, None for the main shell."""
        subshell_id: str | None = self.message["header"].get("subshell_id")
        return subshell_id

    def check(self) -> None:
        """Raise `MalformedRequestError` where its content could not be read."""
        if (fault := self.message.get("fault")) is not None:
            raise MalformedRequestError(f"the content of {self.msg_type[:80]}: {fault}")

    @property
    def content(self) -> dict[str, Any]:
        """Its content; raises `MalformedRequestError` where that is not an object."""
        self.check()
        content = self.message["content"]
        if not isinstance(content, dict):
            raise MalformedRequestError(f"the content of {self.msg_type} must be an object")
        return content

    def envelope(self) -> Request:
        """The request without what it carried: enough to answer to, and small enough to remember."""
        kept: dict[str, Any] = {
            key: self.message[key] for key in ("header", "msg_id", "msg_type", "metadata") if key in self.message
        }
        return Request(self.idents, {**kept, "content": {}})

    def get(self, key: str, kind: type[_T] | tuple[type[_T], ...], default: Any = ...) -> _T:
        """A key of the content.

        Raises `MalformedRequestError` where it is missing and has no default, or has another type.
        """
        value = self.content.get(key)
        if value is None:
            value = default
        if value is ...:
            raise MalformedRequestError(f"{self.msg_type} lacks {key!r}")
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            expected = " or ".join(each.__name__ for each in kinds)
            raise MalformedRequestError(f"{self.msg_type}: {key!r} must be {expected}, not {type(value).__name__}")
        return value


@dataclass(frozen=True)
class ExecuteRequest:
    """The content of an ``execute_request``."""

    code: str
    silent: bool = False
    store_history: bool = True
    user_expressions: dict[str, str] = field(default_factory=dict)
    allow_stdin: bool = False
    stop_on_error: bool = True
    cell_id: str | None = None

    @classmethod
    def read(cls, request: Request) -> ExecuteRequest:
        """Read a request; raises `MalformedRequestError`."""
        silent = request.get("silent", bool, False)
        expressions = request.get("user_expressions", dict, {})
        if not all(isinstance(value, str) for value in expressions.values()):
            raise MalformedRequestError("execute_request: every one of 'user_expressions' must be str")
        metadata = request.message.get("metadata")
        cell_id = metadata.get("cellId") if isinstance(metadata, dict) else None
        return cls(
            code=request.get("code", str),
            silent=silent,
            store_history=request.get("store_history", bool, not silent) and not silent,
            user_expressions=expressions,
            allow_stdin=request.get("allow_stdin", bool, False),
            stop_on_error=request.get("stop_on_error", bool, True),
            cell_id=cell_id if isinstance(cell_id, str) else None,
        )
