"""The helpers of the sandbox by themselves, in every Python that is on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["PROLOGUE", "PYTHONS", "ROOT", "TIMEOUT_SECONDS", "run", "states"]

#: Longer than any of these programs takes, on a slow machine too.
TIMEOUT_SECONDS = 180

ROOT = Path(__file__).resolve().parent.parent.parent


def find_pythons() -> dict[str, str]:
    """One working interpreter of each version from 3.9 on, this one first; pyenv's shims are there and do not work."""
    named = (shutil.which(f"python3.{minor}") for minor in range(9, 16))
    candidates = [sys.executable, *filter(None, named), *map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3"))]
    found: dict[str, str] = {}
    for path in candidates:
        command = [
            path,
            "-c",
            "import sys; print('%d.%d' % sys.version_info[:2]) if sys.version_info >= (3, 9) else exit(1)",
        ]
        process = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
        if process.returncode == 0:
            found.setdefault(process.stdout.strip(), path)
    return found


PYTHONS = find_pythons()

#: Loads the helpers as the sandbox does, without the host's part of the package, and prints what they send.
PROLOGUE = f"""
import json, sys, types
package = types.ModuleType("hopx_kernel"); package.__path__ = [{str(ROOT / "hopx_kernel")!r}]
sys.modules["hopx_kernel"] = package
from hopx_kernel.runner import parents, progress as helpers
parents.set_last("run")
def send(msg_type, content): print("@" + json.dumps([msg_type, content, parents.get_parent_id()]))
helpers.install(send)
"""


def run(code: str, python: str = sys.executable) -> list[tuple[str, dict[str, Any], str]]:
    """Run code with the helpers; gives what was sent: type, content, run."""
    program = PROLOGUE + code + "\nhelpers.finish_run('run')\n"
    process = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    assert process.returncode == 0, process.stderr
    lines = [line[1:] for line in process.stdout.splitlines() if line.startswith("@")]
    return [(msg_type, content, run_id) for msg_type, content, run_id in map(json.loads, lines)]


def states(code: str) -> dict[str, tuple[Any, Any, str]]:
    """What was last said of each task: count, total, state."""
    reports = [content for kind, content, _ in run(code) if kind == "progress"]
    return {content["task"]: (content.get("current"), content.get("total"), content["state"]) for content in reports}
