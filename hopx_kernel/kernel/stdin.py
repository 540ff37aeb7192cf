"""The stdin channel: questions of the sandbox's code to the person, without keeping the main loop waiting."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import zmq

from .channels import Channel
from .wire import Wire

__all__ = ["Stdin"]

#: How often a question is tried again while the client is not connected to the channel, in seconds.
_RETRY_SECONDS = 0.02

_log = logging.getLogger(__name__)


class Stdin:
    """Asks one question at a time.

    Parameters
    ----------
    wire : Wire
        Packs and unpacks messages.
    socket : zmq.Socket
        The ROUTER socket of the channel, bound; used in the thread of the main loop, which must be running.
    """

    def __init__(self, wire: Wire, socket: Any) -> None:
        self._wire = wire
        self._channel = Channel(socket, self._take)
        self._question: _Question | None = None

    async def ask(self, parent: dict[str, Any], idents: list[bytes], prompt: str, password: bool) -> str | None:
        """Send an ``input_request`` and wait for the answer; None when it was given up.

        An older question is given up by a newer one, and an answer that comes for it is thrown away.
        """
        self.give_up()
        content = {"prompt": prompt, "password": password}
        header = self._wire.header("input_request")
        question = self._question = _Question(header["msg_id"])
        frames = self._wire.pack(header, content, parent, idents=idents)
        try:
            # Each of a client's sockets connects in its own time: its cell may come before it is here.
            while not question.answered.is_set() and not self._is_sent(frames):
                with anyio.move_on_after(_RETRY_SECONDS):
                    await question.answered.wait()
            await question.answered.wait()
        finally:
            if self._question is question:
                self._question = None
        return question.value

    def _is_sent(self, frames: list[Any]) -> bool:
        try:
            self._channel.send(frames)
        except zmq.ZMQError as exc:
            if exc.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return False
        return True

    def give_up(self) -> None:
        """End the question that is waiting, if there is one, without an answer."""
        if self._question is not None:
            self._question.answered.set()
            self._question = None

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _take(self, frames: list[bytes]) -> None:
        try:
            _, reply = self._wire.unpack(frames)
            value = reply["content"]["value"]
            if reply["msg_type"] != "input_reply" or not isinstance(value, str):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError, MemoryError):
            _log.warning("A message on the stdin channel is not a valid input_reply")
            return
        question = self._question
        if question is None or question.answered.is_set():
            _log.info("An input_reply came that nobody waits for")
            return
        # Clients that do not name the request answer the question they were asked last.
        named = reply["parent_header"].get("msg_id")
        if named and named != question.msg_id and reply["parent_header"].get("msg_type") == "input_request":
            _log.info("An input_reply came for an older question")
            return
        question.value = value
        question.answered.set()


class _Question:
    def __init__(self, msg_id: str) -> None:
        self.msg_id = msg_id
        self.value: str | None = None
        self.answered = anyio.Event()
