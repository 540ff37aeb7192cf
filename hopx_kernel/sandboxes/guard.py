"""The namespace around a sandbox's own, which makes sure of its end. Imports the standard library only.

A sandbox's process 1 dies with its parent because it asked the kernel for it, and what has asked can be made to ask for
the contrary. So bubblewrap runs in bubblewrap: the inner one, which makes the sandbox, is the first process of a pid
namespace of its own. It is to die with the outer one, which is to die with this program; with it the kernel ends
everything below. The code in the sandbox can neither see nor signal nor trace either of them: they have no number there.
"""

from __future__ import annotations

__all__ = ["can_be_guarded", "guarded_command"]


def guarded_command(bwrap: str, arguments: list[str], inner: list[str]) -> list[str]:
    """The command that makes a sandbox, `inner`, made to run in a pid namespace around it.

    `arguments` are more of them for the outer bubblewrap.
    """
    return [
        *(bwrap, *arguments, "--unshare-user", "--unshare-pid", "--die-with-parent", "--as-pid-1"),
        *("--dev-bind", "/", "/", "--", *inner),
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
