"""Starts the first sandbox before the options are read, where there are none to read.

Reading options means importing traitlets, and a kernel waits for its sandbox. So this module imports neither, and is
used before anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import SandboxStartError
from ..option_sources import ARGUMENT_PREFIX, VARIABLE_PREFIX, option_files
from ..protocol import RunnerOptions
from ..sandboxes.options import SandboxOptions

if TYPE_CHECKING:
    from ..sandboxes.spawn import Spawned

__all__ = ["default_runner_options", "is_configured", "prestart"]


def prestart(argv: Sequence[str], environ: Mapping[str, str]) -> Spawned | None:
    """Start a sandbox with the default options, without waiting for it.

    None where any option is set, and where it does not start: whoever makes the sandbox then tells why.
    """
    if is_configured(argv, environ):
        return None
    from ..sandboxes.spawn import spawn

    options = SandboxOptions()
    try:
        return spawn(options, default_runner_options(options))
    except (SandboxStartError, OSError, ValueError):
        return None


def is_configured(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether any option may have another value than its default."""
    return (
        any(name.startswith(VARIABLE_PREFIX) for name in environ)
        or any(argument.startswith(ARGUMENT_PREFIX) for argument in argv)
        or any(True for _ in option_files())
    )


def default_runner_options(options: SandboxOptions) -> RunnerOptions:
    """What a runner is told in a sandbox with these options, everything else being as it is by default."""
    return RunnerOptions(
        memory_bytes=options.memory_bytes,
        processes=options.processes,
        open_files=options.open_files,
        disk_bytes=options.disk_bytes,
        start_timeout_seconds=options.start_timeout_seconds,
        beside=True,
    )
