"""``python -m hopx_kernel``: launch the kernel (``-f FILE``), ``install``, ``uninstall``, ``doctor``, ``--version``.

Launching is what must be fast: the sandbox is started first, and the kernel is imported while it starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import HopxConfig
    from .sandboxes.base import BaseSandbox

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand, or the kernel; gives the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    command = arguments[0] if arguments else "--help"
    if command in ("install", "uninstall"):
        from . import kernelspec

        return kernelspec.main(arguments)
    if command == "doctor":
        from . import doctor

        code: int = doctor.main(arguments[1:])
        return code
    if command in ("--version", "-V"):
        from ._version import __version__

        print(f"hopx_kernel {__version__}")
        return 0
    if command in ("--help", "-h", "help"):
        print(_HELP)
        return 0
    if not command.startswith("-"):  # Jupyter's own arguments are options
        print(f"There is no command {command!r}.\n\n{_HELP}", file=sys.stderr)
        return 2
    launch(arguments)
    return 0


_HELP = """\
usage: python -m hopx_kernel COMMAND

  install [--user | --sys-prefix | --prefix DIR] [--name NAME] [--display-name NAME]
                      let Jupyter know the kernel
  uninstall [--name NAME]
                      undo that
  doctor              tell what works on this computer, and what to do about the rest
  -f FILE [OPTIONS]   launch the kernel on a connection file, as Jupyter does
  --version           tell the version
  --help-all          with every option of the kernel"""


def launch(argv: list[str]) -> None:
    """Launch the kernel: the sandbox first, then the rest."""
    # Where there is no stdin, stdout or stderr, nothing else is to be in their places, for somebody to write into.
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(fd)
    options, make_sandbox = prepare(argv)

    from .config import other_arguments
    from .kernel.app import KernelApp

    app = KernelApp.instance()
    app.options = options
    app.make_sandbox = make_sandbox
    app.initialize(other_arguments(argv))
    app.start()


def prepare(argv: list[str]) -> tuple[HopxConfig, Callable[[], BaseSandbox]]:
    """Start the first sandbox and read the options, in this order where there are none.

    What is wrong with either does not keep the kernel from starting: it is the answer to the first cell.
    """
    from .kernel.prestart import prestart

    spawned = prestart(argv, os.environ)

    from traitlets import TraitError

    from .config import HopxConfig, load_config
    from .errors import SandboxStartError
    from .kernel.launching import Launcher

    try:
        options = load_config(argv)
    except TraitError as exc:
        error = SandboxStartError(f"The kernel's configuration is wrong: {exc}", "Correct it and restart the kernel.")
        return HopxConfig(), Launcher(HopxConfig(), error).make_sandbox
    launcher = Launcher(options, spawned=spawned)
    launcher.prestart()
    return options, launcher.make_sandbox


if __name__ == "__main__":
    sys.exit(main())
