"""What tests of all areas share: anyio's backend, the installed kernelspec, hypothesis' profile."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

#: What may be skipped, with the list of it at the end, what runs side by side, and the end of what hangs.
pytest_plugins = ("tests.skips", "tests.sharing", "tests.hangs")

ROOT = Path(__file__).resolve().parent.parent

# Examples are few, always the same and without a deadline: these run beside real processes on small machines, and what
# fails must fail again. HYPOTHESIS_PROFILE=deep looks longer, at others each time.
settings.register_profile(
    "default", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """SIGINT interrupts: a shell's job in the background ignores it, and what is ignored is inherited by children too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def jupyter_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Empty Jupyter directories for this process and its children, so that no test sees or changes the user's own."""
    root = tmp_path_factory.mktemp("jupyter")
    environment = {
        "JUPYTER_PATH": str(root / "share"),
        "JUPYTER_DATA_DIR": str(root / "data"),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "IPYTHONDIR": str(root / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    for path in list(environment.values())[:-1]:
        Path(path).mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        yield environment


@pytest.fixture(scope="session")
def hopx_kernelspec(jupyter_environment: dict[str, str]) -> str:
    """Name of a kernelspec of this checkout's kernel, run by this interpreter; found through ``JUPYTER_PATH``."""
    target = Path(jupyter_environment["JUPYTER_PATH"]) / "kernels" / "hopx"
    shutil.copytree(ROOT / "kernelspec", target)
    spec = target / "kernel.json"
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace('"python"', f'"{sys.executable}"', 1), encoding="utf-8")
    return "hopx"
