"""What each request is answered with: contents of replies, without the channels they go out on.

Runs in the main loop only, and never waits for a cell: what asks the interpreter is answered while one runs.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import sys
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from .._version import __version__
from ..config import HopxConfig
from ..errors import HopxKernelError
from ..sandboxes import is_isolated
from ..session import Session
from .comms import Comms
from .execution import Cells
from .history import History
from .output import Publisher
from .requests import MalformedRequestError, Request, error_content
from .wire import PROTOCOL_VERSION

__all__ = ["Answers", "kernel_info"]

_log = logging.getLogger(__name__)

Answer = Callable[["Answers", Request], Awaitable["dict[str, Any] | None"]]

HELP_LINKS = [
    {"text": "Python Reference", "url": f"https://docs.python.org/{platform.python_version()[:4].rstrip('.')}"},
    {"text": "IPython Reference", "url": "https://ipython.org/documentation.html"},
    {"text": "HopX Reference", "url": "https://docs.hopx.ai"},
]


def language_info(session: Session | None) -> dict[str, Any]:
    """Python, in the sandbox's version once that is known, until then in this process's."""
    version = session.runner_info.get("python_version") if session is not None else None
    if not isinstance(version, str):
        version = ".".join(map(str, sys.version_info[:3]))
    return {
        "name": "python",
        "version": version,
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": 3},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }


def kernel_info(session: Session | None, options: HopxConfig) -> dict[str, Any]:
    """The content of a ``kernel_info_reply``, without its status; never waits for the sandbox."""
    language = language_info(session)
    place = f"in a {options.kind} sandbox" if is_isolated(options.kind) else f"in a {options.kind}: not isolated"
    return {
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "hopx_kernel",
        "implementation_version": __version__,
        "language_info": language,
        "banner": f"Python {language['version']} {place} (hopx_kernel {__version__})",
        "help_links": HELP_LINKS,
        "debugger": False,
        "supported_features": ["kernel subshells"],
    }


class Answers:
    """Answers requests.

    Parameters
    ----------
    cells : Cells
        Runs cells and asks the interpreter.
    comms : Comms
        Takes comm messages.
    history : History
        What was typed.
    publisher : Publisher
        The iopub channel.
    options : HopxConfig
        The options.
    ports : dict
        The channels' ports, by the channels' names.
    """

    def __init__(
        self,
        cells: Cells,
        comms: Comms,
        history: History,
        publisher: Publisher,
        options: HopxConfig,
        ports: dict[str, Any],
    ) -> None:
        self._cells = cells
        self._comms = comms
        self._history = history
        self._publisher = publisher
        self._options = options
        self._ports = ports

    async def answer(self, request: Request) -> dict[str, Any] | None:
        """The content of the reply, of whatever kind; None for a message that has none. Never raises."""
        handler = self._TABLE.get(request.msg_type)
        try:
            request.check()
            if handler is None:
                if not request.msg_type.endswith("_request"):
                    _log.warning("A message of the unknown type %.80r was thrown away", request.msg_type)
                    return None
                raise MalformedRequestError(f"this kernel does not know {request.msg_type[:80]!r}")
            return await handler(self, request)
        except (MalformedRequestError, HopxKernelError) as exc:
            _log.info("%.80s: %s", request.msg_type, exc)
            return error_content(exc) if request.msg_type.endswith("_request") else None
        except Exception as exc:  # noqa: BLE001 - a request that nobody answers hangs its front end
            _log.exception("%.80s failed", request.msg_type)
            return error_content(exc) if request.msg_type.endswith("_request") else None

    # ------------------------------------------------------------------ one each

    async def _kernel_info(self, _: Request) -> dict[str, Any]:
        return {"status": "ok", **kernel_info(self._cells.keeper.current, self._options)}

    async def _execute(self, request: Request) -> dict[str, Any]:
        return await self._cells.execute(request)

    async def _complete(self, request: Request) -> dict[str, Any]:
        code = request.get("code", str)
        position = request.get("cursor_pos", int, len(code))
        return await self._cells.complete(code, position)

    async def _inspect(self, request: Request) -> dict[str, Any]:
        code = request.get("code", str)
        content = {
            "code": code,
            "cursor_pos": request.get("cursor_pos", int, len(code)),
            "detail_level": request.get("detail_level", int, 0),
            "omit_sections": [str(section) for section in request.get("omit_sections", list, [])],
        }
        reply = await self._cells.request("inspect_request", content)
        if isinstance(reply.get("data"), dict):
            reply["data"], _ = self._cells.trust.bundle(reply["data"], {})
        return reply

    async def _is_complete(self, request: Request) -> dict[str, Any]:
        return await self._cells.request("is_complete_request", {"code": request.get("code", str)})

    async def _list_history(self, request: Request) -> dict[str, Any]:
        content = {"output": False, "raw": True, **request.content}
        request.get("hist_access_type", str)
        try:
            entries = await asyncio.wrap_future(self._history.request(content))
        except (ValueError, TypeError, KeyError, OverflowError) as exc:
            raise MalformedRequestError(f"history_request: {exc}") from exc
        except TimeoutError as exc:  # another program holds the file
            return error_content(exc)
        return {"status": "ok", "history": entries}

    async def _comm_info(self, request: Request) -> dict[str, Any]:
        target: str | None = request.get("target_name", (str, type(None)), None)
        return {"status": "ok", "comms": self._comms.info(target)}

    async def _connect(self, _: Request) -> dict[str, Any]:
        return {"status": "ok", **{f"{name}_port": port for name, port in self._ports.items()}}

    async def _interrupt(self, request: Request) -> dict[str, Any]:
        return await self._cells.interrupt(self._cells.arrivals.take_target(request.msg_id))

    async def _shutdown(self, request: Request) -> dict[str, Any]:
        restart = request.get("restart", bool, False)
        content = {"status": "ok", "restart": restart}
        await self._cells.close()
        self._publisher.publish("shutdown_reply", content, request.message)
        return content

    async def _comm_open(self, request: Request) -> None:
        await self._comms.comm_open(request)

    async def _comm_msg(self, request: Request) -> None:
        await self._comms.comm_msg(request)

    async def _comm_close(self, request: Request) -> None:
        await self._comms.comm_close(request)

    _TABLE: ClassVar[dict[str, Answer]] = {
        "execute_request": _execute,
        "complete_request": _complete,
        "inspect_request": _inspect,
        "is_complete_request": _is_complete,
        "history_request": _list_history,
        "kernel_info_request": _kernel_info,
        "comm_info_request": _comm_info,
        "connect_request": _connect,
        "interrupt_request": _interrupt,
        "shutdown_request": _shutdown,
        "comm_open": _comm_open,
        "comm_msg": _comm_msg,
        "comm_close": _comm_close,
    }
