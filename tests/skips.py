"""What may be skipped, and why; every other skip is a failure where CI is set.

A pytest plugin. The last lines before the closing one name each skip with its reason, so that a test which proves
nothing anywhere is seen.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from fnmatch import fnmatchcase

import pytest

__all__ = ["ALLOWED"]

#: Tests that some machines cannot run, with what no project can bring to them. Patterns of node ids.
ALLOWED = {
    "tests/runner/test_network.py::test_nothing_is_said_where_there_is_a_network": "the machine itself must have a network",
    "tests/library/test_commands.py::test_python_is_the_sandbox_s_python_*": "the system must have a Python of its own",
    "tests/library/test_guide.py::test_timeout_*": "the guide's sample is written for Python 3.11 and newer",
    "tests/runner/test_odd_values.py::test_traceback_of_a_hundred_thousand_calls_*": "Python before 3.11 itself ends at so many calls",
    "tests/sandboxes/test_cgroup.py::test_processes_that_are_in_it_*": "the system must have control groups to be had",
    "tests/sandboxes/test_memory_bound.py::test_end_of_a_sandbox_whose_*": "the system must have control groups to be had",
    "tests/sandboxes/test_memory_bound.py::test_connections_*": "the system must let TCP hold more than a sandbox may",
    "tests/sandboxes/test_isolation.py::test_switches_of_the_kernel_*": "the system's kernel must have the switch",
    "tests/kernel/test_rest.py::test_interpreter_at_rest_*": "IPython before 9 imports some of it by itself",
}


def is_allowed(nodeid: str) -> bool:
    """Whether a test is on the list."""
    return any(fnmatchcase(nodeid, pattern) for pattern in ALLOWED)


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip that is not on the list."""
    if not os.environ.get("CI") or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    if not is_allowed(report.nodeid):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped and is not on the list of tests/skips.py: {_reason(report)}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return words.removeprefix("Skipped: ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at a test's own skip."""
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at the skip of a whole module."""
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """List the skips last, under everything that other plugins and pytest itself have to say."""
    yield
    skipped = [report for report in terminalreporter.getreports("skipped") if isinstance(report.nodeid, str)]
    if not skipped:
        return
    terminalreporter.section("not run here")
    for report in skipped:
        note = "" if is_allowed(report.nodeid) else " (not on the list of tests/skips.py)"
        terminalreporter.line(f"{report.nodeid}: {_reason(report)}{note}")
