"""The wheel: what it brings, and that it works where nothing but it was installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target), cwd=ROOT)
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel; its dependencies are those of this one."""
    # Not the temporary directory itself, which is for its owner only: a sandbox that root starts does not run as root.
    target = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(target)
    python = target / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        str(wheel),
    )
    here, there = (Path(paths["purelib"]) for paths in (sysconfig.get_paths(), paths_of(python)))
    # A plain path: the editable install's own .pth file in it is not read from there.
    (there / "dependencies.pth").write_text(f"{here}\n", encoding="utf-8")
    return target


def run(*command: str, cwd: Path | None = None) -> str:
    """Standard output of a command that must succeed, without this checkout on its path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd or "/", env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def paths_of(python: Path) -> dict[str, str]:
    code = "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))"
    paths: dict[str, str] = json.loads(run(str(python), "-c", code))
    return paths


def test_wheel_holds_the_typed_package_and_the_front_end(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "hopx_kernel/py.typed" in names
    assert "hopx_kernel/protocol/PROTOCOL.md" in names
    front_end = {Path(name).suffix for name in names if name.startswith("hopx_kernel/static/")}
    assert front_end == {".js", ".css"}
    assert not [name for name in names if "test" in Path(name).parts or "node_modules" in name]


def test_wheel_brings_the_kernelspec_and_its_logos(installed: Path) -> None:
    spec = installed / "share" / "jupyter" / "kernels" / "hopx"
    content = json.loads((spec / "kernel.json").read_text(encoding="utf-8"))
    assert content["display_name"] == "Python (HopX sandbox)"
    assert content["interrupt_mode"] == "message"
    # jupyter_client puts the running interpreter in its place.
    assert content["argv"][0] == "python"
    assert {"logo-svg.svg", "logo-32x32.png", "logo-64x64.png"} <= {path.name for path in spec.iterdir()}


def test_package_is_imported_from_the_wheel(installed: Path) -> None:
    code = "import hopx_kernel, pathlib; print(pathlib.Path(hopx_kernel.__file__).is_relative_to(__import__('sys').prefix))"
    assert run(str(installed / "bin" / "python"), "-c", code) == "True\n"


def test_install_writes_a_kernelspec_below_a_prefix(installed: Path, tmp_path: Path) -> None:
    python = str(installed / "bin" / "python")
    run(python, "-m", "hopx_kernel", "install", "--prefix", str(tmp_path))
    spec = KernelSpecManager(kernel_dirs=[str(tmp_path / "share" / "jupyter" / "kernels")]).get_kernel_spec("hopx")
    assert spec.argv[0] == python
    assert Path(spec.resource_dir, "logo-svg.svg").is_file()


def test_installed_kernel_runs_a_cell(installed: Path, tmp_path: Path) -> None:
    run(str(installed / "bin" / "python"), "-m", "hopx_kernel", "install", "--prefix", str(tmp_path))
    specs = KernelSpecManager(kernel_dirs=[str(tmp_path / "share" / "jupyter" / "kernels")])
    manager = KernelManager(kernel_name="hopx", kernel_spec_manager=specs)
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=120)
        reply = client.execute_interactive("6 * 7", user_expressions={"r": "6 * 7"}, timeout=120, output_hook=print)
        assert reply["content"]["user_expressions"]["r"]["data"]["text/plain"] == "42"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
