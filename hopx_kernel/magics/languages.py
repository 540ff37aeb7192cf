"""Cells that are not Python: a file in the sandbox, run by a program there as a child of the interpreter.

As its child, its output, progress markers, deadline and interrupt go the way of any cell.
"""

from __future__ import annotations

import uuid
from typing import Any

from ..errors import RemoteExecutionError
from ..library.sandbox import Sandbox
from .registry import Call

__all__ = ["explain", "write_program"]

_DIRECTORY = "/tmp/.hopx/cells"
_PROGRAMS = {"bash": ("bash", ".sh"), "javascript": ("node", ".js")}


def write_program(sandbox: Sandbox, language: str, cell: str, call: Call) -> str:
    """Put the cell into a file of the sandbox; gives the Python that runs it."""
    program, suffix = _PROGRAMS[language]
    path = f"{_DIRECTORY}/{uuid.uuid4().hex}{suffix}"
    call(sandbox.files._write, path, cell)
    return f"__import__('subprocess').run([{program!r}, {path!r}], check=True)\nNone"


def explain(language: str, error: RemoteExecutionError) -> RemoteExecutionError:
    """The error of the child, without the Python around it."""
    program = _PROGRAMS[language][0]
    text: Any = None
    if error.ename == "CalledProcessError":
        text = f"{program} ended with {error.evalue.partition('returned non-zero ')[2] or error.evalue}"
        if "died with" in error.evalue:
            text = f"{program} died with{error.evalue.partition('died with')[2]}"
    elif error.ename == "FileNotFoundError" and program in error.evalue:
        text = f"the sandbox has no {program}, which --language {language} needs; install it, or use a template with it"
    return error if text is None else RemoteExecutionError(error.ename, text, [f"{error.ename}: {text}"])
