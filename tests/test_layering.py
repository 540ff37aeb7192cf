"""The arrows between the package's parts, proven by walking every import, also those inside functions."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "hopx_kernel"

#: What each part may import of the package. A part may only name parts above it, so there can be no circle between
#: parts. Imports for annotations alone (``if TYPE_CHECKING:``) do not count.
ALLOWED: dict[str, set[str]] = {
    # the ground: no I/O, nothing of Jupyter
    "_version": set(),
    "errors": set(),
    "loops": set(),
    "option_sources": set(),
    "scratch": set(),
    "protocol": {"errors"},
    "library.inside": set(),
    # pure stages of output
    "trust": set(),
    "kernel.shaping": set(),
    "kernel.spool": {"scratch"},
    "kernel.packages": set(),
    "library.lines": set(),
    "kernel.requests": set(),
    "progress": {"protocol"},
    # the sandbox's side, and the sandboxes
    "runner": {"errors", "library.inside", "protocol"},
    "sandboxes": {"errors", "protocol", "runner", "scratch"},
    "run": {"errors", "protocol"},
    "sender": {"errors"},
    "watchdog": set(),
    "endings": {"errors", "protocol", "run"},
    "exchange": {"endings", "errors", "protocol", "run", "sandboxes", "sender", "watchdog"},
    "session": {"errors", "exchange", "protocol", "run", "sandboxes"},
    "testing": {"errors", "protocol", "sandboxes"},
    # the library
    "library.pending": {"loops"},
    "library.bridge": {"library.pending", "loops"},
    "library.owner": {"library.bridge", "errors", "sandboxes"},
    "library.command": {"errors", "library.lines", "library.owner", "sandboxes"},
    "library.blocks": set(),
    "library.checks": set(),
    "library.streams": {
        *("library.blocks", "library.bridge", "library.command", "library.lines", "protocol"),
    },
    "library.commands": {
        *("library.bridge", "library.checks", "library.command", "errors", "library.lines", "library.streams"),
    },
    "library.carry": {"library.inside"},
    "library.conversation": {"library.carry", "library.checks", "errors", "library.owner", "sandboxes"},
    "library.files": {
        *("library.bridge", "library.carry", "library.checks", "library.conversation", "errors"),
        *("library.inside", "library.owner"),
    },
    "library.executions": {"errors", "library.lines", "library.owner", "protocol", "session"},
    "library.runs": {
        *("library.blocks", "library.bridge", "library.checks", "errors", "library.executions", "library.pending"),
        *("protocol", "session"),
    },
    "library.sandbox": {
        "library.blocks",
        "library.bridge",
        "library.checks",
        "library.commands",
        "errors",
        "library.files",
        "library.owner",
        "library.runs",
        "sandboxes",
    },
    "library.transfer": {"library.carry", "library.checks", "errors", "library.inside", "library.runs"},
    "magics": {
        "library.bridge",
        "library.carry",
        "errors",
        "library.inside",
        "progress",
        "protocol",
        "library.runs",
        "library.sandbox",
        "sandboxes",
        "library.transfer",
        "trust",
    },
    # the kernel
    "config": {"option_sources", "protocol", "sandboxes"},
    "kernel.history_file": set(),
    "kernel.history": {"kernel.history_file"},
    "kernel.wire": {"protocol"},
    "kernel.channels": set(),
    "kernel.connection": set(),
    "kernel.heartbeat": set(),
    "kernel.own_comms": set(),
    "kernel.parent": set(),
    "kernel.usage": set(),
    "kernel.stdin": {"kernel.channels", "kernel.wire"},
    "kernel.iopub": {"kernel.channels"},
    "kernel.crossing": {"loops"},
    "kernel.keeper": {"errors", "protocol", "sandboxes", "session"},
    "kernel.output": {"errors", "progress", "protocol", "kernel.requests", "kernel.shaping", "kernel.spool", "trust"},
    "kernel.arrivals": {"kernel.requests"},
    "kernel.outputs": {"config", "kernel.output", "progress", "sandboxes"},
    "kernel.replies": {"trust"},
    "kernel.voila": {"kernel.output", "progress", "kernel.requests"},
    "kernel.beside": {
        *("library.bridge", "config", "kernel.crossing", "errors", "library.inside", "magics", "kernel.output"),
        *("progress", "protocol", "library.runs", "library.sandbox"),
    },
    "kernel.execution": {
        *(
            "kernel.arrivals",
            "kernel.beside",
            "config",
            "errors",
            "kernel.history",
            "kernel.keeper",
            "kernel.output",
            "kernel.outputs",
            "kernel.replies",
            "progress",
            "protocol",
            "kernel.requests",
            "run",
            "sandboxes",
        ),
        *("kernel.packages", "session", "kernel.shaping", "kernel.spool", "trust", "kernel.voila"),
    },
    "kernel.comms": {
        *("trust", "errors", "kernel.execution", "kernel.output", "kernel.own_comms", "protocol", "kernel.requests"),
        "session",
    },
    "kernel.answers": {
        *(
            "_version",
            "kernel.comms",
            "config",
            "errors",
            "kernel.execution",
            "kernel.history",
            "kernel.output",
            "kernel.requests",
            "sandboxes",
            "session",
            "kernel.wire",
        ),
    },
    "kernel.kernel": {
        *(
            "kernel.answers",
            "kernel.channels",
            "kernel.comms",
            "config",
            "kernel.execution",
            "kernel.history",
            "kernel.iopub",
            "loops",
            "kernel.own_comms",
            "kernel.requests",
            "sandboxes",
        ),
        *("kernel.shaping", "kernel.stdin", "kernel.usage", "kernel.wire"),
    },
    "kernel.app": {
        *("config", "kernel.connection", "kernel.heartbeat", "kernel.kernel", "kernel.parent", "kernel.wire", "trust"),
    },
    "kernel.prestart": {"errors", "option_sources", "protocol", "sandboxes"},
    "kernel.launching": {"config", "errors", "sandboxes"},
    "kernelspec": set(),
    "doctor": {"errors", "kernelspec", "sandboxes"},
}

#: The doors: they import what they open.
DOORS = ("", "__main__", "kernel", "library")

#: Folders whose modules are parts of their own.
FOLDERS = ("kernel", "library")

#: What each part may import of others' packages; the standard library is free to all. A part that is not here may
#: import what this package depends on.
THIRD_PARTY: dict[str, set[str]] = {
    "errors": set(),
    "loops": set(),
    "scratch": set(),
    "protocol": set(),
    "library.inside": {"numpy", "pandas", "pyarrow"},
    # Of these only what the sandbox has, which may be nothing.
    "runner": {"IPython", "comm", "traitlets"},
    "trust": {"nh3"},
    "trust.css": {"tinycss2"},
    "trust.shown": {"tinycss2"},
    "trust.markdown": {"markdown_it", "mdit_py_plugins"},
    "kernel.shaping": set(),
    "kernel.spool": set(),
    # Of Jupyter's packages the kernel's own process takes none but traitlets and, for its directories, jupyter_core:
    # the others would be half of its memory.
    **{f"kernel.{name}": set() for name in ("arrivals", "history", "parent", "requests", "wire")},
    "kernel": {"anyio", "comm", "jupyter_core", "psutil", "traitlets", "zmq"},
    # Imported with the first line or cell of %sandbox.
    "kernel.beside": {"anyio", "IPython"},
    "progress": set(),
    "progress.view": {"ipywidgets", "anywidget", "traitlets"},
    "sandboxes": {"anyio"},
    "run": {"anyio"},
    "sender": {"anyio"},
    "watchdog": set(),
    "exchange": {"anyio"},
    "session": {"anyio"},
    "testing": {"anyio"},
    "library.sandbox": {"anyio"},
}

#: Who may import ipywidgets and anywidget.
WIDGETS = "progress.view"

#: Parts that run inside the sandbox too.
IN_THE_SANDBOX = ("errors", "library.inside", "protocol", "runner")

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """A module's dotted name below the package; the empty string for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Absolute names of what a module imports, ``hopx_kernel.`` for the package's own."""
    package = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-1]
    for node in _running(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            if node.level and base in {PACKAGE.name, *(f"{PACKAGE.name}.{folder}" for folder in FOLDERS)}:
                yield from (f"{base}.{alias.name}" for alias in node.names)
            else:
                yield (base if node.level else node.module) or ""


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one that can run, which those below ``if TYPE_CHECKING:`` cannot."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"):
            yield child
            yield from _running(child)


def part_of(name: str) -> str:
    """The part that a module, named below the package, belongs to."""
    first, *rest = name.split(".")
    return f"{first}.{rest[0]}" if first in FOLDERS and rest else first


def own_parts(path: Path) -> set[str]:
    prefix = f"{PACKAGE.name}."
    return {part_of(name.removeprefix(prefix)) for name in imports(path) if name.startswith(prefix)}


def third_parties(path: Path) -> set[str]:
    roots = {name.split(".")[0] for name in imports(path)}
    return roots - set(sys.stdlib_module_names) - {PACKAGE.name, "__future__"}


def allowance(table: dict[str, set[str]], name: str) -> set[str] | None:
    """The entry of a module: its own, else that of the package it lies in."""
    while name and name not in table:
        name = name.rpartition(".")[0]
    return table.get(name)


def test_table_names_only_parts_above() -> None:
    above: set[str] = set()
    for part, allowed in ALLOWED.items():
        assert allowed <= above, part
        above.add(part)


def test_table_knows_every_part() -> None:
    parts = {part_of(name_of(path)) for path in MODULES} - set(DOORS)
    assert parts == set(ALLOWED)


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p) not in DOORS], ids=name_of)
def test_module_imports_only_parts_below_it(path: Path) -> None:
    part = part_of(name_of(path))
    assert own_parts(path) - {part} <= ALLOWED[part]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_imports_only_the_libraries_of_its_part(path: Path) -> None:
    allowed = allowance(THIRD_PARTY, name_of(path))
    if allowed is not None:
        assert third_parties(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_widgets_are_imported_by_the_view_alone(path: Path) -> None:
    if not name_of(path).startswith(WIDGETS):
        assert not third_parties(path) & {"ipywidgets", "anywidget"}


@pytest.mark.parametrize("part", ["protocol", "errors"])
def test_protocol_is_free_of_io(part: str) -> None:
    used = {name.split(".")[0] for path in MODULES if part_of(name_of(path)) == part for name in imports(path)}
    assert not used & {
        "anyio",
        "asyncio",
        "socket",
        "threading",
        "subprocess",
        "select",
        "selectors",
        "ipykernel",
        "os",
    }


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(name_of(path)) in IN_THE_SANDBOX], ids=name_of)
def test_sandbox_code_is_python_3_9(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    late = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    unions = [
        node.lineno
        for top in ast.walk(tree)
        if isinstance(top, (ast.arg, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef))
        for annotation in [getattr(top, "annotation", None) or getattr(top, "returns", None)]
        if annotation is not None
        for node in ast.walk(annotation)
        if isinstance(node, ast.BinOp)
    ]
    assert late or not unions, f"`X | Y` in annotations at {unions} needs `from __future__ import annotations`"
