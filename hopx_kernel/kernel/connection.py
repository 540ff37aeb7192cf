"""A kernel's connection file: where its sockets are and which key signs. Binds them, and writes down what it chose."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

__all__ = ["CHANNELS", "Connection"]

#: The channels and their sockets' types, in the order in which they are bound: who reaches shell is to reach the rest.
CHANNELS = {"iopub": zmq.XPUB, "hb": zmq.ROUTER, "stdin": zmq.ROUTER, "control": zmq.ROUTER, "shell": zmq.ROUTER}

#: zmq options of sockets. A client that comes back under its old name replaces the old connection, of whose end nobody
#: may have heard: else nothing that it sends would ever arrive. The queue for one subscriber of iopub is bounded: messages
#: have a few hundred KiB at most, and more of them wait in the kernel. A question to somebody who is not connected to
#: stdin is refused, where zmq would throw it away without a word.
_OPTIONS: dict[str, dict[int, int]] = {
    "shell": {zmq.ROUTER_HANDOVER: 1},
    "control": {zmq.ROUTER_HANDOVER: 1},
    "iopub": {zmq.SNDHWM: 200},
    "stdin": {zmq.ROUTER_HANDOVER: 1, zmq.ROUTER_MANDATORY: 1},
}


@dataclass
class Connection:
    """What a connection file says; a port of 0 is chosen when its socket is bound.

    Attributes
    ----------
    key : str
        Signs messages; empty for none.
    curve_publickey, curve_secretkey : str
        CurveZMQ keys in Z85, empty where the connection is not encrypted.
    """

    ip: str = "127.0.0.1"
    transport: str = "tcp"
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    signature_scheme: str = "hmac-sha256"
    curve_publickey: str = ""
    curve_secretkey: str = ""
    ports: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHANNELS, 0))

    @classmethod
    def read(cls, path: Path) -> Connection:
        """Read a connection file. Raises `OSError` or `ValueError`, the latter for one that is none."""
        saved = json.loads(path.read_bytes())
        if not isinstance(saved, dict):
            raise ValueError("it must hold an object")
        names = ("ip", "transport", "key", "signature_scheme", "curve_publickey", "curve_secretkey")
        texts = {name: str(saved[name]) for name in names if saved.get(name) is not None}
        if texts.get("ip") == "*":
            texts["ip"] = "0.0.0.0"
        return cls(**texts, ports={name: int(saved.get(f"{name}_port") or 0) for name in CHANNELS})

    def write(self, path: Path) -> None:
        """Write what the sockets were bound to, beside what the file may hold already; a new one is its owner's only."""
        saved = json.loads(path.read_bytes()) if path.exists() else {}
        present = {name: getattr(self, name) for name in ("ip", "transport", "key", "signature_scheme")}
        present.update({f"{name}_port": port for name, port in self.ports.items()})
        if present.items() <= saved.items():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_text(json.dumps({**saved, **present}, indent=2), encoding="utf-8")

    def bind(self, context: zmq.Context[Any], channel: str) -> zmq.Socket[bytes]:
        """Make a channel's socket and bind it. Raises `zmq.ZMQError` where it cannot be."""
        socket: zmq.Socket[bytes] = context.socket(CHANNELS[channel])
        for option, value in _OPTIONS.get(channel, {}).items():
            socket.setsockopt(option, value)
        if self.curve_secretkey:
            socket.curve_secretkey = self.curve_secretkey.encode()
            socket.curve_publickey = self.curve_publickey.encode()
            socket.curve_server = True
        if self.transport == "ipc":
            self.ports[channel] = self.ports[channel] or self._free_number()
            socket.bind(f"ipc://{self.ip}-{self.ports[channel]}")
        elif port := self.ports[channel]:
            socket.bind(f"{self.transport}://{self.ip}:{port}")
        else:
            self.ports[channel] = socket.bind_to_random_port(f"{self.transport}://{self.ip}")
        return socket

    def _free_number(self) -> int:
        number = 1
        while number in self.ports.values() or Path(f"{self.ip}-{number}").exists():
            number += 1
        return number
