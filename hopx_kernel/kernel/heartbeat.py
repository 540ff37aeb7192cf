"""The heartbeat channel, by which a client sees that the kernel's process lives."""

from __future__ import annotations

import threading

import zmq

__all__ = ["start_heartbeat"]


def start_heartbeat(socket: zmq.Socket[bytes]) -> None:
    """Send everything that comes to a bound socket back, in a thread of its own, until its context is terminated."""

    def echo() -> None:
        try:
            zmq.proxy(socket, socket)
        except zmq.ZMQError:
            socket.close(0)

    threading.Thread(target=echo, name="hopx-heartbeat", daemon=True).start()
