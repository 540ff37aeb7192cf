"""Every error this package raises, in one tree.

::

    HopxKernelError
    ├── SandboxError                  something about the isolated place
    │   ├── SandboxStartError         it did not start; says the cause and the remedy
    │   ├── SandboxLostError          it went away before its work was answered
    │   └── SandboxTimeoutError       a deadline passed (a TimeoutError too)
    ├── ProtocolError                 something about the bytes between host and runner
    │   ├── LocalProtocolError        our side asked for something illegal
    │   └── RemoteProtocolError       the peer sent something illegal
    └── RemoteExecutionError          the code in the sandbox raised

Bad configuration is a ``traitlets.TraitError`` and a bad magic line an
``IPython.core.error.UsageError``, as their libraries have it. Every error here survives pickling.

This module imports nothing of the package.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "HopxKernelError",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteExecutionError",
    "RemoteProtocolError",
    "SandboxError",
    "SandboxLostError",
    "SandboxStartError",
    "SandboxTimeoutError",
]


#: Controls but for tabs and line ends, and what turns the direction of writing around.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class HopxKernelError(Exception):
    """Base of all errors of this package.

    What came from a sandbox stands in the fields as it is. The text goes to logs and terminals, and has no character in
    it that acts there.
    """

    def __str__(self) -> str:
        return _CONTROLS.sub("\ufffd", self._text())

    def _text(self) -> str:
        return super().__str__()


class SandboxError(HopxKernelError):
    """A sandbox could not do what was asked of it."""


class SandboxStartError(SandboxError):
    """A sandbox did not start.

    Parameters
    ----------
    cause : str
        What is wrong, in one sentence.
    remedy : str
        What the person can do about it; may hold several lines.
    """

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy

    def _text(self) -> str:
        return f"{self.cause}\n{self.remedy}" if self.remedy else self.cause


class SandboxLostError(SandboxError):
    """A sandbox, or its byte stream, ended before the work in it was answered."""


class SandboxTimeoutError(SandboxError, TimeoutError):
    """A deadline passed.

    Parameters
    ----------
    message : str
        What took too long, with the deadline in seconds.
    output : str
        What was written until then.
    alive : bool
        Whether the sandbox can still be used.
    """

    def __init__(self, message: str, output: str = "", alive: bool = True) -> None:
        super().__init__(message, output, alive)
        self.output = output
        self.alive = alive

    def _text(self) -> str:
        return str(self.args[0])


class ProtocolError(HopxKernelError):
    """Host and runner do not understand each other."""


class LocalProtocolError(ProtocolError):
    """This side tried to send something that the protocol does not allow: a bug here, or a value too large."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow."""


class RemoteExecutionError(HopxKernelError):
    """The code in the sandbox raised. The fields are those of the Jupyter ``error`` message.

    Parameters
    ----------
    ename, evalue : str
        The exception's class name and its text.
    traceback : list of str
        Formatted lines, with ANSI colours.
    """

    def __init__(self, ename: str, evalue: str, traceback: list[str] | None = None) -> None:
        super().__init__(ename, evalue, traceback or [])
        self.ename = ename
        self.evalue = evalue
        self.traceback: list[str] = traceback or []

    def _text(self) -> str:
        return f"{self.ename}: {self.evalue}"

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> RemoteExecutionError:
        """Build one from the content of an ``error`` message or of an ``execute_reply`` with status ``error``."""
        lines = content.get("traceback") or []
        return cls(str(content.get("ename", "")), str(content.get("evalue", "")), [str(line) for line in lines])
