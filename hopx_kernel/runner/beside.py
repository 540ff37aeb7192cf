"""``%sandbox`` in the sandbox: the host makes other sandboxes beside this one, and runs code there.

Small, since every interpreter has it; what a use of the magic needs is imported with the first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, Optional

from ..protocol.messages import Message
from . import stand_in
from .services import Services

if TYPE_CHECKING:
    from .beside_use import Use

__all__ = ["Beside"]


class Beside:
    """The magics' side of an interpreter.

    Parameters
    ----------
    services : Services
        The way to the host.
    shell : InteractiveShell
        Whose variables are meant.
    """

    def __init__(self, services: Services, shell: Any) -> None:
        self._services = services
        self._shell = shell
        self._uses: Dict[str, Use] = {}
        self._pid = os.getpid()
        self._install()

    def _install(self) -> None:
        def sandbox(line: str, cell: Optional[str] = None) -> Any:
            """Run code in a sandbox beside this one. ``%sandbox --help`` says more."""
            return self._run_magic(line, cell)

        for kind in ("line", "cell"):
            self._shell.register_magic_function(sandbox, kind, "sandbox")
        stand_in.offer()
        manager = self._shell.extension_manager
        load = manager.load_extension
        # Cells that were written for an ordinary IPython load the magics, whether or not the package is in here.
        manager.load_extension = lambda name: None if name == "hopx_kernel" else load(name)

    def take(self, message: Message) -> None:
        """Hand over a message of the host; called by the thread that reads requests."""
        use = self._uses.get(message.content["magic_id"])
        if use is not None:
            use.messages.put(message)

    def _run_magic(self, line: str, cell: Optional[str]) -> Any:
        from .beside_use import Use

        if os.getpid() != self._pid:
            raise RuntimeError("%sandbox works in the interpreter itself, not in a child that it has forked")
        use = Use(self._services, self._shell, self._uses.pop)
        self._uses[use.magic_id] = use
        content = {
            "line": line,
            "cell": cell,
            "allow_stdin": self._services.allow_stdin,
            "execution_count": self._shell.displayhook.prompt_count,
        }
        return use.serve(content)
