"""Makes sandboxes from the options; the first one before anything heavy is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import HopxConfig
from ..errors import SandboxStartError

if TYPE_CHECKING:
    from ..sandboxes.base import BaseSandbox
    from ..sandboxes.spawn import Spawned

__all__ = ["Launcher"]


class Launcher:
    """Makes the kernel's sandboxes.

    Parameters
    ----------
    options : HopxConfig
        The options.
    error : SandboxStartError, optional
        Why none can be made; raised for every one that is asked for.
    spawned : Spawned, optional
        The first sandbox, where it was started before the options were read.
    """

    def __init__(
        self, options: HopxConfig, error: SandboxStartError | None = None, spawned: Spawned | None = None
    ) -> None:
        self._options = options
        self._error = error
        self._spawned = spawned

    def prestart(self) -> None:
        """Start the first sandbox without waiting for it. An error is kept for `make_sandbox`."""
        if self._spawned is not None or self._options.kind != "local":
            return
        from ..sandboxes.spawn import spawn

        try:
            self._spawned = spawn(self._options.sandbox_options(), self._options.runner_options())
        except (SandboxStartError, OSError, ValueError):
            self._spawned = None  # tried again for the first cell, which then tells why

    def make_sandbox(self) -> BaseSandbox:
        """The sandbox that was started first, and each later time a new one.

        Raises `SandboxStartError`, `ValueError` or `ImportError`, each saying what to change.
        """
        if self._error is not None:
            raise self._error
        spawned, self._spawned = self._spawned, None
        if spawned is not None:
            from ..sandboxes.local import LocalSandbox

            return LocalSandbox.adopt(spawned)
        from ..sandboxes import create

        return create(self._options.kind, self._options.sandbox_options())
