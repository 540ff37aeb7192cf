"""The README is true: its options, commands and example."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from jupyter_core.paths import jupyter_data_dir

from hopx_kernel.config import HopxConfig
from hopx_kernel.protocol import RunnerOptions

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """A section's text."""
    found = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def test_table_has_every_option_and_no_other() -> None:
    rows = [line.split("|")[1] for line in section("Configuration").splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    # What a sandbox of another kind is made of is told where that kind is.
    assert told == set(HopxConfig.class_trait_names(config=True)) - {"template"}


#: What the table says of options that have no one value by default.
NO_ONE_VALUE = {
    "the kernel's own": "",
    "half of the machine's": psutil.virtual_memory().total // 2,
    "Jupyter's data directory": "hopx_history.sqlite",
}
UNITS = {"MB": 10**6, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def value_of(text: str) -> object:
    """What a default in the table means: the text before an explanation, as code or as a size."""
    text = text.partition(":")[0].strip("`")
    number, _, unit = text.partition(" ")
    if unit in UNITS:
        return int(number) * UNITS[unit]
    return NO_ONE_VALUE[text] if text in NO_ONE_VALUE else ast.literal_eval(text.replace(",", ""))


def test_defaults_are_those_of_the_table() -> None:
    config = HopxConfig()
    have = {name: getattr(config, name) for name in HopxConfig.class_trait_names(config=True)}
    path = Path(config.history_path())
    assert path.parent == Path(jupyter_data_dir())
    have["history_file"] = path.name
    for line in section("Configuration").splitlines():
        if not line.startswith("| `"):
            continue
        names, defaults = (cell.strip() for cell in line.split("|")[1:3])
        options, told = re.findall(r"`(\w+)`", names), defaults.split(", ")
        for name, text in zip(options, told if len(told) > 1 else told * len(options), strict=True):
            is_about = name == "memory_limit"  # rounded by who reads it
            assert have[name] == (pytest.approx(value_of(text), rel=0.01) if is_about else value_of(text)), name


def test_sandboxes_of_the_library_have_the_times_of_the_table_too() -> None:
    for name in ("heartbeat_seconds", "loss_seconds", "start_timeout_seconds", "interrupt_grace_seconds"):
        assert getattr(RunnerOptions(), name) == getattr(HopxConfig(), name)


def made(*arguments: str) -> str:
    """The commands that ``make`` would run in a directory that has no virtual environment yet."""
    command = ["make", "--dry-run", "VENV=of-the-readme", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        ("lab", ["-m venv of-the-readme", "--editable '.[lab]'", "/jupyter lab", "examples/welcome.ipynb"]),
        ("dashboard", ["-m venv of-the-readme", "--editable '.[voila]'", "/voila examples/dashboard.ipynb"]),
        (
            "test",
            ["-m venv of-the-readme", "ruff check .", "/mypy", "check_frontend.py", "lowest_versions", "-m pytest --numprocesses 2"],
        ),
        ("lint", ["ruff check .", "ruff format --check .", "/mypy", "check_frontend.py"]),
        ("bench", ["-m benchmarks"]),
        ("doctor", ["-m hopx_kernel doctor"]),
        ("clean", ["rm -rf of-the-readme"]),
    ],
)  # fmt: skip
def test_make_does_what_the_readme_says(target: str, commands: list[str]) -> None:
    assert target in re.findall(r"(?:\$ |`)make ([a-z]+)", README)
    written = made(target)
    assert [command for command in commands if command not in written] == []


def test_make_knows_every_target_of_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:\$ |`)make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_make_test_runs_some_of_the_tests_and_as_many_side_by_side_as_it_is_told() -> None:
    (arguments,) = re.findall(r'`make test (ARGS="[^"]+")`', README)
    written = made("test", *shlex.split(arguments), "WORKERS=3")
    (command,) = [line for line in written.splitlines() if "-m pytest" in line]
    assert command.endswith(" tests/kernel -k interrupt") and "--numprocesses 3" in command
    assert "lowest_versions" not in written


def test_make_lab_shows_the_example_notebook_also_where_it_opens_no_browser() -> None:
    (command,) = [line for line in made("lab").splitlines() if "jupyter lab" in line]
    (path,) = [word for word in shlex.split(command) if word.endswith(".ipynb") and "=" not in word]
    assert (ROOT / path).is_file()
    # JupyterLab serves the notebook's directory.
    assert f"--LabApp.default_url=/lab/tree/{Path(path).name}" in shlex.split(command)


def test_python_that_the_readme_asks_for_is_what_the_package_asks_for() -> None:
    (version,) = re.findall(r"^On Linux, with Python (\S+) or newer:", README, re.MULTILINE)
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={version}"' in pyproject
    needed = ", ".join(version.split("."))
    assert f"sys.version_info < ({needed})" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_library_s_example_runs() -> None:
    (code,) = re.findall(r"```python\n(from hopx_kernel import Sandbox.*?)```", README, re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    lines = [
        "now: step 0",
        "now: step 1",
        "now: step 2",
        "0 41",
        "this far",
        " True",
        "progress",
        "stream",
        "execute_reply",
    ]
    assert (done.stdout.splitlines(), done.stderr) == ([*lines, "42"], "")


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_linked_file_exists(path: str) -> None:
    assert (ROOT / path).is_file()
