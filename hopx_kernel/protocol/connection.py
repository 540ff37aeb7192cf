"""A connection's state, without any I/O: bytes in, messages out, and the log that makes a resume exact.

Each end owns one `Connection`. The runner's outlives its transport: what the host has not acknowledged stays in the
log, and a later ``hello`` that names the last event the host saw gets everything after it, once and in order.

This module imports the standard library only, and runs on Python 3.9: it is part of the runner too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Deque, Iterator, Tuple

from ..errors import LocalProtocolError, RemoteProtocolError
from .frames import FrameDecoder, dump_message, load_message, split_frames
from .messages import PROTOCOL_VERSION, UNSEQUENCED, Message, Role, check_message

__all__ = ["LOG_BOUND_BYTES", "HostConnection", "RunnerConnection"]

#: Unacknowledged events a runner keeps before it stops reading its interpreter: enough for a second of a slow line,
#: small beside the interpreter itself.
LOG_BOUND_BYTES = 8 * 1024 * 1024


class _Inbox:
    """Bytes from one peer, as checked messages."""

    def __init__(self, peer: Role) -> None:
        self._peer = peer
        self._decoder = FrameDecoder()

    def receive_data(self, data: bytes) -> None:
        self._decoder.receive_data(data)

    def next_message(self) -> Message | None:
        line = self._decoder.next_line()
        if line is None:
            return None
        message = load_message(line)
        fault = check_message(self._peer, message)
        if fault is not None:
            raise RemoteProtocolError(fault)
        return message

    def receive_eof(self) -> None:
        if not self._decoder.is_empty:
            raise RemoteProtocolError(f"the {self._peer.value}'s bytes end in the middle of a message")


class HostConnection:
    """The host's end.

    Raises `RemoteProtocolError` from `next_message` when the runner breaks the rules, also when a sequence number
    is missing; one that came before is skipped in silence, as a resume may repeat it.
    """

    #: Events or bytes taken between two acknowledgements: often enough that the runner's log never fills on a fast
    #: line, seldom enough to cost nothing.
    ACK_EVERY_EVENTS = 64
    ACK_EVERY_BYTES = 512 * 1024

    def __init__(self) -> None:
        self._inbox = _Inbox(Role.RUNNER)
        self._greeted = False
        self._acknowledged = 0
        self._bytes_since_ack = 0
        #: The number of the last event that `next_message` gave.
        self.last_seq = 0

    def hello(self, msg_id: str, resume: bool = False) -> bytes:
        """The first bytes on every transport; `resume` asks for what came after `last_seq`."""
        self._inbox = _Inbox(Role.RUNNER)
        self._greeted = False
        content: dict[str, object] = {"version": PROTOCOL_VERSION}
        if resume:
            content["last_seq"] = self.last_seq
        return self.send(Message("hello", content, msg_id=msg_id))

    def send(self, message: Message) -> bytes:
        """The bytes of a request.

        Raises
        ------
        LocalProtocolError
            It is not a request of the protocol, or too large.
        """
        fault = check_message(Role.HOST, message)
        if fault is not None:
            raise LocalProtocolError(fault)
        return b"".join(split_frames(dump_message(message)))

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the transport, cut anywhere."""
        self._bytes_since_ack += len(data)
        self._inbox.receive_data(data)

    def receive_eof(self) -> None:
        """Note that the transport ended; raises `RemoteProtocolError` where a message was cut short."""
        self._inbox.receive_eof()

    def next_message(self) -> Message | None:
        """The next event, or None when more bytes are needed."""
        while True:
            message = self._inbox.next_message()
            if message is None:
                return None
            if message.msg_type == "hello_reply":
                self._check_hello(message)
            elif not self._greeted and message.msg_type != "protocol_error":
                raise RemoteProtocolError(f"the runner sent {message.msg_type} before its hello_reply")
            if message.msg_type in UNSEQUENCED:
                return message
            if message.seq is None:
                raise RemoteProtocolError(f"the runner's {message.msg_type} has no sequence number")
            if message.seq <= self.last_seq:
                continue
            if message.seq != self.last_seq + 1:
                missing = f"{self.last_seq + 1} to {message.seq - 1}"
                raise RemoteProtocolError(f"the runner's events {missing} are missing")
            self.last_seq = message.seq
            return message

    def _check_hello(self, message: Message) -> None:
        version = message.content["version"]
        if version != PROTOCOL_VERSION:
            raise RemoteProtocolError(
                f"the runner speaks version {version} of the protocol, this host version {PROTOCOL_VERSION}"
            )
        if message.content["status"] != "ok":
            raise RemoteProtocolError(f"the runner refused: {message.content.get('evalue', '')}")
        self._greeted = True

    def acknowledgement(self, force: bool = False, seq: int | None = None) -> bytes:
        """The bytes that acknowledge what was taken, or ``b""`` when it is not time for them.

        `seq` is the number of the last event that nothing has to wait for any more, where that is not the last one.
        """
        seq = self.last_seq if seq is None else seq
        behind = seq - self._acknowledged
        due = behind >= self.ACK_EVERY_EVENTS or self._bytes_since_ack >= self.ACK_EVERY_BYTES
        if behind <= 0 or not (due or force):
            return b""
        self._acknowledged = seq
        self._bytes_since_ack = 0
        return self.send(Message("acknowledge", {"seq": seq}))


class RunnerConnection:
    """The runner's end: numbers events, keeps them until acknowledged, replays them after a broken transport.

    Parameters
    ----------
    log_bound_bytes : int
        When more than this is unacknowledged, `is_full` is true and the runner takes nothing more from its
        interpreter. Nothing is ever dropped here.
    """

    def __init__(self, log_bound_bytes: int = LOG_BOUND_BYTES) -> None:
        self._inbox = _Inbox(Role.HOST)
        self._greeted = False
        self._log: Deque[Tuple[int, bytes]] = deque()
        self._log_bytes = 0
        self._log_bound_bytes = log_bound_bytes
        self._last_seq = 0

    @property
    def unacknowledged_bytes(self) -> int:
        """Size of the log."""
        return self._log_bytes

    def is_full(self, room_bytes: int = 0) -> bool:
        """Whether the log has reached its bound, which `room_bytes` raises."""
        return self._log_bytes >= self._log_bound_bytes + room_bytes

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the transport, cut anywhere."""
        self._inbox.receive_data(data)

    def receive_eof(self) -> None:
        """Note that the transport ended. The log stays; a new transport may say hello."""
        self._inbox = _Inbox(Role.HOST)
        self._greeted = False

    def next_message(self) -> Message | None:
        """The next request, or None when more bytes are needed. Acknowledgements are taken here and not given out.

        Raises
        ------
        RemoteProtocolError
            The host broke the rules; the runner answers with `protocol_error` and goes on.
        """
        while True:
            message = self._inbox.next_message()
            if message is None:
                return None
            if message.msg_type == "hello":
                return message
            if not self._greeted:
                raise RemoteProtocolError(f"the host sent {message.msg_type} before its hello")
            if message.msg_type != "acknowledge":
                return message
            self._acknowledge(message.content["seq"])

    def _acknowledge(self, seq: int) -> None:
        if seq > self._last_seq:
            raise RemoteProtocolError(f"the host acknowledged event {seq}, the last one sent is {self._last_seq}")
        while self._log and self._log[0][0] <= seq:
            self._log_bytes -= len(self._log.popleft()[1])

    def answer_hello(self, message: Message, content: dict[str, object]) -> Iterator[bytes]:
        """The bytes that answer a ``hello``: the reply, then the events that the host has not seen.

        Parameters
        ----------
        message : Message
            The ``hello``.
        content : dict
            What the reply tells about the runner beside status and version.
        """
        version, last_seq = message.content["version"], message.content.get("last_seq", 0)
        fault = ""
        if version != PROTOCOL_VERSION:
            fault = f"the host speaks version {version} of the protocol, this runner version {PROTOCOL_VERSION}"
        elif isinstance(last_seq, bool) or not isinstance(last_seq, int) or not 0 <= last_seq <= self._last_seq:
            fault = f"the host's last_seq is {last_seq!r}, this runner's is {self._last_seq}"
        elif last_seq + 1 < (self._log[0][0] if self._log else self._last_seq + 1):
            fault = f"the events after {last_seq} were acknowledged and are gone"
        reply: dict[str, object] = {**content, "status": "error" if fault else "ok", "version": PROTOCOL_VERSION}
        if fault:
            reply["evalue"] = fault
        yield from split_frames(dump_message(Message("hello_reply", reply, parent_id=message.msg_id)))
        if fault:
            return
        self._greeted = True
        for seq, line in list(self._log):
            if seq > last_seq:
                yield from split_frames(line)

    def send(self, message: Message) -> Iterator[bytes]:
        """The frames of an event, numbered and logged first; none while no transport has said hello.

        Raises
        ------
        LocalProtocolError
            It is not an event of the protocol, or too large. No number is spent on it.
        """
        fault = check_message(Role.RUNNER, message)
        if fault is not None:
            raise LocalProtocolError(fault)
        if message.msg_type in UNSEQUENCED:
            line = dump_message(message)
        else:
            line = dump_message(replace(message, seq=self._last_seq + 1), 0)
            self._last_seq += 1
            self._remember(line)
        return split_frames(line) if self._greeted else iter(())

    def send_line(self, line: bytes) -> Iterator[bytes]:
        """As `send`, for an event that is already a line (`dump_message` without a number).

        The line is numbered without being read: a flood passes the supervisor at the price of a copy.
        """
        line = b'{"seq":%d,' % (self._last_seq + 1) + line[1:]
        self._last_seq += 1
        self._remember(line)
        return split_frames(line) if self._greeted else iter(())

    def _remember(self, line: bytes) -> None:
        self._log.append((self._last_seq, line))
        self._log_bytes += len(line)
