"""What runs in a sandbox."""

from __future__ import annotations

from hopx_kernel import Sandbox

__all__ = ["is_running"]


def is_running(sandbox: Sandbox, marker: str) -> bool:
    """Whether a process whose command line holds a marker is in the sandbox; the one that looks does not count."""
    script = (
        "import os, sys\n"
        "lines = [open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]\n"
        "print(any(sys.argv[1] in line for line in lines))\n"
    )
    return sandbox.commands.run(["python", "-c", script, marker]).stdout == "True\n"
