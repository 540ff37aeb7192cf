"""IPython's `InteractiveShell` as the sandbox's shell. The only module that imports IPython at its top."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import tempfile
from asyncio import CancelledError
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple

from IPython.core import page, release
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.tokenutil import token_at_cursor
from traitlets import Any as AnyTrait
from traitlets import Instance, Type, default
from traitlets.config import Config

from . import limits, network, pip_magic
from .base_shell import BaseShell, CellRequest, error_content
from .beside import Beside
from .frames_of_ours import hide_own_frames, note_of_calls
from .ipython_display import SandboxDisplayHook, SandboxDisplayPublisher
from .jsonable import safe_str
from .kernel_facade import KernelFacade
from .page_magics import PageMagics
from .services import Services
from .system import run_command

__all__ = ["IPythonShell", "SandboxShell"]

#: Characters of a line that are completed at most: IPython takes half a second for so many, and for ten times as many a
#: hundred times as long, in which nothing else can run.
COMPLETED_LINE = 10_000


class SandboxShell(InteractiveShell):
    """The shell that cells see as ``get_ipython()``."""

    displayhook_class = Type(SandboxDisplayHook)
    display_pub_class = Type(SandboxDisplayPublisher)
    exiter = Instance(ZMQExitAutocall)
    kernel = AnyTrait()
    keepkernel_on_exit: Optional[bool] = None
    autoindent = False

    #: Set when the fork has happened; before, nothing can be sent.
    services: Optional[Services] = None
    last_traceback: Optional[List[str]] = None
    last_evalue: str = ""
    was_cancelled = False
    _has_room = False
    _note_of_calls = ""

    @default("exiter")
    def _exiter_default(self) -> ZMQExitAutocall:
        return ZMQExitAutocall(self)

    def init_environment(self) -> None:
        """Settings for children: colours, and no pager, since nobody could press its keys."""
        os.environ.update(
            TERM="xterm-color", CLICOLOR="1", FORCE_COLOR="1", CLICOLOR_FORCE="1", PAGER="cat", GIT_PAGER="cat"
        )
        if not network.has_network():
            os.environ.setdefault("PIP_RETRIES", "0")  # it would try for half a minute
        if importlib.util.find_spec("matplotlib_inline") is not None:
            os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")

    def init_virtualenv(self) -> None:
        """The sandbox's Python is the environment; no other is looked for."""

    def init_hooks(self) -> None:
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(self._page), 99)

    def _add_payload(self, payload: Dict[str, Any]) -> None:
        assert self.payload_manager is not None
        self.payload_manager.write_payload(payload)

    def _page(self, strg: Any, start: int = 0, screen_lines: int = 0, pager_cmd: Any = None) -> None:
        del screen_lines, pager_cmd  # a notebook's pager needs no telling
        data = strg if isinstance(strg, dict) else {"text/plain": strg}
        self._add_payload({"source": "page", "data": data, "start": max(0, start)})

    def ask_exit(self) -> None:
        """`exit` in a cell: the host is asked to end the kernel."""
        self._add_payload({"source": "ask_exit", "keepkernel": bool(self.keepkernel_on_exit)})

    def set_next_input(self, text: str, replace: bool = False) -> None:
        """Have the notebook put `text` into the next cell (``%load``, ``%recall``)."""
        self._add_payload({"source": "set_next_input", "text": text, "replace": replace})

    def enable_gui(self, gui: Optional[str] = None) -> None:
        """There is no screen in a sandbox; only asyncio's loop runs, and it always does."""
        if gui not in (None, "inline", "asyncio", "ipympl", "widget", "nbagg", "notebook"):
            raise UsageError(f"The sandbox has no screen, so there is no event loop {gui!r}")

    def system_piped(self, cmd: str) -> None:
        """``!cmd``: run a shell command, its output shown as it comes, its exit code in ``_exit_code``."""
        if cmd.rstrip().endswith("&"):
            raise OSError("Background processes not supported.")
        code = run_command(self.var_expand(cmd, depth=1))
        self.user_ns["_exit_code"] = code
        note = (
            limits.explain_command(code) or network.explain_command(cmd, code) or pip_magic.explain_command(cmd, code)
        )
        if note:
            sys.stderr.write(note + "\n")
        if getattr(self, "system_raise_on_error", False) and code != 0:
            from subprocess import CalledProcessError

            raise CalledProcessError(code, cmd)

    system = system_piped

    def get_parent(self) -> Dict[str, Any]:
        """The request that the caller works for, as a Jupyter message's header."""
        return self.kernel.get_parent() if self.kernel is not None else {}

    def set_parent(self, parent: Dict[str, Any]) -> None:
        """Make the caller work for another request, as `ipywidgets.Output` does."""
        if self.kernel is not None:
            self.kernel.set_parent(None, parent)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Raised limits for all that a run needs but the code itself: a cell that gives memory back has to begin first."""
        with limits.room():
            self._has_room = True
            try:
                yield
            finally:
                self._has_room = False

    async def run_code(self, code_obj: Any, result: Any = None, *, async_: bool = False) -> Any:
        """Run compiled code of the user's, which has no part in the raised limits."""
        if not self._has_room:  # it is called by the user's code
            return await super().run_code(code_obj, result, async_=async_)
        self._has_room = False
        try:
            with limits.without_room():
                return await super().run_code(code_obj, result, async_=async_)
        finally:
            self._has_room = True

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **options: Any) -> Any:
        """Show an exception; the cancellation by which an interrupt stops a suspended cell is a `KeyboardInterrupt`."""
        if exc_tuple is None and self.was_cancelled and isinstance(sys.exc_info()[1], CancelledError):
            cancelled = sys.exc_info()[1]
            assert cancelled is not None
            interrupt = KeyboardInterrupt().with_traceback(cancelled.__traceback__)
            exc_tuple = (KeyboardInterrupt, interrupt, cancelled.__traceback__)
        exc = exc_tuple[1] if exc_tuple is not None else sys.exc_info()[1]
        if self.services is not None:
            self.services.leave_if_forked(exc)
        if limits.limit_of(exc):
            self.displayhook.note_error(exc)  # type: ignore[attr-defined]
        self._note_of_calls = note_of_calls(hide_own_frames(exc))
        with limits.room():
            return super().showtraceback(exc_tuple, *args, **options)

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        lines = [stb] if isinstance(stb, str) else list(stb)
        text = safe_str(evalue)
        note = _note(evalue)
        if self._note_of_calls:
            lines.append(self._note_of_calls)
        if note:
            lines.append(note)
            text = f"{text}\n{note}" if text else note
        content = error_content(etype.__name__, text, lines)
        self.last_traceback, self.last_evalue = content["traceback"], content["evalue"]
        if self.services is not None:
            self.services.emit("error", content)

    def show_usage_error(self, exc: Any) -> None:
        """Show a magic's wrong use as IPython does: by one line on stderr, and not as an ``error`` too."""
        super().show_usage_error(exc)
        content = error_content("UsageError", safe_str(exc), [f"UsageError: {safe_str(exc)}"])
        self.last_traceback, self.last_evalue = content["traceback"], content["evalue"]

    def _format_exception_for_storage(self, exception: Any, *args: Any, **options: Any) -> Dict[str, Any]:
        """For a history that nobody reads here: what has been shown already, where IPython would format it again."""
        name = str(type(exception).__name__)
        return {"ename": name, "evalue": self.last_evalue, "traceback": self.last_traceback or []}


