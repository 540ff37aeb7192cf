"""Cells where the sandbox has no IPython: plain Python with `repr`, tracebacks and top-level await."""

from __future__ import annotations

import ast
import builtins
import codeop
import inspect
import keyword
import linecache
import re
import sys
import traceback
import types
from asyncio import CancelledError
from typing import Any, Dict, List, Optional, Tuple

from . import limits, network
from .base_shell import BaseShell, CellRequest, error_content
from .frames_of_ours import hide_own_frames, note_of_calls
from .jsonable import safe_repr, safe_str
from .services import Services

__all__ = ["PlainShell"]

_NAME_AT_END = re.compile(r"[A-Za-z_][\w.]*$")
_NAME_PREFIX = re.compile(r"[\w.]*")


class PlainShell(BaseShell):
    """Runs cells by `exec`, the last expression's value shown by its `repr`."""

    def __init__(self) -> None:
        self.module = types.ModuleType("__main__", "The cells' own module.")
        self.module.__dict__["__builtins__"] = builtins
        self.interrupted = False
        self._services: Optional[Services] = None
        self._count = 1
        self._error: Dict[str, Any] = {}
        self._flags = 0

    @property
    def _namespace(self) -> Dict[str, Any]:
        return self.module.__dict__

    def activate(self, services: Services) -> None:
        self._services = services
        sys.modules["__main__"] = self.module
        sys.displayhook = self._display

    async def run(self, request: CellRequest) -> Dict[str, Any]:
        if request.execution_count is not None:
            self._count = request.execution_count
        count = self._count
        if request.store_history and request.code.strip():
            self._count += 1
        self._error = {}
        try:
            await self._run_code(request, count)
        except BaseException as exc:
            if self.interrupted and isinstance(exc, CancelledError):
                exc = KeyboardInterrupt().with_traceback(exc.__traceback__)
            with limits.room():
                self._show(exc)
        content: Dict[str, Any] = {"status": "error" if self._error else "ok", "execution_count": count, "payload": []}
        content.update(self._error)
        expressions = {} if self._error else request.user_expressions
        content["user_expressions"] = {name: self._evaluate(text) for name, text in expressions.items()}
        return content

    async def _run_code(self, request: CellRequest, count: int) -> None:
        with limits.room():  # a cell that gives memory back has to begin first
            body, last = self._prepare(request, count)
        if body is not None:
            await self._evaluate_code(body)
        if last is None:
            return
        value = await self._evaluate_code(last)
        if not request.silent and not request.code.rstrip().endswith(";"):
            self._display(value, count)

    def _prepare(self, request: CellRequest, count: int) -> Tuple[Optional[types.CodeType], Optional[types.CodeType]]:
        """Compile a cell: its statements, and the expression at its end."""
        filename = f"<cell {count}>"
        lines = request.code.splitlines(keepends=True)
        linecache.cache[filename] = (len(request.code), None, lines, filename)
        tree = compile(
            request.code, filename, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._flags, True
        )
        assert isinstance(tree, ast.Module)
        last: Optional[ast.Expr] = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = tree.body[-1]
            del tree.body[-1]
        body = self._compile(tree, filename, "exec") if tree.body else None
        if body is not None:
            self._flags |= body.co_flags & _FUTURE_FLAGS
        return body, None if last is None else self._compile(ast.Expression(last.value), filename, "eval")

    def _compile(self, tree: Any, filename: str, mode: str) -> types.CodeType:
        code: types.CodeType = compile(tree, filename, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._flags, True)
        return code

    async def _evaluate_code(self, code: types.CodeType) -> Any:
        value = eval(code, self._namespace)
        # Only code that awaits gives a coroutine of its own; one that the cell merely made stays a value.
        return await value if code.co_flags & inspect.CO_COROUTINE else value

    def _display(self, value: Any, count: Optional[int] = None) -> None:
        if value is None:
            return
        self._namespace["_"] = value
        assert self._services is not None
        content: Dict[str, Any] = {"data": {"text/plain": repr(value)}, "metadata": {}}
        content["execution_count"] = self._count if count is None else count
        self._services.emit("execute_result", content)

    def _evaluate(self, text: Any) -> Dict[str, Any]:
        try:
            value = eval(str(text), self._namespace)
            return {"status": "ok", "data": {"text/plain": repr(value)}, "metadata": {}}
        except Exception as exc:
            lines = traceback.format_exception(type(exc), exc, exc.__traceback__)
            return {"status": "error", "ename": type(exc).__name__, "evalue": str(exc), "traceback": lines}

    def _show(self, exc: BaseException) -> None:
        assert self._services is not None
        self._services.leave_if_forked(exc)
        trace = exc.__traceback__
        while trace is not None and not trace.tb_frame.f_code.co_filename.startswith("<cell "):
            trace = trace.tb_next
        exc.__traceback__ = trace
        calls = note_of_calls(hide_own_frames(exc))
        lines = [line.rstrip("\n") for line in traceback.format_exception(type(exc), exc, trace)]
        if calls:
            lines.append(calls)
        note = limits.explain(exc) or network.explain(exc)
        evalue = safe_str(exc)
        if note:
            lines.append(note)
            evalue = f"{evalue}\n{note}" if evalue else note
        self._error = error_content(type(exc).__name__, evalue, lines)
        self._services.emit("error", dict(self._error))
        self._error.update(limits.told(exc))

    def show_exception(self) -> None:
        exc = sys.exc_info()[1]
        if exc is not None:
            self._show(exc)

    # ------------------------------------------------------------------ questions

    def complete(self, code: str, cursor_pos: int) -> Dict[str, Any]:
        cursor_pos = max(0, min(cursor_pos, len(code)))
        found = _NAME_AT_END.search(code[:cursor_pos])
        text = found.group() if found else ""
        matches = self._matches(text) if text else []
        return {
            "status": "ok",
            "matches": matches,
            "cursor_start": cursor_pos - len(text),
            "cursor_end": cursor_pos,
            "metadata": {},
        }

    def _matches(self, text: str) -> List[str]:
        head, dot, tail = text.rpartition(".")
        names: List[str] = []
        if dot:
            try:
                names = dir(self._look_up(head))
            except LookupError:
                return []
        else:
            names = [*self._namespace, *dir(builtins), *keyword.kwlist]
        wanted = [name for name in names if name.startswith(tail) and (tail or not name.startswith("_"))]
        return [head + dot + name for name in sorted(set(wanted))]

    def _look_up(self, path: str) -> Any:
        first, *rest = path.split(".")
        if first in self._namespace:
            value = self._namespace[first]
        elif hasattr(builtins, first):
            value = getattr(builtins, first)
        else:
            raise LookupError(path)
        for name in rest:
            try:
                value = getattr(value, name)
            except Exception as exc:
                raise LookupError(path) from exc
        return value

    def inspect(self, code: str, cursor_pos: int, detail_level: int, omit_sections: List[str]) -> Dict[str, Any]:
        del omit_sections  # there are none to omit
        before = _NAME_AT_END.search(code[:cursor_pos].rstrip("("))
        after = _NAME_PREFIX.match(code[cursor_pos:])
        path = (before.group() if before else "") + (after.group() if after else "")
        try:
            value = self._look_up(path)
        except LookupError:
            return {"status": "ok", "found": False, "data": {}, "metadata": {}}
        parts = [f"Type: {type(value).__name__}", f"String form: {safe_repr(value)[:1000]}"]
        try:
            parts.insert(0, f"Signature: {path}{inspect.signature(value)}")
        except (TypeError, ValueError):
            pass
        parts.append(f"Docstring:\n{inspect.getdoc(value) or '<no docstring>'}")
        if detail_level:
            try:
                parts.append(f"Source:\n{inspect.getsource(value)}")
            except (OSError, TypeError):
                pass
        return {"status": "ok", "found": True, "data": {"text/plain": "\n".join(parts)}, "metadata": {}}

    def is_complete(self, code: str) -> Tuple[str, str]:
        try:
            done = codeop.compile_command(code, "<cell>", "exec")
        except (SyntaxError, OverflowError, ValueError):
            return "invalid", ""
        if done is not None:
            return "complete", ""
        last = code.rstrip("\n").rpartition("\n")[2]
        indent = last[: len(last) - len(last.lstrip())]
        return "incomplete", indent + ("    " if last.rstrip().endswith(":") else "")


def _future_flags() -> int:
    import __future__

    flags = 0
    for name in __future__.all_feature_names:
        flags |= getattr(__future__, name).compiler_flag
    return flags


_FUTURE_FLAGS = _future_flags()
