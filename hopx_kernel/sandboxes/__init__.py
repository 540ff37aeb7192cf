"""Kinds of sandboxes, by name. Importing this package imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from .options import SandboxOptions

if TYPE_CHECKING:
    from .base import BaseSandbox

__all__ = ["KINDS", "SandboxOptions", "check_kind", "create", "is_isolated"]

#: Each kind's class as ``module:class``, imported when it is asked for. Other packages may add to it.
KINDS: dict[str, str] = {
    "local": "hopx_kernel.sandboxes.local:LocalSandbox",
    "process": "hopx_kernel.sandboxes.process:ProcessSandbox",
}


def check_kind(kind: str) -> str:
    """A kind's name as it is. Raises `ValueError` for one that there is not."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of sandbox {kind!r}; known are: {', '.join(sorted(KINDS))}")
    return kind


def is_isolated(kind: str) -> bool:
    """Whether a kind keeps its code from the host: what its class says, and nothing else. Raises as `create`."""
    return _find(kind).isolated


def create(kind: str, options: SandboxOptions | None = None) -> BaseSandbox:
    """A sandbox of a kind, not started yet.

    Raises `ValueError` for an unknown kind, and `ImportError` where a kind's own dependency is not installed.
    """
    make: Callable[[SandboxOptions], BaseSandbox] = _find(
        kind
    )  # each kind takes them, though the base class takes none
    return make(options or SandboxOptions())


def _find(kind: str) -> type[BaseSandbox]:
    module, _, name = KINDS[check_kind(kind)].partition(":")
    found: type[BaseSandbox] = getattr(import_module(module), name)
    return found
