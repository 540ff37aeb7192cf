"""``%load_ext hopx_kernel``: one cell in a sandbox, from an ordinary IPython.

The surface only: what a line says (`arguments`), which sandboxes there are (`registry`), what a line does (`commands`)
whatever door it came in by (`door`), and the door of an ordinary IPython (`surface`, and `view` for a run's output).
Sandboxes, runs and values are the library's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .surface import SandboxMagics

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_loaded: dict[int, SandboxMagics] = {}


def load_ipython_extension(shell: Any) -> None:
    """Add ``%sandbox`` and ``%%sandbox`` to an IPython shell, with their completion."""
    from .completion import complete
    from .surface import SandboxMagics

    magics = _loaded[id(shell)] = SandboxMagics(shell)
    shell.register_magics(magics)
    for name in ("%sandbox", "%%sandbox"):
        shell.set_hook("complete_command", lambda shell, event: complete(magics.registry, shell, event), str_key=name)


def unload_ipython_extension(shell: Any) -> None:
    """Kill the shell's sandboxes and take the magics away."""
    magics = _loaded.pop(id(shell), None)
    if magics is not None:
        magics.kill_all()
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("sandbox", None)
        for name in ("%sandbox", "%%sandbox"):
            shell.strdispatchers["complete_command"].strs.pop(name, None)
