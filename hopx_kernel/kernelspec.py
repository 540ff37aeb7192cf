"""Lets Jupyter know the kernel: writes and removes its kernelspec."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager

__all__ = ["DISPLAY_NAME", "KERNEL_NAME", "install", "kernel_json", "main", "uninstall"]

KERNEL_NAME = "hopx"
DISPLAY_NAME = "Python (HopX sandbox)"

_LOGOS = ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg")


def kernel_json(display_name: str = DISPLAY_NAME) -> dict[str, Any]:
    """The kernelspec, run by the interpreter that runs this."""
    return {
        "argv": [sys.executable, "-m", "hopx_kernel", "-f", "{connection_file}"],
        "display_name": display_name,
        "language": "python",
        "interrupt_mode": "message",
        "kernel_protocol_version": "5.5",
        "metadata": {"debugger": False},
    }


def _logo_directory() -> Path | None:
    """Where the logos are: in a checkout beside the package, installed under the interpreter's prefix."""
    installed = Path(sys.prefix) / "share" / "jupyter" / "kernels" / KERNEL_NAME
    for directory in (Path(__file__).resolve().parent.parent / "kernelspec", installed):
        if (directory / _LOGOS[0]).is_file():
            return directory
    return None


def install(
    name: str = KERNEL_NAME, display_name: str = DISPLAY_NAME, *, user: bool = False, prefix: str | None = None
) -> str:
    """Write the kernelspec; gives its directory.

    Parameters
    ----------
    user : bool
        Into the user's own Jupyter directory.
    prefix : str, optional
        Into an environment's directory. Without both, into the system's.

    Raises
    ------
    OSError
        The directory cannot be written.
    ValueError
        The name has characters that a kernel's name cannot have.
    """
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory)
        spec = json.dumps(kernel_json(display_name), indent=2) + "\n"
        (source / "kernel.json").write_text(spec, encoding="utf-8")
        logos = _logo_directory()
        for logo in _LOGOS if logos is not None else ():
            shutil.copyfile(logos / logo, source / logo)  # type: ignore[operator] # checked in the line above
        source.chmod(0o755)
        target: str = KernelSpecManager().install_kernel_spec(directory, kernel_name=name, user=user, prefix=prefix)
    return target


def uninstall(name: str = KERNEL_NAME) -> str:
    """Remove the kernelspec; gives the directory it was in. Raises `KeyError` where there is none."""
    try:
        removed: str = KernelSpecManager().remove_kernel_spec(name)
    except KeyError as exc:
        raise KeyError(f"there is no kernel {name!r}") from exc
    return removed


def main(argv: list[str]) -> int:
    """``install`` or ``uninstall`` with their options; gives the exit code."""
    options = _parser().parse_args(argv)
    try:
        if options.command == "uninstall":
            sys.stdout.write(f"Removed {uninstall(options.name)}\n")
            return 0
        prefix = sys.prefix if options.sys_prefix else options.prefix
        target = install(options.name, options.display_name, user=options.user, prefix=prefix)
    except PermissionError as exc:
        sys.stderr.write(f"{exc}\nTry --user, or --sys-prefix in a virtual environment.\n")
        return 1
    except (KeyError, ValueError, OSError) as exc:
        sys.stderr.write(f"{exc.args[0] if isinstance(exc, KeyError) else exc}\n")
        return 1
    sys.stdout.write(f"Installed the kernel {options.display_name!r} in {target}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hopx_kernel")
    commands = parser.add_subparsers(dest="command", required=True)
    to_install = commands.add_parser("install", help="let Jupyter know the kernel")
    where = to_install.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for this user")
    where.add_argument("--sys-prefix", action="store_true", help="for the environment of this interpreter")
    where.add_argument("--prefix", help="for the environment in this directory")
    to_install.add_argument("--name", default=KERNEL_NAME, help="the kernel's name (%(default)s)")
    to_install.add_argument("--display-name", default=DISPLAY_NAME, help="how Jupyter shows it (%(default)s)")
    to_remove = commands.add_parser("uninstall", help="undo that")
    to_remove.add_argument("--name", default=KERNEL_NAME, help="the kernel's name (%(default)s)")
    return parser
