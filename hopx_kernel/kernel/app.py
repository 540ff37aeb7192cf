"""The application: sockets by ipykernel, options by `config`, one main loop by anyio."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import zmq
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import Session, session_aliases, session_flags
from traitlets import Type
from zmq.eventloop.zmqstream import ZMQStream

from ..config import HopxConfig
from ..sandboxes.base import BaseSandbox
from .iopub import QUEUE_MESSAGES, FlowControlledIOPubThread
from .kernel import HopxKernel

__all__ = ["KernelApp"]

#: Jupyter's own names for a kernel's options.
_ALIASES = {
    "f": "KernelApp.connection_file",
    "ip": "KernelApp.ip",
    "transport": "KernelApp.transport",
    **{name: f"KernelApp.{name}_port" for name in ("hb", "shell", "iopub", "stdin", "control")},
    "log-level": "Application.log_level",
    **session_aliases,
}
_FLAGS = {"debug": ({"Application": {"log_level": logging.DEBUG}}, "log as much as possible"), **session_flags}

MakeSandbox = Callable[[], BaseSandbox]

#: Programs that start kernels and limit the rate of their messages.
_SERVERS = ("jupyter-lab", "jupyter-notebook", "jupyter-server", "jupyterhub-singleuser", "jupyter-labhub", "voila")
_SERVER_MODULES = ("jupyterlab", "notebook", "jupyter_server", "voila", "jupyter")


class KernelApp(IPKernelApp):
    """Starts the kernel on the sockets of a connection file."""

    name = "hopx-kernel"
    description = "Runs cells in a disposable, isolated sandbox."
    classes = [HopxKernel, HopxConfig, Session]  # noqa: RUF012 - traitlets reads it from the class
    kernel_class = Type(HopxKernel, klass="ipykernel.kernelbase.Kernel")  # type: ignore[assignment]
    subcommands = {}  # noqa: RUF012 - as above
    aliases = _ALIASES
    flags = _FLAGS

    #: Set before `initialize`.
    options: HopxConfig
    make_sandbox: MakeSandbox

    def load_config_file(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `config.load_config` has read the files."""

    def init_profile_dir(self) -> None:
        """Nothing: a profile is IPython's, and IPython runs in the sandbox."""

    def init_config_files(self) -> None:
        """Nothing, as above."""

    def init_pdb(self) -> None:
        """Nothing: code is debugged in the sandbox."""

    def init_path(self) -> None:
        """Nothing: no user code is imported here."""

    def init_blackhole(self) -> None:
        """Let the package log as the application does; nothing is sent to the null device."""
        logger = logging.getLogger(__package__)
        logger.parent = self.log
        logger.setLevel(self.log.level)

    def init_io(self) -> None:
        """Leave this process's streams alone: no user code prints to them."""
        self.displayhook = SimpleNamespace()

    def init_signal(self) -> None:
        """Take a stray SIGINT for an interrupt.

        Not by ignoring it, which every process that is started from here would inherit.
        """
        signal.signal(signal.SIGINT, self._on_sigint)

    def _on_sigint(self, *_: object) -> None:
        if self.kernel is not None:
            self.kernel.interrupt_from_signal()

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """Bind the iopub channel, with a queue for each subscriber that is small and does not drop."""
        socket = context.socket(zmq.XPUB)
        socket.linger = 1000
        socket.sndhwm = QUEUE_MESSAGES
        self._apply_curve_server_options(socket)
        self.iopub_port = self._bind_socket(socket, self.iopub_port)
        self.configure_tornado_logger()
        self.iopub_thread = FlowControlledIOPubThread(socket, pipe=False, session=self.session)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    def init_kernel(self) -> None:
        """Create the kernel on the sockets."""
        shell_stream = ZMQStream(self.shell_socket, self.shell_channel_thread.io_loop)
        self.shell_channel_thread.shell_stream = shell_stream
        control_stream = ZMQStream(self.control_socket, self.control_thread.io_loop)
        self.control_thread.start()
        self.shell_channel_thread.start()
        self.kernel = HopxKernel.instance(
            self.make_sandbox,
            behind_server=has_server_limits(self.options, os.environ.get("JPY_SESSION_NAME")),
            parent=self,
            options=self.options,
            session=self.session,
            control_stream=control_stream,
            shell_stream=shell_stream,
            debug_shell_socket=self.debug_shell_socket,
            control_thread=self.control_thread,
            shell_channel_thread=self.shell_channel_thread,
            iopub_thread=self.iopub_thread,
            iopub_socket=self.iopub_socket,
            stdin_socket=self.stdin_socket,
            log=self.log,
        )
        self.kernel.record_ports({f"{name}_port": port for name, port in self._ports.items()})

    def start(self) -> None:
        """Serve until a shutdown is asked for."""
        if self.poller is not None:
            self.poller.start()
        anyio.run(self.kernel.serve)


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
