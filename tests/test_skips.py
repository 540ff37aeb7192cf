"""A skip that is on no list fails where CI is set, and every skip is told with its reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .skips import ALLOWED

ROOT = Path(__file__).resolve().parent.parent

TESTS = """
import pytest
def test_says_so(): pytest.skip("no balloon")
@pytest.mark.skipif(True, reason="no rope")
def test_is_marked(): pass
@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail(): assert 0
"""
MODULE = "import pytest\npytest.importorskip('no_such_library')\n"


def run_pytest(directory: Path, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(directory), "-p", "tests.skips"]
    variables = {key: value for key, value in os.environ.items() if key != "CI"} | environment
    done = subprocess.run(
        [*command, "--continue-on-collection-errors", str(directory)],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "test_single.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "test_module.py").write_text(MODULE, encoding="utf-8")
    return tmp_path


def test_skips_are_the_last_lines_with_their_reasons(directory: Path) -> None:
    code, output = run_pytest(directory)
    last = output.partition("not run here")[2]
    assert code == 0
    for words in ("test_says_so: no balloon", "test_is_marked: no rope", "test_module.py: could not import"):
        assert words in last
    assert "3 skipped, 1 xfailed" in last.splitlines()[-1]


def test_skip_that_is_on_no_list_fails_where_ci_is_set(directory: Path) -> None:
    code, output = run_pytest(directory, CI="true")
    assert code == 1 and "1 failed, 1 xfailed, 2 errors" in output.splitlines()[-1]


def test_list_names_tests_that_there_are() -> None:
    for pattern in ALLOWED:
        path, _, name = pattern.partition("::")
        assert f"def {name.rstrip('*')}" in (ROOT / path).read_text(encoding="utf-8")
