"""What a kernel does beside running cells when Voilà has started it: swallow a cell, and guard the page."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import anyio.to_thread

from .output import Publisher
from .requests import ExecuteRequest, Request

if TYPE_CHECKING:
    from ..progress.view.page_guard import PageGuard

__all__ = ["VoilaPage"]

#: Before a notebook Voilà runs this cell on every kernel whose language is Python, to tell the code about the kernel
#: and the visit. All of it is the host's.
_ENVIRONMENT_CELL = re.compile(
    r"""\s*import\ os\s+
    (?:os\.environ\["(?:VOILA_[A-Z_]+|SCRIPT_NAME|PATH_INFO|QUERY_STRING|SERVER_[A-Z]+|HTTP_[A-Z0-9_]+)"\]
    \s*=\s*"[^"\\\n]*"\s*)+""",
    re.VERBOSE,
)


class VoilaPage:
    """The page that a kernel of Voilà's is for. Does nothing for other kernels.

    Parameters
    ----------
    publisher : Publisher
        The iopub channel.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._guard: PageGuard | None = None
        self._is_wanted = False

    def swallows(self, fields: ExecuteRequest) -> bool:
        """Whether a cell is the one by which Voilà would put the host's data into the sandbox."""
        if fields.store_history or not _ENVIRONMENT_CELL.fullmatch(fields.code):
            return False
        self._is_wanted = True
        return True

    async def show(self, request: Request) -> None:
        """Put the guard into the first output of the notebook."""
        if not self._is_wanted:
            return
        self._is_wanted = False
        try:
            module = await anyio.to_thread.run_sync(importlib.import_module, "hopx_kernel.progress.view.page_guard")
        except ImportError:  # no anywidget in this environment: the page does without
            return
        self._publisher.set_parent(request.idents, request.message)
        self._guard = module.PageGuard()
        content = {"data": self._guard.bundle(), "metadata": {}, "transient": {}}
        self._publisher.publish("display_data", content, request.message)

    def tell(self, message: str) -> None:
        """Show a message on the page, if there is one."""
        if self._guard is not None:
            self._guard.tell(message)
