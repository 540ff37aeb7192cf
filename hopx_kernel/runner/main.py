"""The runner's start: take the streams, greet the host, import IPython, fork the interpreter, serve."""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
from typing import Callable, List

from ..protocol.options import RunnerOptions
from .base_shell import BaseShell
from .host_link import HostLink, last_words, take_standard_streams
from .protection import adopt_orphans, give_way, set_reachable
from .supervisor import Supervisor
from .text_memory import TextMemory

__all__ = ["main"]

#: What the start imports, a step at a time so that the supervisor can answer in between. All of it before the fork:
#: interpreters then share it, and do not wait for it.
_STEPS = (
    "asyncio",
    "traitlets.config",
    "IPython.core.inputtransformer2",
    "IPython.core.interactiveshell",
    # IPython imports this one with the first cell, and the comms use the other; a sandbox may have no `comm`.
    "IPython.core.logger",
    "comm.base_comm",
)


def main(argv: List[str]) -> None:
    """Run the runner. Never returns.

    ``argv[1]`` is a `RunnerOptions` as JSON; ``argv[2]``, where there is one, the descriptor of a file in memory that is
    the `TextMemory`, for the host to read when nobody else is there.
    """
    try:
        options = RunnerOptions.from_json(argv[1])
    except (IndexError, ValueError, TypeError) as exc:
        last_words(f"The runner's options cannot be read: {exc}\n")
        os._exit(2)
    try:
        link = HostLink(*take_standard_streams())
        adopt_orphans()
        give_way(500)  # before the sandbox's first process, with which all ends, and after the interpreter
        set_reachable(False)
        supervisor = Supervisor(link, options, open_memory(argv[2:]))
        supervisor.ipython_version = find_ipython_version()
        shell = _build_shell(supervisor.serve_briefly, bool(supervisor.ipython_version))
        from . import progress_adapters, progress_track  # noqa: F401  before the fork: the file may be deleted later
        from .interpreter import Interpreter

        supervisor.serve(lambda sock, fds, page, text: Interpreter(sock, fds, page, text, options, shell).run())
    except BaseException:
        import traceback

        last_words(traceback.format_exc())
        os._exit(1)


def open_memory(arguments: List[str]) -> TextMemory:
    """The memory that the host has given, else one of this process's own. Raises `ValueError` and `OSError`."""
    if not arguments:
        return TextMemory()
    fd = int(arguments[0])
    try:
        return TextMemory(fd)
    finally:
        os.close(fd)


def _build_shell(breathe: Callable[[], None], has_ipython: bool) -> BaseShell:
    breathe()
    for name in _STEPS if has_ipython else ():
        try:
            importlib.import_module(name)
        except Exception:
            break  # the next import tells what is wrong
        breathe()
    if has_ipython:
        try:
            from .shell import IPythonShell

            return IPythonShell()
        except Exception:
            import traceback

            last_words("IPython cannot be used, so plain Python runs the cells:\n" + traceback.format_exc())
    from .plain_shell import PlainShell

    return PlainShell()


def find_ipython_version() -> str:
    """The installed IPython's version without importing it; ``""`` when there is none."""
    try:
        spec = importlib.machinery.PathFinder.find_spec("IPython", sys.path)
        if spec is None or not spec.submodule_search_locations:
            return ""
        release = importlib.machinery.PathFinder.find_spec("release", [spec.submodule_search_locations[0] + "/core"])
        if release is None or release.loader is None:
            return ""
        namespace: dict[str, object] = {}
        code = release.loader.get_code("release")  # type: ignore[attr-defined]
        exec(code, namespace)
        return str(namespace["version"])
    except Exception:
        return ""
