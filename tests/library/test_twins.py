"""Every method that waits has a twin for ``await``."""

from __future__ import annotations

import inspect

import pytest

from hopx_kernel import Sandbox
from hopx_kernel.library.commands import Commands
from hopx_kernel.library.files import Files
from hopx_kernel.library.runs import SandboxRun, SandboxSession
from hopx_kernel.library.streams import CommandStream

#: What says something, or starts something, and waits for nothing.
AT_ONCE = {"session", "execute", "raise_for_error"}


@pytest.mark.parametrize("cls", [Sandbox, Files, Commands, SandboxSession, SandboxRun])
def test_every_method_that_waits_has_a_twin(cls: type) -> None:
    methods = dict(inspect.getmembers(cls, inspect.isroutine))
    blocking = {name for name in methods if name[0] != "_" and name != "aclose" and not name.endswith("_async")}
    assert blocking - AT_ONCE
    for name in blocking - AT_ONCE:
        twin = methods["aclose" if name == "close" else f"{name}_async"]
        assert inspect.iscoroutinefunction(twin) or twin is Commands.stream_async, name
        assert name == "close" or list(inspect.signature(twin).parameters) == list(
            inspect.signature(methods[name]).parameters
        )


def test_streams_and_runs_are_for_async_for_too() -> None:
    for cls in (CommandStream, SandboxRun):
        assert hasattr(cls, "__iter__") and hasattr(cls, "__aiter__")
