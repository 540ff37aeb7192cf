"""What host and runner say to each other, without I/O: `PROTOCOL.md` beside this file is its specification.

The ladder, each module importing only those above it: `options`, `amounts`, `messages`, `frames`, `connection`. No module here imports a
socket, a loop or a thread, and all run on Python 3.9, since they are part of the runner.
"""

from .connection import HostConnection, RunnerConnection
from .frames import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES
from .messages import EVENTS, PROTOCOL_VERSION, REQUESTS, Message, Role
from .options import RunnerOptions

__all__ = [
    "EVENTS",
    "MAX_FRAME_BYTES",
    "MAX_MESSAGE_BYTES",
    "PROTOCOL_VERSION",
    "REQUESTS",
    "HostConnection",
    "Message",
    "Role",
    "RunnerConnection",
    "RunnerOptions",
]
