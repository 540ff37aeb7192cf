"""What a ``usage_request`` is answered with: memory and processor time of the kernel and everything it has started."""

from __future__ import annotations

import os
import socket
from typing import Any

__all__ = ["Usage"]


class Usage:
    """Measures; processor time counts from one call to the next."""

    def __init__(self) -> None:
        self._processes: dict[int, Any] = {}

    def measure(self) -> dict[str, Any]:
        """The content of a ``usage_reply``; memory in bytes, processor time in per cent of one processor."""
        content: dict[str, Any] = {"hostname": socket.gethostname(), "pid": os.getpid(), "cpu_count": os.cpu_count()}
        try:
            import psutil  # by the first request: few front ends ask
        except ImportError:  # it is of use for nothing else
            return content
        root = psutil.Process()
        present = [root, *root.children(recursive=True)]
        # The same objects each time: they remember how much time there was before.
        self._processes = {each.pid: self._processes.get(each.pid, each) for each in present}
        cpu = memory = 0.0
        for process in self._processes.values():
            try:
                cpu += process.cpu_percent()
                memory += self._memory_bytes(process)
            except psutil.Error:  # it has just ended
                continue
        content.update(kernel_cpu=cpu, kernel_memory=int(memory))
        content["host_virtual_memory"] = dict(psutil.virtual_memory()._asdict())
        if host_cpu := psutil.cpu_percent():
            content["host_cpu_percent"] = host_cpu
        return content

    @staticmethod
    def _memory_bytes(process: Any) -> int:
        """The proportional set size, where the system tells it, else the resident one."""
        import psutil

        try:
            full = process.memory_full_info()
        except psutil.AccessDenied:
            full = process.memory_info()
        return int(getattr(full, "pss", full.rss))
