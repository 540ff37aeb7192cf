"""Markup that takes long is made harmless in a process of its own, which is given so much time and memory and no more.

A parser holds the interpreter, or runs where nothing can stop it; a process can be ended at any moment. One is started
for each bundle that needs it, and nothing is left of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from .kinds import LeftOut, Outcome, clean_value
from .notices import size

__all__ = ["Cleaner", "main"]

#: What the process may take, in seconds and bytes.
TIMEOUT_SECONDS = 15
_CPU_SECONDS = 8
_MEMORY_BYTES = 2 << 30

_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from hopx_kernel.trust.worker import main; main()"


class Cleaner:
    """Cleans the heavy values of bundles. May be used by any thread."""

    def __init__(self, network: bool = False) -> None:
        self._network = network
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._interrupted: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_stopped = False

    def stop(self) -> None:
        """End what is being cleaned; it and what comes until `resume` is left out."""
        with self._lock:
            self._is_stopped = True
            for process in self._processes:
                process.kill()
            self._interrupted |= self._processes

    def resume(self) -> None:
        """Clean again."""
        self._is_stopped = False

    def clean(self, heavy: Mapping[str, str]) -> dict[str, Outcome]:
        """What becomes of values, by type. Blocks, and never for longer than `TIMEOUT_SECONDS`."""
        request = json.dumps({"network": self._network, "values": heavy}).encode("ascii")
        answer, why = self._run(request)
        if answer is None:
            return {mime: LeftOut(f"{mime} of {size(len(text))} was not shown: {why}") for mime, text in heavy.items()}
        return {mime: _read(entry) for mime, entry in answer.items()}

    def _run(self, request: bytes) -> tuple[dict[str, Any] | None, str]:
        with self._lock:
            if self._is_stopped:
                return None, "it was interrupted"
            # Isolated from the environment and without `site`: a start of some ten milliseconds.
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps([entry for entry in sys.path if entry])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._processes.add(process)
        try:
            answer, _ = process.communicate(request, TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return None, f"it could not be made harmless within {TIMEOUT_SECONDS} s"
        finally:
            with self._lock:
                self._processes.discard(process)
                was_interrupted = process in self._interrupted
                self._interrupted.discard(process)
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if process.returncode == 0:
            return json.loads(answer), ""
        if was_interrupted:
            return None, "it was interrupted"
        return None, f"it could not be made harmless in {_CPU_SECONDS} s and {size(_MEMORY_BYTES)} of memory"


def _read(entry: dict[str, Any]) -> Outcome:
    return LeftOut(entry["reason"]) if "reason" in entry else dict(entry["shown"])


def main() -> None:
    """Be the process: a request comes by stdin, and goes out by stdout as what became of it."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads(sys.stdin.buffer.read())
    answer = {}
    for mime, text in request["values"].items():
        outcome = clean_value(mime, text, request["network"], at_once=False)
        answer[mime] = {"reason": outcome.reason} if isinstance(outcome, LeftOut) else {"shown": outcome}
    sys.stdout.buffer.write(json.dumps(answer).encode("ascii"))
