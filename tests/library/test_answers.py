"""Code in a sandbox against whoever answers there for the host: it is stopped, or something else is said in its place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hopx_kernel import Sandbox
from hopx_kernel.errors import SandboxError, SandboxTimeoutError
from hopx_kernel.library import conversation
from hopx_kernel.library.files import FileEntry, _entries

#: Stops every process that answers a question about files as soon as it is there.
ATTACK = r"""
import os, signal
print("up", flush=True)
while True:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if b"\0-I\0-S\0-c\0" in file.read():
                    os.kill(int(name), signal.SIGSTOP)
        except OSError:
            pass
"""

#: How many questions are asked at most until one of them was caught.
TRIES = 500


@contextmanager
def attack(sandbox: Sandbox) -> Iterator[None]:
    """Have it going on."""
    with sandbox.commands.stream(["python", "-c", ATTACK]) as lines:
        output = iter(lines)
        assert next(output) == "up"
        yield


def test_question_that_nobody_answers_any_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "STALL_SECONDS", 2.0)
    with Sandbox.create() as sandbox:
        with attack(sandbox):
            for ask in (sandbox.files.list, sandbox.files.exists, sandbox.files.remove):
                with pytest.raises(SandboxTimeoutError, match="nothing has come from the sandbox for 2 s"):
                    for _ in range(TRIES):
                        sandbox.files.write("/workspace/a", "x")
                        ask("/workspace/a" if ask == sandbox.files.remove else "/workspace")
        assert sandbox.files.exists("/workspace")


GOOD: list[Any] = ["name", 0o100644, 1, 0.5]


@pytest.mark.parametrize(
    ("index", "value"),
    [
        *((0, name) for name in ("", ".", "..", "a/b", "/a", "../a", "a\0b", 1, None, ["a"])),
        *((1, mode) for mode in (-1, 0.5, True, "0", None)),
        *((2, size) for size in (-1, 0.5, True, "1", None)),
        *((3, time) for time in (math.nan, math.inf, 10**400, "0", None)),
    ],
)
def test_entry_that_no_directory_has_is_refused(index: int, value: object) -> None:
    row = [*GOOD]
    row[index] = value
    with pytest.raises(SandboxError, match="makes no sense"):
        _entries("/workspace", [GOOD, row])


def test_rows_of_another_length_are_refused() -> None:
    for rows in ([GOOD[:3]], [[*GOOD, 1]], [1], 1, {"a": 1}, None):
        with pytest.raises(SandboxError, match="makes no sense"):
            _entries("/workspace", rows)


def test_odd_names_are_names() -> None:
    names = ["a\nb", "\udcff", "\x1b[31m", "...", "x" * 255]
    found = _entries("/workspace", [[name, *GOOD[1:]] for name in names])
    assert found == [FileEntry(name, f"/workspace/{name}", 1, 0.5, 0o100644) for name in names]
