"""The application: the sockets of a connection file, options by `config`, one main loop by anyio."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from traitlets import Integer, Unicode
from traitlets.config import Application, catch_config_error

from ..config import HopxConfig
from .connection import CHANNELS, Connection
from .heartbeat import start_heartbeat
from .parent import end_with_parent
from .wire import Wire

if TYPE_CHECKING:
    from ..sandboxes.base import BaseSandbox

__all__ = ["KernelApp"]

#: Jupyter's own names for a kernel's options.
_ALIASES = {
    "f": "KernelApp.connection_file",
    "ip": "KernelApp.ip",
    "transport": "KernelApp.transport",
    **{name: f"KernelApp.{name}_port" for name in CHANNELS},
    "log-level": "Application.log_level",
}
_FLAGS = {"debug": ({"Application": {"log_level": logging.DEBUG}}, "log as much as possible")}

#: Programs that start kernels and limit the rate of their messages.
_SERVERS = ("jupyter-lab", "jupyter-notebook", "jupyter-server", "jupyterhub-singleuser", "jupyter-labhub", "voila")
_SERVER_MODULES = ("jupyterlab", "notebook", "jupyter_server", "voila", "jupyter")


class KernelApp(Application):
    """Starts the kernel on the sockets of a connection file."""

    name = "hopx-kernel"
    description = "Runs cells in a disposable, isolated sandbox."
    classes = [HopxConfig]  # noqa: RUF012 - traitlets reads it from the class
    aliases = _ALIASES
    flags = _FLAGS

    connection_file = Unicode(
        "", help="Connection file; one that is missing is made, with ports of the kernel's choice."
    ).tag(config=True)
    ip = Unicode("", help="Address that the sockets are bound to, over the connection file's.").tag(config=True)
    transport = Unicode("", help='"tcp" or "ipc", over the connection file\'s.').tag(config=True)
    shell_port = Integer(0, help="Port of the shell channel, over the connection file's.").tag(config=True)
    iopub_port = Integer(0, help="Port of the iopub channel, over the connection file's.").tag(config=True)
    stdin_port = Integer(0, help="Port of the stdin channel, over the connection file's.").tag(config=True)
    control_port = Integer(0, help="Port of the control channel, over the connection file's.").tag(config=True)
    hb_port = Integer(0, help="Port of the heartbeat, over the connection file's.").tag(config=True)

    #: Set before `initialize`.
    options: HopxConfig
    make_sandbox: Callable[[], BaseSandbox]

    @catch_config_error
    def initialize(self, argv: list[str] | None = None) -> None:
        """Read the command line, bind the sockets and make the kernel."""
        self.parse_command_line(argv)
        logger = logging.getLogger(__package__)
        logger.parent = self.log
        logger.setLevel(self.log.level)
        for handler in self.log.handlers:
            handler.addFilter(clean_record)
        connection, wire = self._read_connection()
        end_with_parent(os.environ)
        self._context = zmq.Context[Any]()
        sockets = {name: connection.bind(self._context, name) for name in CHANNELS}
        start_heartbeat(sockets.pop("hb"))
        connection.write(self._path)
        # A stray SIGINT is taken for an interrupt. Not ignored, which every process that is started would inherit.
        signal.signal(signal.SIGINT, self._on_sigint)
        # Imported while clients connect: those that have tried before do so again after a tenth of a second or two.
        from .kernel import HopxKernel

        self.kernel = HopxKernel(
            self.options,
            self.make_sandbox,
            wire,
            sockets,
            connection.ports,
            behind_server=has_server_limits(self.options, os.environ.get("JPY_SESSION_NAME")),
        )

    def start(self) -> None:
        """Serve until a shutdown is asked for."""
        import anyio

        anyio.run(self.kernel.serve)
        self._context.term()

    def _read_connection(self) -> tuple[Connection, Wire]:
        """What the connection file says, with what the command line says over it."""
        self._path = _find(self.connection_file or f"kernel-{os.getpid()}.json")
        if not self._path.exists():
            connection = Connection()
            wire = Wire(connection.key.encode())
            atexit.register(self._path.unlink, missing_ok=True)
            self.log.warning("To connect a client to this kernel: --existing %s", self._path.name)
        else:
            try:
                connection = Connection.read(self._path)
                wire = Wire(connection.key.encode(), connection.signature_scheme)
            except (OSError, ValueError, TypeError) as exc:
                sys.exit(f"The connection file {self._path} cannot be read: {exc}")
        connection.ip, connection.transport = self.ip or connection.ip, self.transport or connection.transport
        for name in CHANNELS:
            connection.ports[name] = getattr(self, f"{name}_port") or connection.ports[name]
        return connection, wire

    def _on_sigint(self, *_: object) -> None:
        if hasattr(self, "kernel"):
            self.kernel.interrupt_from_signal()


def clean_record(record: logging.LogRecord) -> bool:
    """Take what acts on a terminal out of a log's line: it may hold words of a sandbox, and a server's log is read there."""
    from ..trust import clean_line

    record.msg, record.args = clean_line(record.getMessage(), 4000), None
    if record.exc_info and not record.exc_text:
        lines = logging.Formatter().formatException(record.exc_info).split("\n")
        record.exc_text = "\n".join(clean_line(line, 4000) for line in lines)
    return True


def _find(name: str) -> Path:
    """A connection file: as it is named, else, where it is a bare name, in Jupyter's runtime directory."""
    path = Path(name)
    if path.exists() or path.name != name:
        return path
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir(), name)


def has_server_limits(options: HopxConfig, session_name: str | None) -> bool:
    """Whether this kernel's messages go through a Jupyter Server, or Voilà, that throws them away above a rate."""
    if options.server_limits != "auto":
        return bool(options.server_limits == "on")
    parent = Path("/proc") / str(os.getppid())
    try:
        words = (parent / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        environ = (parent / "environ").read_bytes().split(b"\0")
    except OSError:
        return session_name is not None
    if any(Path(word).name in _SERVERS for word in words[:3]) or _runs_module(words):
        return True
    # A server names the notebook to its kernels only; what nbclient starts in a notebook has inherited the name.
    return session_name is not None and not any(entry.startswith(b"JPY_SESSION_NAME=") for entry in environ)


def _runs_module(words: list[str]) -> bool:
    return "-m" in words and words[words.index("-m") + 1].partition(".")[0] in _SERVER_MODULES
