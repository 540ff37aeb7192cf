"""A front end without a page: nbclient's, that also moves sliders, uploads files and clicks, as a person would.

A cell may carry `Move`\\ s. They are sent when the cell has ended, each waited for until the kernel says that it is
idle again; what callbacks print or show then goes to that cell's outputs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbformat import NotebookNode

__all__ = ["Code", "Move", "execute"]

#: No cell and no callback of these notebooks takes longer, also on a slow machine.
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Move:
    """What a person does to a widget.

    Parameters
    ----------
    model : str
        The widget's ``_model_name``.
    state : mapping
        Traits as the front end sends them.
    nth : int
        Which of that model's widgets, in the order in which they were opened.
    buffers : sequence of bytes
        Binary values, whose places in `state` are `buffer_paths`.
    custom : mapping, optional
        A custom message in place of a state.
    """

    model: str
    state: Mapping[str, Any] = field(default_factory=dict)
    nth: int = 0
    buffers: Sequence[bytes] = ()
    buffer_paths: Sequence[Sequence[Any]] = ()
    custom: Mapping[str, Any] | None = None

    def data(self) -> dict[str, Any]:
        """The ``data`` of the comm message."""
        if self.custom is not None:
            return {"method": "custom", "content": dict(self.custom)}
        return {"method": "update", "state": dict(self.state), "buffer_paths": [list(p) for p in self.buffer_paths]}


@dataclass(frozen=True)
class Code:
    """A code cell, and what happens to its widgets afterwards."""

    source: str
    moves: tuple[Move, ...] = ()
    raises: bool = False


class _FrontEnd(NotebookClient):
    def __init__(self, notebook: NotebookNode, cells: Sequence[Code], **options: Any) -> None:
        super().__init__(notebook, **options)
        self._cells = cells
        self._models: dict[str, list[str]] = {}

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        channel = client.shell_channel
        send = channel.send

        def send_and_look(message: dict[str, Any]) -> None:
            # nbclient's Output widgets send past the asyncio socket, which then may sleep on a reply that has come.
            send(message)
            channel.socket._schedule_remaining_events()

        channel.send = send_and_look
        return client

    def handle_comm_msg(self, outs: list[NotebookNode], msg: dict[str, Any], cell_index: int) -> None:
        if msg["msg_type"] == "comm_close":
            msg["content"].setdefault("data", {})
        super().handle_comm_msg(outs, msg, cell_index)
        if msg["msg_type"] == "comm_open":
            name = msg["content"]["data"].get("state", {}).get("_model_name", "")
            self._models.setdefault(name, []).append(msg["content"]["comm_id"])

    async def async_execute_cell(self, cell: NotebookNode, cell_index: int, *args: Any, **kwargs: Any) -> NotebookNode:
        result = await super().async_execute_cell(cell, cell_index, *args, **kwargs)
        for move in self._cells[cell_index].moves:
            await self._move(move, result, cell_index)
        return result

    async def _move(self, move: Move, cell: NotebookNode, cell_index: int) -> None:
        assert self.kc is not None
        content = {"comm_id": self._models[move.model][move.nth], "data": move.data()}
        message = self.kc.session.msg("comm_msg", content)
        message["buffers"] = list(move.buffers)
        self.kc.shell_channel.send(message)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            received = await self.kc.iopub_channel.get_msg(timeout=TIMEOUT_SECONDS)
            if received["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            try:
                self.process_message(received, cell, cell_index)
            except CellExecutionComplete:
                return
        raise TimeoutError(f"the kernel was not idle {TIMEOUT_SECONDS} s after {move}")


def execute(cells: Iterable[Code | str], kernel_name: str) -> NotebookNode:
    """Run cells on a kernel of their own; gives the notebook with its outputs and its widgets' state."""
    codes = [cell if isinstance(cell, Code) else Code(cell) for cell in cells]
    notebook = nbformat.v4.new_notebook()
    for code in codes:
        cell = nbformat.v4.new_code_cell(code.source)
        cell.metadata["tags"] = ["raises-exception"] if code.raises else []
        notebook.cells.append(cell)
    client = _FrontEnd(
        notebook,
        codes,
        kernel_name=kernel_name,
        timeout=TIMEOUT_SECONDS,
        store_widget_state=True,
        coalesce_streams=True,
    )
    client.execute()
    return notebook
