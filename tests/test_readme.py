"""The README is true: its options, commands and example."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hopx_kernel.config import HopxConfig

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """A section's text."""
    found = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def test_table_has_every_option_and_no_other() -> None:
    rows = [line.split("|")[1] for line in section("Configuration").splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    # What a sandbox of another kind is made of is told where that kind is.
    assert told == set(HopxConfig.class_trait_names(config=True)) - {"template"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:\$ |`)make ([a-z]+)", README))))
def test_make_target_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_library_s_example_runs() -> None:
    (code,) = re.findall(r"```python\n(from hopx_kernel import Sandbox.*?)```", README, re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    lines = [
        "now: step 0",
        "now: step 1",
        "now: step 2",
        "0 41",
        "this far",
        " True",
        "progress",
        "stream",
        "execute_reply",
    ]
    assert (done.stdout.splitlines(), done.stderr) == ([*lines, "42"], "")


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_linked_file_exists(path: str) -> None:
    assert (ROOT / path).is_file()
