"""The sandbox that starts before the options are read is the one that the options would have made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hopx_kernel.config import HopxConfig
from hopx_kernel.kernel.prestart import default_runner_options, is_configured, prestart
from hopx_kernel.sandboxes.options import SandboxOptions


def test_defaults_are_those_of_the_configuration() -> None:
    config = HopxConfig()
    assert config.kind == "local"
    assert config.sandbox_options() == SandboxOptions()
    assert config.runner_options() == default_runner_options(SandboxOptions())


@pytest.mark.parametrize(
    ("argv", "environ", "configured"),
    [
        ([], {}, False),
        (["-f", "connection.json", "--debug"], {"PATH": "/bin"}, False),
        (["--HopxConfig.network=True"], {}, True),
        (["--HopxConfig.env", "A=B"], {}, True),
        ([], {"HOPX_KIND": "process"}, True),
    ],
)
def test_any_option_is_noticed(
    jupyter_environment: dict[str, str], argv: Sequence[str], environ: dict[str, str], configured: bool
) -> None:
    assert is_configured(argv, environ) is configured


@pytest.mark.parametrize("ending", ["py", "json"])
def test_configuration_file_is_noticed(jupyter_environment: dict[str, str], ending: str) -> None:
    path = Path(jupyter_environment["JUPYTER_CONFIG_DIR"], f"jupyter_hopx_kernel_config.{ending}")
    path.write_text("", encoding="utf-8")
    try:
        assert is_configured([], {})
    finally:
        path.unlink()


def test_nothing_is_started_where_an_option_is_set() -> None:
    assert prestart(["--HopxConfig.kind=process"], {}) is None


def test_nothing_heavy_is_imported_before_the_sandbox_starts(jupyter_environment: dict[str, str]) -> None:
    code = """
import json, os, sys
from hopx_kernel.__main__ import main
from hopx_kernel.kernel.prestart import prestart
spawned = prestart([], {})
print(json.dumps([name for name in ("traitlets", "asyncio", "anyio", "IPython", "ipykernel") if name in sys.modules]))
spawned.process.kill()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []
