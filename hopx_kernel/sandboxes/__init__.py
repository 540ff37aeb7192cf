"""Kinds of sandboxes, by name. Importing this package imports none of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .options import SandboxOptions

if TYPE_CHECKING:
    from .base import BaseSandbox

__all__ = ["KINDS", "SandboxOptions", "create"]

#: Each kind's class as ``module:class``, imported when it is asked for. Other packages may add to it.
KINDS: dict[str, str] = {
    "local": "hopx_kernel.sandboxes.local:LocalSandbox",
    "process": "hopx_kernel.sandboxes.process:ProcessSandbox",
}


def create(kind: str, options: SandboxOptions | None = None) -> BaseSandbox:
    """A sandbox of a kind, not started yet.

    Raises `ValueError` for an unknown kind, and `ImportError` where a kind's own dependency is not installed.
    """
    try:
        module, _, name = KINDS[kind].partition(":")
    except KeyError:
        raise ValueError(f"unknown kind of sandbox {kind!r}; known are: {', '.join(sorted(KINDS))}") from None
    sandbox: BaseSandbox = getattr(import_module(module), name)(options or SandboxOptions())
    return sandbox
