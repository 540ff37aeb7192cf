"""Which interpreters a local sandbox can use, and what of the host that shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hopx_kernel.errors import SandboxStartError
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.interpreter import Interpreter, find_interpreter
from hopx_kernel.sandboxes.local import LocalSandbox

from .inside import bash, python

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment in a project with other files, with a package of its own and one installed editable."""
    project = tmp_path_factory.mktemp("project")
    project.chmod(0o755)
    (project / "secret.txt").write_text("of the project")
    source = project / "source"
    source.mkdir()
    (source / "editable_package.py").write_text("SECRET = 'of the source tree'")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    packages = next((project / ".venv").glob("lib/python*/site-packages"))
    (packages / "own_package.py").write_text("NAME = 'own'")
    (packages / "__editable__.pth").write_text(f"{source}\n")
    return project / ".venv"


async def test_environment_gives_its_interpreter_and_packages(environment: Path) -> None:
    async with LocalSandbox(SandboxOptions(environment=str(environment))) as sandbox:
        assert sandbox.python == f"{environment}/bin/python"
        outcome = await python(sandbox, "import own_package, sys; print(own_package.NAME, sys.prefix)")
        assert outcome.stdout == f"own {environment}\n"


async def test_project_around_the_environment_does_not_show(environment: Path) -> None:
    async with LocalSandbox(SandboxOptions(environment=str(environment))) as sandbox:
        outcome = await bash(sandbox, 'ls -A "$1"', str(environment.parent))
        assert outcome.stdout == ".venv\n"
        outcome = await python(sandbox, "import editable_package")
        assert "ModuleNotFoundError" in outcome.stderr


async def test_packages_of_an_environment_are_added_to_another_interpreter(environment: Path) -> None:
    options = SandboxOptions(python="/usr/bin/python3", environment=str(environment))
    async with LocalSandbox(options) as sandbox:
        outcome = await python(sandbox, "import own_package, sys; print(own_package.NAME, sys.prefix)")
        assert outcome.stdout == "own /usr\n"


@pytest.mark.parametrize("name", ["/usr/bin/python3", "python3.11"])
async def test_interpreter_of_the_system_works(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    async with LocalSandbox(SandboxOptions(python=name)) as sandbox:
        outcome = await python(sandbox, "import sys, json, ssl; print(sys.prefix)")
        assert outcome.stdout == "/usr\n"
        shown = await bash(sandbox, "ls -A / | tr '\\n' ' '")
        assert set(shown.stdout.split()) <= {
            *("app", "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "tmp", "usr"),
            *("var", "workspace"),
        }


async def test_path_with_symbolic_links_works_as_it_is_spelled(environment: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "relative").symlink_to(Path("..") / "absolute")
    (tmp_path / "absolute").symlink_to(environment.parent)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    spelled = tmp_path / "link" / "relative" / ".venv"
    async with LocalSandbox(SandboxOptions(environment=str(spelled))) as sandbox:
        assert sandbox.python == f"{spelled}/bin/python"
        outcome = await python(sandbox, "import own_package, sys; print(own_package.NAME, sys.prefix)")
        assert outcome.stdout == f"own {spelled}\n"
        assert (await bash(sandbox, 'ls -A "$1"', str(tmp_path))).stdout == "absolute\nlink\nreal\n"


def other_pythons() -> list[str]:
    """Interpreters of other versions: on PATH, or installed beside this one."""
    beside = [str(path) for path in Path(sys.base_prefix).parent.glob("3.*/bin/python3")]
    named = [shutil.which(f"python3.{minor}") for minor in range(6, 16)]
    return sorted({path for path in [*beside, *named] if path and Path(path).resolve().read_bytes()[:2] != b"#!"})


@pytest.mark.parametrize("path", other_pythons())
async def test_interpreter_of_another_version_works_or_is_too_old(path: str) -> None:
    version = subprocess.run([path, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=True)
    major, minor = map(int, version.stdout.split())
    sandbox = LocalSandbox(SandboxOptions(python=path))
    if (major, minor) < (3, 9):
        with pytest.raises(SandboxStartError, match="older than 3.9"):
            await sandbox.start()
        return
    async with sandbox:
        outcome = await python(sandbox, "import sys, ssl, ctypes; print(*sys.version_info[:2])")
        assert outcome.stdout.split() == [str(major), str(minor)]
        await sandbox.write_file("file", b"data")
        assert await sandbox.read_file("file") == b"data"


@pytest.mark.parametrize("place", ["/tmp", "/var/tmp"])
async def test_environment_in_a_directory_that_is_writable_inside_stays_read_only(
    environment: Path, place: str
) -> None:
    async with LocalSandbox(SandboxOptions(environment=str(environment))) as sandbox:
        outcome = await bash(sandbox, 'touch "$1/written"', str(environment))
        assert "Read-only file system" in outcome.stderr
        assert (await bash(sandbox, 'touch "$1/written"', place)).returncode == 0


def test_prefix_within_a_prefix_is_shown_once(tmp_path: Path) -> None:
    inner = tmp_path / "installation" / "envs" / "inner"
    (inner / "bin").mkdir(parents=True)
    (tmp_path / "installation" / "bin").mkdir()
    (tmp_path / "installation" / "bin" / "python").touch()
    (inner / "bin" / "python").symlink_to("../../../bin/python")
    interpreter = Interpreter(str(inner / "bin" / "python"), [str(inner), str(tmp_path / "installation")], [])
    assert interpreter.trees == [str(tmp_path / "installation")]
    assert interpreter.links == {}


def test_prefix_in_the_system_is_not_shown_again() -> None:
    assert Interpreter("/usr/bin/python3", ["/usr", "/usr/local"], []).trees == []


def test_program_whose_interpreter_was_named_by_a_way_around_makes_sandboxes(environment: Path) -> None:
    code = (
        "import anyio\nfrom hopx_kernel.sandboxes.local import LocalSandbox\nasync def main():\n"
        "    async with LocalSandbox() as sandbox: print(sandbox.python)\nanyio.run(main)"
    )
    python = f"{environment}/lib/../bin/python"
    paths = [str(Path(__file__).parents[2]), *(path for path in sys.path if path.endswith("site-packages"))]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    outcome = subprocess.run([python, "-c", code], env=environ, capture_output=True, text=True, timeout=180)
    assert (outcome.stdout, outcome.stderr) == (f"{environment}/bin/python\n", "")


def test_interpreter_of_this_program_is_taken_when_none_is_named() -> None:
    assert find_interpreter(SandboxOptions()).path == sys.executable
