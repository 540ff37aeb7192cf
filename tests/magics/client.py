"""Kernels whose cells have ``%%sandbox``, and what their outcomes say."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

from tests.kernel.client import Kernel, Outcome

ROOT = Path(__file__).resolve().parents[2]

__all__ = [
    "DOORS",
    "ROOT",
    "Kernel",
    "Outcome",
    "PythonKernel",
    "complete",
    "ok",
    "refused",
    "shown",
    "was_interrupted",
]


class PythonKernel(Kernel):
    """ipykernel in a process of its own, with the extension; interrupted by SIGINT, as Jupyter does it."""

    def __init__(self, cwd: Path | None = None) -> None:
        super().__init__(env={"PYTHONPATH": str(ROOT)})
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager = KernelManager()
        self.manager._kernel_spec = KernelSpec(argv=argv, language="python", display_name="Python")
        self._cwd = cwd

    def __enter__(self) -> PythonKernel:
        self.manager.start_kernel(env=self._env, cwd=str(self._cwd or os.getcwd()))  # noqa: PTH109
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        assert self.run("%load_ext hopx_kernel").content["status"] == "ok"
        return self

    def press_interrupt(self) -> None:
        """The toolbar's Stop."""
        self.manager.interrupt_kernel()


#: The kernels through which the magics are used: an ordinary one, and this package's, whose cells are in a sandbox.
DOORS: dict[str, Callable[[Path], Kernel]] = {"python": PythonKernel, "hopx": lambda _: Kernel()}


def ok(outcome: Outcome) -> Outcome:
    """The outcome, which is to be a success."""
    assert outcome.content["status"] == "ok", (outcome.content, outcome.text("stderr"))
    return outcome


def refused(outcome: Outcome) -> str:
    """What a cell says that ends in a `UsageError`: once, on stderr, as IPython does."""
    assert outcome.content.get("ename") == "UsageError", outcome.content
    evalue: str = outcome.content["evalue"]
    assert outcome.text("stderr") == f"UsageError: {evalue}\n" and outcome.contents("error") == []
    return evalue


def shown(outcome: Outcome) -> str:
    """The plain text of everything that was displayed, and of its updates."""
    return "\n".join(
        content["data"].get("text/plain", "")
        for msg_type in ("display_data", "update_display_data")
        for content in outcome.contents(msg_type)
    )


def was_interrupted(outcome: Outcome) -> bool:
    """Whether it ended by an interrupt: in an ordinary kernel that is the sandbox's error, raised here."""
    ename, evalue = outcome.content.get("ename"), outcome.content.get("evalue", "")
    return ename == "KeyboardInterrupt" or (ename == "RemoteExecutionError" and evalue.startswith("KeyboardInterrupt"))


def complete(kernel: Kernel, code: str) -> list[str]:
    """What completes code at its end."""
    content = kernel.reply(kernel.client.complete(code, len(code)))["content"]
    assert content["cursor_end"] == len(code)
    matches: list[str] = content["matches"]
    return matches
