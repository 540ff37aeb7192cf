"""An ordinary Python kernel, as ``%load_ext hopx_kernel`` finds it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

from tests.kernel.client import Kernel, Outcome

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["ROOT", "Outcome", "PythonKernel", "ok"]


class PythonKernel(Kernel):
    """ipykernel in a process of its own; interrupted by SIGINT, as Jupyter does it."""

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


def ok(outcome: Outcome) -> Outcome:
    """The outcome, which is to be a success."""
    assert outcome.content["status"] == "ok", (outcome.content, outcome.text("stderr"))
    return outcome
