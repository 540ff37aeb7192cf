"""Try the package with the lowest versions that it says it works with, in a virtual environment of their own.

    python scripts/lowest_versions.py DIRECTORY [pytest argument ...]

The versions are read from pyproject.toml: of ``name>=1.2`` it is 1.2, for what the package needs and for the extra
``arrow``. What the tests themselves need may be as new as it likes, as long as it leaves these as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent

#: What runs these tests. Neither JupyterLab nor a browser: they need newer versions of their own.
TOOLS = (
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "hypothesis",
    "html5lib",
    "nbconvert",
    "packaging",
    "psutil",
    "selectolax",
)
#: The tests make zones by it, which pandas of that time cannot read from a newer one.
OLD_TOOLS = ("python-dateutil<3",)

#: One of each: the wire, what output may do, kernels, widgets, progress, the library with its values.
TESTS = (
    *("tests/protocol", "tests/test_config.py", "tests/trust/test_markup.py", "tests/trust/test_markdown.py"),
    *("tests/trust/test_properties.py", "tests/trust/test_widgets.py", "tests/trust/test_fuzz.py"),
    *("tests/kernel/test_execute.py", "tests/kernel/test_interrupt.py", "tests/kernel/test_requests.py"),
    *("tests/kernel/test_stdin.py", "tests/kernel/test_output.py", "tests/kernel/test_history.py"),
    *("tests/progress/test_bars.py", "tests/progress/test_header.py", "tests/widgets/test_relay.py"),
    *("tests/library/test_commands.py", "tests/library/test_exact_values.py", "tests/library/test_transfer.py"),
)


def main(directory: str, *arguments: str) -> int:
    """Exit code of the tests."""
    python = Path(directory).absolute() / "bin" / "python"
    pins = Path(directory) / "lowest.txt"
    lowest = "".join(f"{pin}\n" for pin in lowest_versions())
    if not pins.exists() or pins.read_text(encoding="utf-8") != lowest:
        venv.create(directory, clear=True, with_pip=True)
        pins.with_suffix(".new").write_text(lowest, encoding="utf-8")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "-c", pins.with_suffix(".new"), "--editable", ".[arrow]", *TOOLS, *OLD_TOOLS], cwd=ROOT, check=True
        )
        pins.with_suffix(".new").rename(pins)
    # Versions of that time warn of what has come since; the tests with today's versions fail for warnings.
    options = ["-W", "default", "-p", "no:cacheprovider", "-q", *arguments, *TESTS]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run([str(python), "-m", "pytest", *options], cwd=ROOT, env=environment, check=False).returncode


def lowest_versions() -> list[str]:
    """The requirements, each at its floor: ``anyio==4.16``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["arrow"]])
    return [f"{each.name}=={floor_of(each)}" for each in requirements if each.marker is None or each.marker.evaluate()]


def floor_of(requirement: Requirement) -> str:
    """The lowest version that a requirement allows. Raises `ValueError` where it names none."""
    floors = [specifier.version for specifier in requirement.specifier if specifier.operator in (">=", "==", "~=")]
    if len(floors) != 1:
        raise ValueError(f"{requirement} names no lowest version")
    return floors[0]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
