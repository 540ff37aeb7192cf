"""`Sandbox`, the door for programs: an isolated place with commands, files and interpreters.

Every method that waits comes in two forms, blocking and ``..._async``; both run the same code in the library's own
loop (`bridge`), so a sandbox belongs to no thread and to no event loop.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from ..errors import SandboxStartError
from ..sandboxes import SandboxOptions
from ..sandboxes import create as create_base_sandbox
from . import bridge
from .blocks import BothBlocks
from .checks import checked_environment
from .commands import Commands
from .files import Files
from .owner import SandboxOwner

if TYPE_CHECKING:
    from .runs import EventHandler, SandboxSession

__all__ = ["Sandbox"]

DEFAULT_TEMPLATE = "code-interpreter"
DEFAULT_KIND = "local"


class Sandbox(BothBlocks):
    """A sandbox that runs. Make one with `create` or `create_async`, and end it with `kill` or a ``with`` block.

    What is still alive when the program ends, however it ends, dies with it; what is thrown away is killed.

    Attributes
    ----------
    commands : Commands
        Run and stream commands.
    files : Files
        Read, write, list, upload and download.
    """

    def __init__(self, owner: SandboxOwner) -> None:
        self._owner = owner
        self.commands = Commands(self)
        self.files = Files(self)
        # Streams and sessions hold this object, so it goes when nobody can use the sandbox any more.
        weakref.finalize(self, bridge.start, owner.kill).atexit = False

    @classmethod
    def create(
        cls,
        template: str = DEFAULT_TEMPLATE,
        *,
        kind: str = DEFAULT_KIND,
        env: Mapping[str, str] | None = None,
        network: bool = False,
        **options: Any,
    ) -> Sandbox:
        """Start a sandbox.

        Parameters
        ----------
        template : str
            What is in it. A sandbox on this computer has one, ``code-interpreter``: the system and Python here.
        kind : str
            ``local`` (bubblewrap) or another of `hopx_kernel.sandboxes.KINDS`; ``process`` isolates nothing.
        env : mapping of str, optional
            Environment variables of every process in it.
        network : bool
            Whether it has the network.
        **options
            The other fields of `hopx_kernel.sandboxes.SandboxOptions`: interpreter and limits.

        Raises
        ------
        SandboxStartError
            With the cause and the remedy.
        """
        sandbox = cls._make(template, kind, env, network, **options)
        bridge.call(sandbox._owner.open)
        return sandbox

    @classmethod
    async def create_async(
        cls,
        template: str = DEFAULT_TEMPLATE,
        *,
        kind: str = DEFAULT_KIND,
        env: Mapping[str, str] | None = None,
        network: bool = False,
        **options: Any,
    ) -> Sandbox:
        """As `create`."""
        sandbox = cls._make(template, kind, env, network, **options)
        await bridge.call_async(sandbox._owner.open)
        return sandbox

    @classmethod
    def _make(cls, template: str, kind: str, env: Mapping[str, str] | None, network: bool, **options: Any) -> Sandbox:
        """One that is not open yet."""
        return cls(_make_owner(template, kind, env, network, options))

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self._owner.sandbox.kind

    @property
    def is_isolated(self) -> bool:
        """Whether code in it is kept from this computer."""
        return self._owner.sandbox.isolated

    @property
    def has_network(self) -> bool:
        """Whether code in it was given the network."""
        options = getattr(self._owner.sandbox, "options", None)
        return bool(getattr(options, "network", False))

    @property
    def is_alive(self) -> bool:
        """Whether it can still be used, as far as is known without asking it."""
        return self._owner.is_alive

    def session(
        self, *, env: Mapping[str, str] | None = None, on_late_event: EventHandler | None = None
    ) -> SandboxSession:
        """An interpreter in the sandbox that keeps its variables; it starts with its first use.

        Parameters
        ----------
        env : mapping of str, optional
            Environment variables of the interpreter.
        on_late_event : async callable, optional
            Called, in the library's loop, with each event that comes after its run has ended: output of threads and
            tasks. What it raises is logged.
        """
        from .runs import SandboxSession

        return SandboxSession(self, env=env, on_late_event=on_late_event)

    def kill(self) -> None:
        """End the sandbox with everything in it, and wait until it is gone. Does nothing when it is over already."""
        bridge.call(self._owner.kill)

    async def kill_async(self) -> None:
        """As `kill`; goes through also when the caller is being cancelled."""
        with anyio.CancelScope(shield=True):
            await bridge.call_async(self._owner.kill)

    #: What leaving a block does.
    close, aclose = kill, kill_async

    def __repr__(self) -> str:
        isolation = "" if self.is_isolated else ", not isolated"
        return f"<Sandbox of kind {self.kind}{isolation}, {'alive' if self.is_alive else 'over'}>"


def _make_owner(
    template: str, kind: str, env: Mapping[str, str] | None, network: bool, options: dict[str, Any]
) -> SandboxOwner:
    known = {field.name for field in dataclasses.fields(SandboxOptions)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise TypeError(f"a sandbox has no option {unknown[0]!r}; it has: {', '.join(sorted(known))}")
    if "template" in known:
        options["template"] = template
    elif template != DEFAULT_TEMPLATE:
        raise SandboxStartError(
            f"A sandbox of kind {kind!r} has no template {template!r}.",
            f"Its only one is {DEFAULT_TEMPLATE!r}: the system and the Python of this computer. For other packages set "
            "`environment` to the directory of a virtual environment.",
        )
    return SandboxOwner(
        create_base_sandbox(kind, SandboxOptions(env=checked_environment(env), network=network, **options))
    )
