"""A Jupyter kernel whose cells run in a disposable, isolated sandbox.

``from hopx_kernel import Sandbox`` drives sandboxes from programs, ``%load_ext hopx_kernel`` adds ``%%sandbox`` to an
ordinary IPython. Nothing is imported before it is used: a kernel starts its sandbox first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        HopxKernelError,
        RemoteExecutionError,
        SandboxError,
        SandboxLostError,
        SandboxStartError,
        SandboxTimeoutError,
    )
    from .library.sandbox import Sandbox
    from .magics import load_ipython_extension, unload_ipython_extension

__all__ = [
    "HopxKernelError",
    "RemoteExecutionError",
    "Sandbox",
    "SandboxError",
    "SandboxLostError",
    "SandboxStartError",
    "SandboxTimeoutError",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_MODULES = {name: "errors" for name in __all__ if name.endswith("Error")} | {
    "Sandbox": "library.sandbox",
    "load_ipython_extension": "magics",
    "unload_ipython_extension": "magics",
    "__version__": "_version",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
