"""The namespace around a sandbox's own, which makes sure of its end. Imports the standard library only.

A sandbox's process 1 dies with its parent because it asked the kernel for it, and what has asked can be made to ask for
the contrary. So bubblewrap runs in bubblewrap: the inner one, which makes the sandbox, is the first process of a pid
namespace of its own. It is to die with the outer one, which is to die with this program; with it the kernel ends
everything below. The code in the sandbox can neither see nor signal nor trace either of them: they have no number there.

It is also where the sandbox's writable directories are made, by ``mount``, since bubblewrap cannot limit how many files
they hold. Where there is no ``mount``, or it fails, they are those that the outer bubblewrap has made there before.
"""

from __future__ import annotations

import shutil

from .layout import writable_arguments
from .options import SandboxOptions

__all__ = ["MOUNTED_AT", "can_be_guarded", "guarded_command"]

#: Where they are mounted: a directory that every system has, and whose content no sandbox sees.
MOUNTED_AT = "/sys"

#: The first process in the namespace: it mounts what the table in ``$2`` says and becomes the rest of its arguments.
_MOUNT = '"$1" -a -T "$2" >/dev/null 2>&1; shift 2; exec "$@"'

_PROGRAMS = "/usr/bin:/bin:/usr/sbin:/sbin"


def guarded_command(
    bwrap: str, options: SandboxOptions, told: list[str], table: int, inner: list[str], files: dict[str, str]
) -> list[str]:
    """The command that makes a sandbox, `inner`, made to run in a pid namespace around it.

    `told` are more arguments for the outer bubblewrap; `table` is the descriptor of the writable directories' table;
    `files` are files of this computer's, by the path in the namespace where `inner` finds them.
    """
    shown = [argument for path, source in files.items() for argument in ("--ro-bind", source, path)]
    mount = shutil.which("mount", path=_PROGRAMS)
    return [
        *(bwrap, *told, "--unshare-user", "--unshare-pid", "--die-with-parent", "--as-pid-1"),
        # Root in the namespace, which ``mount`` asks for; it may do there what it has to, and hand on that it is.
        *("--uid", "0", "--gid", "0", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETFCAP"),
        *("--dev-bind", "/", "/", "--tmpfs", MOUNTED_AT, *writable_arguments(options, MOUNTED_AT), *shown, "--"),
        *(["/bin/sh", "-c", _MOUNT, "sh", mount, f"/proc/self/fd/{table}"] if mount else []),
        *inner,
    ]


def can_be_guarded() -> bool:
    """Whether bubblewrap may run in bubblewrap, as far as that shows.

    Where AppArmor allows namespaces by a program's path, what bubblewrap starts has no rights to make more of them.
    """
    try:
        with open("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", encoding="ascii") as file:
            return file.read().strip() == "0"
    except OSError:
        return True
