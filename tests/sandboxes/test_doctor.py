"""The doctor says what works and, for what does not, the cause and the remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hopx_kernel.doctor import Check, main, run_checks
from hopx_kernel.sandboxes import SandboxOptions

from .test_start_errors import fake_bwrap

ROOT = Path(__file__).resolve().parents[2]


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_everything_that_local_sandboxes_need_works_here() -> None:
    checks = by_name(run_checks())
    assert all(check.ok for check in checks.values() if check.required)
    assert {"system", "Python", "bubblewrap", "sandbox", "limits", "pyzmq", "kernelspec"} <= set(checks)
    assert "runs Python 3." in checks["sandbox"].detail
    assert "doctor" not in checks


def test_what_holds_the_code_of_a_sandbox_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"end", "process 1", "system calls", "number of files"}
    checks = by_name(run_checks())
    assert {name for name in names if checks[name].ok} == names
    # A machine whose calls are not known, and a system that allows no namespace in another.
    monkeypatch.setattr("hopx_kernel.sandboxes.spawn.filter_program", lambda: None)
    monkeypatch.setattr("hopx_kernel.sandboxes.spawn.can_be_guarded", lambda: False)
    checks = by_name(run_checks())
    assert {name for name in names if checks[name].ok} == {"process 1"}
    assert all(checks[name].cause and checks[name].remedy for name in names - {"process 1"})
    assert checks["sandbox"].ok


def test_what_fails_has_a_cause_and_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bwrap = fake_bwrap(tmp_path / "bin", "bwrap: Can't mount proc on /newroot/proc: Operation not permitted")
    monkeypatch.setenv("PATH", str(bwrap.parent))
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    checks = by_name(run_checks())
    assert not checks["sandbox"].ok
    assert "masked" in checks["sandbox"].cause
    assert "unmask=ALL" in checks["sandbox"].remedy
    assert not checks["browser"].ok
    assert all(check.cause and check.remedy for check in checks.values() if not check.ok)


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_exit_code_is_one_when_local_sandboxes_do_not_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    bwrap = fake_bwrap(tmp_path / "bin", "bwrap: setting up uid map: Permission denied")
    monkeypatch.setenv("PATH", f"{bwrap.parent}:{os.environ['PATH']}")
    assert main(arguments) == 1
    output = capsys.readouterr().out
    assert "setting up uid map" in output
    if arguments:
        found = json.loads(output)
        assert found["works"] is False
        assert {"name", "ok", "detail", "cause", "remedy", "required"} == set(found["checks"][0])
    else:
        assert "FAIL  sandbox" in output
        assert "remedy:" in output
        assert output.rstrip().endswith("Local sandboxes do not work here.")


def test_interpreter_that_cannot_run_is_named() -> None:
    checks = by_name(run_checks(SandboxOptions(python="/bin/false")))
    assert not checks["sandbox"].ok
    assert checks["sandbox"].remedy


def test_interpreter_without_ipython_is_told_and_does_not_fail() -> None:
    checks = by_name(run_checks(SandboxOptions(python="/usr/bin/python3")))
    assert checks["sandbox"].ok
    assert not checks["IPython inside"].ok
    assert not checks["IPython inside"].required
    assert "pip install ipython" in checks["IPython inside"].remedy


def test_kernelspec_that_starts_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = tmp_path / "kernels" / "hopx"
    directory.mkdir(parents=True)
    spec = {"argv": ["/none/python", "-m", "hopx_kernel"], "display_name": "x", "language": "python"}
    (directory / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    check = by_name(run_checks())["kernelspec"]
    assert not check.ok
    assert "/none/python" in check.cause
    assert "hopx_kernel install" in check.remedy


def test_command_line_prints_the_checks() -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "hopx_kernel", "doctor"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "ok    sandbox" in outcome.stdout
    assert outcome.stdout.rstrip().endswith("Local sandboxes work.")
