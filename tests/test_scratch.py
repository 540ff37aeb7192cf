"""Directories that go with their process, tried by ending processes that have one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from hopx_kernel.scratch import ScratchDirectory, sweep

#: What never comes ends here; a machine that is slow is given its time.
TIMEOUT_SECONDS = 60

HOLDER = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which who starts it apart from a terminal has it ignore
from hopx_kernel.scratch import ScratchDirectory
scratch = ScratchDirectory(sys.argv[1])
(scratch.path / "with space").mkdir()
(scratch.path / "with space" / "file").write_text("x")
print(scratch.path, flush=True)
sys.stdin.read()
"""


def start_holder(tmp_path: Path, prefix: str = "held-") -> tuple[subprocess.Popen[str], Path]:
    """A process with a directory, and the directory."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, prefix],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert holder.stdout is not None
    return holder, Path(holder.stdout.readline().rstrip("\n"))


def end(holder: subprocess.Popen[str]) -> None:
    holder.wait(TIMEOUT_SECONDS)
    for stream in (holder.stdin, holder.stdout):
        assert stream is not None
        stream.close()


def wait_empty(directory: Path) -> bool:
    """Whether a directory is empty, soon at the latest."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (names := list(directory.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not names


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_directory_goes_with_a_process_that_is_ended(tmp_path: Path, signum: int) -> None:
    holder, path = start_holder(tmp_path)
    assert (path / "with space" / "file").exists() and path.stat().st_mode & 0o777 == 0o700
    watches = psutil.Process(holder.pid).children()
    os.killpg(holder.pid, signum)  # of the whole group, as a terminal does it
    end(holder)
    assert wait_empty(tmp_path)
    assert psutil.wait_procs(watches, TIMEOUT_SECONDS)[1] == []


def test_watch_outlives_signals_that_end_its_process(tmp_path: Path) -> None:
    holder, _ = start_holder(tmp_path)
    (watch,) = psutil.Process(holder.pid).children()
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        watch.send_signal(signum)
    holder.kill()
    end(holder)
    assert wait_empty(tmp_path)


def test_names_that_a_shell_would_read_are_names(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    (tmp_path / "temporary").mkdir()
    holder, path = start_holder(tmp_path / "temporary", "$(touch x) ; * '\"keep-")
    assert path.exists()
    holder.kill()
    end(holder)
    assert wait_empty(tmp_path / "temporary")
    assert (tmp_path / "keep").exists()


def test_close_removes_it_at_once_and_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(psutil.Process().children())
    scratch = ScratchDirectory("closed-")
    (scratch.path / "file").write_text("x", encoding="utf-8")
    scratch.close()
    scratch.close()
    assert list(tmp_path.iterdir()) == []
    assert set(psutil.Process().children()) <= before  # those of others may have ended


def test_directory_that_cannot_be_made_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    before = set(psutil.Process().children())
    with pytest.raises(FileNotFoundError):
        ScratchDirectory("never-")
    assert set(psutil.Process().children()) <= before  # those of others may have ended


def test_directory_that_nobody_holds_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = ScratchDirectory("swept-")
    left, new, linked = tmp_path / "swept-left", tmp_path / "swept-new", tmp_path / "swept-link"
    other = tmp_path / "other-left"
    for each in (left, new, other):
        each.mkdir()
        (each / "file").touch()
    linked.symlink_to(other)
    for each in (held.path, left, other):
        os.utime(each, (1, 1))
    sweep("swept-")
    assert not left.exists()
    assert held.path.exists() and new.exists() and linked.exists() and (other / "file").exists()
    held.close()
