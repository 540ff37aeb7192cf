"""Which Python runs in a sandbox, and which directories of the host that shows. Imports the standard library only."""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterator

from ..errors import SandboxStartError
from .options import SandboxOptions

__all__ = ["STORES", "Interpreter", "find_interpreter", "is_system"]

#: Stores of systems that keep every library under a path of its own, and link to them from everywhere.
STORES = ("/nix/store", "/gnu/store")

#: Directories that hold other things than an interpreter, whoever installed one there.
_SHARED = ("/", "/home", "/root", "/etc", "/var", "/tmp", "/run", "/srv", "/mnt", "/media")

_MAX_LINKS = 256


class Interpreter:
    """A Python, and what of the host it needs beside the system.

    Attributes
    ----------
    path : str
        Where it is, in the sandbox as on the host.
    trees : list of str
        Its environment and its installation: real paths, none within another.
    links : dict of str
        Symbolic links outside of the trees, with their targets, which make `path` and the prefixes work as spelled.
    packages : list of str
        Directories to import from beside its own.
    """

    def __init__(self, path: str, prefixes: list[str], packages: list[str]) -> None:
        self.path = path
        self.packages = packages
        self.trees: list[str] = []
        links: dict[str, str] = {}
        python = _resolve(path, links)
        resolved = {_resolve(prefix, links) for prefix in prefixes} | {_parent(_parent(python))}
        shown = ["/usr", *STORES]
        for tree in sorted(resolved):
            if os.path.isdir(tree) and not is_system(tree) and not _is_within(tree, shown):
                _refuse_shared(tree)
                self.trees.append(tree)
                shown.append(tree)
        # Links inside what is shown are there already; so are those of the system, such as /bin.
        self.links = {
            link: target for link, target in links.items() if not is_system(link) and not _is_within(link, shown)
        }

    @property
    def is_called_python(self) -> bool:
        """Whether ``python`` in its own directory is this interpreter, or one of the same installation and environment."""
        python = os.path.join(os.path.dirname(self.path), "python")
        return os.path.realpath(python) == os.path.realpath(self.path)


def find_interpreter(options: SandboxOptions) -> Interpreter:
    """The interpreter that the options name.

    Raises `SandboxStartError` when there is none, or it lies so that it cannot be shown without a home directory.
    """
    if options.python is None and options.environment is None:
        # A `..` in it would lead nowhere in a sandbox, which lacks the directory in front of it.
        own = os.path.abspath(sys.executable)
        return Interpreter(own, [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix], [])
    environment = os.path.abspath(os.path.expanduser(options.environment)) if options.environment else None
    named = os.path.expanduser(options.python) if options.python else f"{environment}/bin/python"
    path = shutil.which(named)
    if path is None:
        raise SandboxStartError(
            f"There is no Python interpreter {named!r} on this computer.",
            "Set `python` to an interpreter's path, or `environment` to the directory of a virtual environment.",
        )
    path = os.path.abspath(path)
    _refuse_script(path)
    prefixes = [*_prefixes(path)]
    packages: list[str] = []
    if environment is not None:
        prefixes.append(environment)
        if options.python is not None:
            packages = sorted(glob.glob(f"{glob.escape(environment)}/lib/python*/site-packages"))
    return Interpreter(path, prefixes, packages)


def is_system(path: str) -> bool:
    """Whether it is one of the names beside /usr that hold programs and libraries: /bin, /sbin, /lib, /lib64, ..."""
    return path in ("/bin", "/sbin") or (path.startswith("/lib") and "/" not in path[1:])


def _prefixes(python: str) -> Iterator[str]:
    """Prefixes of an interpreter that is not this one: its environment's, and its installation's."""
    prefix = _parent(_parent(python))
    try:
        with open(f"{prefix}/pyvenv.cfg", encoding="utf-8") as file:
            settings = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in file)}
    except OSError:
        pass
    else:
        yield prefix
        if "home" in settings:
            yield _parent(settings["home"])
    yield _parent(_parent(os.path.realpath(python)))


def _resolve(path: str, links: dict[str, str]) -> str:
    """`path` without symbolic links; every link on the way goes to `links`, so that `path` itself works inside."""
    done, todo = "/", [part for part in path.split("/") if part]
    for _ in range(_MAX_LINKS):
        if not todo:
            return done
        part = todo.pop(0)
        if part in (".", ".."):
            done = _parent(done) if part == ".." else done
            continue
        step = os.path.join(done, part)
        if not os.path.islink(step):
            done = step
            continue
        target = links[step] = os.readlink(step)
        todo = [piece for piece in target.split("/") if piece] + todo
        done = "/" if target.startswith("/") else done
    raise SandboxStartError(f"The symbolic links of {path} lead in a circle.", "Set `python` to an interpreter's path.")


def _refuse_script(path: str) -> None:
    with open(path, "rb") as file:
        if file.read(2) != b"#!":
            return
    raise SandboxStartError(
        f"{path} is a script that looks for an interpreter, and what it needs for that is not in the sandbox.",
        f"Set `python` to the interpreter itself, which this prints: {path} -c 'import sys; print(sys.executable)'",
    )


def _refuse_shared(tree: str) -> None:
    home = os.path.realpath(os.path.expanduser("~"))
    if tree in _SHARED or _is_within(home, [tree]):
        raise SandboxStartError(
            f"The Python interpreter is installed into {tree}: to show it to a sandbox would show what else is there.",
            "Set `python` or `environment` to one that has a directory of its own.",
        )


def _is_within(path: str, trees: list[str]) -> bool:
    return any(path == tree or path.startswith(tree + "/") for tree in trees)


def _parent(path: str) -> str:
    return os.path.dirname(path)
