"""The runner's one file: what is in it, and when it is built anew."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hopx_kernel.runner.bundle import build_bundle

PACKAGE = Path(__file__).resolve().parent.parent.parent / "hopx_kernel"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package somewhere else, where its files can be changed."""
    target = tmp_path / "hopx_kernel"
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def build(package: Path, **environment: str) -> bytes:
    code = "import sys; from hopx_kernel.runner.bundle import build_bundle; sys.stdout.buffer.write(build_bundle())"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=package.parent,
        env={**environ, **environment},
        capture_output=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def kept(package: Path) -> list[Path]:
    return list((package / "runner" / "__pycache__").glob("bundle.*.zip"))


def test_bundle_holds_the_runner_under_another_name_and_nothing_of_the_host() -> None:
    bundle = build_bundle()
    names = zipfile.ZipFile(io.BytesIO(bundle)).namelist()
    assert {"__main__.py", "_hopx_runner/runner/main.py", "_hopx_runner/protocol/frames.pyc"} <= set(names)
    assert not [name for name in names if name.startswith("hopx_kernel") or "bundle" in name or "session" in name]
    assert str(PACKAGE).encode() not in bundle


def test_kept_bundle_is_the_built_one(copy: Path) -> None:
    built = build(copy)
    assert kept(copy)
    assert build(copy) == built


def has_change(bundle: bytes) -> bool:
    return zipfile.ZipFile(io.BytesIO(bundle)).read("_hopx_runner/runner/main.py").endswith(b"# changed\n")


def test_changed_module_is_bundled_anew(copy: Path) -> None:
    before = build(copy)
    module = copy / "runner" / "main.py"
    module.write_text(module.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    after = build(copy)
    assert not has_change(before)
    assert has_change(after)


def test_nothing_is_kept_where_python_keeps_no_bytecode(copy: Path) -> None:
    assert build(copy, PYTHONDONTWRITEBYTECODE="1")
    assert not kept(copy)


def test_bundle_is_built_once_where_nothing_is_kept(copy: Path) -> None:
    code = (
        "from hopx_kernel.runner.bundle import build_bundle; first = build_bundle(); "
        "print(build_bundle() is first); open('hopx_kernel/runner/main.py', 'a').write('# changed\\n'); "
        "import io, zipfile; sources = zipfile.ZipFile(io.BytesIO(build_bundle())); "
        "print(sources.read('_hopx_runner/runner/main.py').endswith(b'# changed\\n'))"
    )
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=copy.parent, env=environ, capture_output=True, timeout=60, check=True
    )
    assert done.stdout.split() == [b"True", b"True"]


def test_damaged_file_is_not_used(copy: Path) -> None:
    built = build(copy)
    (path,) = kept(copy)
    path.write_bytes(b"x" * 100)
    assert zipfile.ZipFile(io.BytesIO(build(copy))).namelist() == zipfile.ZipFile(io.BytesIO(built)).namelist()
