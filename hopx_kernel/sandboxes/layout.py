"""What a local sandbox sees of the host's files, as arguments for bubblewrap.

Nothing is there but what is put there: a read-only system, the interpreter and its packages, and writable directories
of the sandbox's own. Imports the standard library only, since a kernel starts its sandbox before it imports anything
large.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import SandboxStartError
from .options import SandboxOptions

__all__ = ["Interpreter", "find_interpreter", "layout_arguments"]

#: Writable, each a tmpfs of its own.
WRITABLE_DIRECTORIES = ("/workspace", "/app", "/tmp")

#: What programs need of /etc to find libraries, certificates, fonts and names. Nothing of it says who uses the host.
_ETC_FILES = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "ssl/certs",
    "ssl/openssl.cnf",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "ca-certificates/extracted",
    "fonts",
    "mime.types",
    "protocols",
    "services",
    "terminfo",
)

#: With the host's network also what finds names on it.
_ETC_NETWORK_FILES = ("resolv.conf", "host.conf", "gai.conf")

#: Made up, so that the host's users and name do not show.
SYNTHETIC_FILES = {
    "/etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\nsandbox:x:1000:1000:sandbox:/workspace:/bin/sh\n",
    "/etc/group": "root:x:0:\nsandbox:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n",
    "/etc/hostname": "sandbox\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

#: Stores of systems that keep every library under a path of its own, and link to them from everywhere.
_STORES = ("/nix/store", "/gnu/store")


class Interpreter:
    """A Python and the directories that it needs.

    Attributes
    ----------
    path : str
        Where it is, in the sandbox as on the host.
    trees : list of str
        Its environment and its installation, where they are not the system's: real paths, none within another.
    links : dict of str
        Symbolic links outside of the trees, with their targets, which make `path` and the prefixes work as spelled.
    """

    def __init__(self, path: str, prefixes: list[str]) -> None:
        self.path = path
        self.trees: list[str] = []
        links: dict[str, str] = {}
        python = _resolve(path, links)
        resolved = {_resolve(prefix, links) for prefix in prefixes} | {os.path.dirname(os.path.dirname(python))}
        for tree in sorted(resolved):
            if not _is_within(tree, ["/usr", *_STORES, *self.trees]) and os.path.isdir(tree):
                _refuse_home(tree)
                self.trees.append(tree)
        # Links inside what is shown are there already; so are those of the system, such as /bin.
        shown = ["/usr", *_STORES, *self.trees]
        self.links = {
            link: target for link, target in links.items() if not _is_within(link, shown) and not _is_system(link)
        }


def find_interpreter(options: SandboxOptions) -> Interpreter:
    """The interpreter that the options name.

    Raises `SandboxStartError` when there is none, or it lies so that it cannot be shown without a home directory.
    """
    if options.python is None and options.environment is None:
        return Interpreter(sys.executable, [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix])
    named = options.python or os.path.join(str(options.environment), "bin", "python")
    path = shutil.which(os.path.expanduser(named))
    if path is None:
        raise SandboxStartError(
            f"There is no Python interpreter {named!r} on this computer.",
            "Set `python` to an interpreter's path, or `environment` to the directory of a virtual environment.",
        )
    path = os.path.abspath(path)
    with open(path, "rb") as file:
        if file.read(2) == b"#!":
            raise SandboxStartError(
                f"{path} is a script that finds a Python interpreter, and what it needs is not in the sandbox.",
                "Set `python` to the interpreter itself: the script prints it with -c 'import sys; print(sys.executable)'.",
            )
    prefixes = [*_prefixes(path)]
    if options.environment is not None:
        prefixes.append(os.path.abspath(os.path.expanduser(options.environment)))
    return Interpreter(path, prefixes)


def _prefixes(python: str) -> Iterator[str]:
    """Prefixes of an interpreter that is not this one: its environment's, and its installation's."""
    prefix = os.path.dirname(os.path.dirname(python))
    try:
        lines = Path(prefix, "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        pass
    else:
        yield prefix
        settings = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
        if "home" in settings:
            yield os.path.dirname(settings["home"])
    yield os.path.dirname(os.path.dirname(os.path.realpath(python)))


def layout_arguments(options: SandboxOptions, interpreter: Interpreter) -> list[str]:
    """Arguments that build the sandbox's files, without those whose content the host makes up."""
    arguments = [*_system(options.network)]
    size = [] if options.disk_bytes is None else ["--size", str(options.disk_bytes)]
    for path in WRITABLE_DIRECTORIES:
        arguments += [*size, "--perms", "1777" if path == "/tmp" else "0755", "--tmpfs", path]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    shared = [] if options.disk_bytes is None else ["--size", str(max(options.disk_bytes // 4, 1 << 16))]
    arguments += [*shared, "--perms", "1777", "--tmpfs", "/dev/shm"]
    # After the writable directories: an environment may well lie in one of them.
    for tree in interpreter.trees:
        arguments += ["--ro-bind", tree, tree]
    for path, target in interpreter.links.items():
        arguments += ["--symlink", target, path]
    return arguments


def _system(network: bool) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for path in filter(_is_system, sorted("/" + name for name in os.listdir("/"))):
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.isdir(path):
            yield from ("--ro-bind", path, path)
    for store in _STORES:
        if os.path.isdir(store):
            yield from ("--ro-bind", store, store)
    for name in _ETC_FILES + (_ETC_NETWORK_FILES if network else ()):
        path = "/etc/" + name
        if os.path.exists(path):
            yield from ("--ro-bind", os.path.realpath(path), path)
    if os.path.islink("/etc/localtime"):  # programs read the zone's name off the link
        yield from ("--symlink", os.readlink("/etc/localtime"), "/etc/localtime")
    yield from ("--symlink", "/tmp", "/var/tmp")


def _resolve(path: str, links: dict[str, str]) -> str:
    """`path` without symbolic links; every link on the way goes to `links`, so that `path` itself works inside."""
    done, todo = "/", [part for part in path.split("/") if part]
    for _ in range(256):  # the kernel follows 40
        if not todo:
            return done
        part = todo.pop(0)
        if part in (".", ".."):
            done = os.path.dirname(done) if part == ".." else done
            continue
        step = os.path.join(done, part)
        if not os.path.islink(step):
            done = step
            continue
        target = links[step] = os.readlink(step)
        todo = [piece for piece in target.split("/") if piece] + todo
        done = "/" if target.startswith("/") else done
    raise SandboxStartError(f"The symbolic links of {path} lead in a circle.", "Set `python` to an interpreter's path.")


def _is_system(path: str) -> bool:
    """Whether it is one of the names beside /usr that hold programs and libraries: /bin, /sbin, /lib, /lib64, ..."""
    return path in ("/bin", "/sbin") or (path.startswith("/lib") and "/" not in path[1:])


def _is_within(path: str, trees: list[str]) -> bool:
    return any(path == tree or path.startswith(tree + "/") for tree in trees)


def _refuse_home(tree: str) -> None:
    home = os.path.realpath(os.path.expanduser("~"))
    if tree == "/" or tree in ("/home", "/root", "/etc", "/var", "/tmp") or _is_within(home, [tree]):
        raise SandboxStartError(
            f"The Python interpreter is installed into {tree}, and showing it to the sandbox would show the files there.",
            "Set `environment` to a virtual environment of its own: python3 -m venv ~/.venvs/sandbox",
        )