def _note(exc: Any) -> str:
    return limits.explain(exc) or network.explain(exc) if isinstance(exc, BaseException) else ""


class IPythonShell(BaseShell):
    """Runs cells in a `SandboxShell`."""

    def __init__(self) -> None:
        config = Config()
        # History lives on the host; a database here would be a file and a thread, and no thread may be there at a fork.
        config.HistoryManager.enabled = False
        config.HistoryAccessor.enabled = False
        # jedi analyses source without running it: 0.3 s for its import and for many an answer, and less sure of what is
        # there than the objects themselves.
        config.Completer.use_jedi = False
        # Programs (tqdm) tell a notebook from a terminal by this section.
        config.IPKernelApp.tqdm = "a notebook"
        directory = os.path.join(tempfile.gettempdir(), ".hopx", "ipython")
        self._ip: Any = SandboxShell.instance(config=config, ipython_dir=os.environ.get("IPYTHONDIR", directory))
        self._ip.register_magics(PageMagics)
        if pip_magic.has_pip():
            self._ip.register_magics(pip_magic.PipMagic)
        self.module = self._ip.user_module
        self._warm_up()
        self._cell_options = [
            name for name in ("cell_id",) if name in inspect.signature(self._ip.run_cell_async).parameters
        ]

    def _warm_up(self) -> None:
        """Do once, before the fork, what the first cell of every interpreter would have to do."""
        for code in ("None", "None\nNone"):
            coroutine = self._ip.run_cell_async(code, silent=True, transformed_cell=self._ip.transform_cell(code))
            try:
                coroutine.send(None)
            except StopIteration:
                continue
        self._ip.display_formatter.format(0)

    def activate(self, services: Services) -> None:
        ip = self._ip
        ip.services = ip.display_pub.services = ip.displayhook.services = services
        ip.kernel = self.kernel = KernelFacade(ip, services)
        ip.raw_input_original = services.ask
        sys.displayhook = ip.displayhook
        # IPython's debugger and traceback formatters kept the streams of the time before the fork.
        ip.init_io()
        ip.user_ns.pop("_hopx", None)

    def open_beside(self, services: Services) -> None:
        services.beside = Beside(services, self._ip)

    async def run(self, request: CellRequest) -> Dict[str, Any]:
        with self._ip.room():
            return await self._run(request)

    async def _run(self, request: CellRequest) -> Dict[str, Any]:
        ip = self._ip
        if request.execution_count is not None:
            ip.execution_count = request.execution_count
        count = ip.execution_count
        ip.last_traceback, ip.last_evalue, ip.was_cancelled = None, "", False
        result = await self._run_cell(request)
        errors = (result.error_before_exec, result.error_in_exec, ip.displayhook.error)
        error = next((one for one in errors if one is not None), None)
        ip.displayhook.error = None
        failed = error is not None
        content: Dict[str, Any] = {"status": "error" if failed else "ok", "execution_count": count}
        if failed:
            name = str(type(error).__name__)
            if ip.was_cancelled and isinstance(error, CancelledError):
                name = "KeyboardInterrupt"
            evalue = ip.last_evalue or " ".join(filter(None, (safe_str(error), _note(error))))
            content.update(ename=name, evalue=evalue, traceback=ip.last_traceback or [f"{name}: {evalue}"])
            if ip.last_traceback is None:  # an interrupt came while the traceback was made
                ip.services.emit("error", {key: content[key] for key in ("ename", "evalue", "traceback")})
            content.update(limits.told(error))
        content["user_expressions"] = {} if failed else ip.user_expressions(request.user_expressions)
        content["payload"] = ip.payload_manager.read_payload()
        ip.payload_manager.clear_payload()
        return content

    async def _run_cell(self, request: CellRequest) -> Any:
        ip = self._ip
        ip.displayhook.error = None
        fault = None
        try:
            transformed = ip.transform_cell(request.code)
        except Exception:
            transformed, fault = request.code, sys.exc_info()
        options = {name: getattr(request, name) for name in self._cell_options}
        result = None
        try:
            result = await ip.run_cell_async(
                request.code,
                store_history=request.store_history,
                silent=request.silent,
                transformed_cell=transformed,
                preprocessing_exc_tuple=fault,
                **options,
            )
        finally:
            ip.events.trigger("post_execute")
            if not request.silent:
                ip.events.trigger("post_run_cell", result)
        return result

    @property
    def interrupted(self) -> bool:
        return bool(self._ip.was_cancelled)

    @interrupted.setter
    def interrupted(self, value: bool) -> None:
        self._ip.was_cancelled = value

    def complete(self, code: str, cursor_pos: int) -> Dict[str, Any]:
        cursor_pos = max(0, min(cursor_pos, len(code)))
        found: List[Any] = []
        if cursor_pos - code.rfind("\n", 0, cursor_pos) <= COMPLETED_LINE:
            with provisionalcompleter():
                found = list(rectify_completions(code, self._ip.Completer.completions(code, cursor_pos)))
        start, end = (found[0].start, found[0].end) if found else (cursor_pos, cursor_pos)
        # Attributes come with their dot, which stands in the code already.
        dot = 1 if found and all(one.text.startswith(".") for one in found) and code[start : start + 1] == "." else 0
        kinds = [
            {"start": start + dot, "end": end, "text": one.text[dot:], "type": one.type, "signature": one.signature}
            for one in found
        ]
        return {
            "status": "ok",
            "matches": [one.text[dot:] for one in found],
            "cursor_start": start + dot,
            "cursor_end": end,
            "metadata": {"_jupyter_types_experimental": kinds},
        }

    def inspect(self, code: str, cursor_pos: int, detail_level: int, omit_sections: List[str]) -> Dict[str, Any]:
        name = token_at_cursor(code, max(0, min(cursor_pos, len(code))))
        options: Dict[str, Any] = {"omit_sections": omit_sections} if release.version_info >= (8,) else {}
        try:
            data = self._ip.object_inspect_mime(name, detail_level=detail_level, **options)
        except KeyError:
            return {"status": "ok", "found": False, "data": {}, "metadata": {}}
        if not self._ip.enable_html_pager:
            data.pop("text/html", None)
        return {"status": "ok", "found": True, "data": data, "metadata": {}}

    def is_complete(self, code: str) -> Tuple[str, str]:
        status, indent = self._ip.input_transformer_manager.check_complete(code)
        return status, " " * (indent or 0)

    def show_exception(self) -> None:
        self._ip.showtraceback()
