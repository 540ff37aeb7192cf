"""The moments at which a kernel is struck: each brings it there, and knows what is to come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.kernel.client import Kernel, Message

from .processes import find, strike, wait_for, wait_gone

__all__ = ["PHASES", "Moment"]

#: How long a cell goes on after it has begun, in seconds, where nothing happens to it.
GOES_ON_SECONDS = 1.0


@dataclass
class Moment:
    """Where a kernel was brought.

    Attributes
    ----------
    cell : str
        The msg_id of the execute_request that goes on; empty where none does.
    request : str
        The msg_id of another request that waits for its reply; empty where none does.
    """

    cell: str = ""
    request: str = ""


def _begun(kernel: Kernel, code: str, text: str = "begun", allow_stdin: bool = False) -> Moment:
    """Send a cell and wait until it has printed something, which stays to be collected."""
    cell = kernel.send(code, allow_stdin=allow_stdin)
    seen: list[Message] = kernel.wait_for_text(cell, text).messages
    kernel._early.setdefault(cell, [])[:0] = seen
    return Moment(cell)


def _idle(kernel: Kernel, role: str) -> Moment:
    return Moment()


def _printing(kernel: Kernel, role: str) -> Moment:
    code = (
        f"import time\nend, i = time.monotonic() + {GOES_ON_SECONDS}, 0\n"
        "while time.monotonic() < end:\n    print('line', i); i += 1\n    if i % 100 == 0: time.sleep(0.01)\n"
    )
    return _begun(kernel, code, "line 9")


def _computing(kernel: Kernel, role: str) -> Moment:
    code = (
        f"import time\nprint('begun', flush=True)\nend = time.monotonic() + {GOES_ON_SECONDS}\n"
        "while time.monotonic() < end: sum(range(1000))\n"
    )
    return _begun(kernel, code)


def _asking(kernel: Kernel, role: str) -> Moment:
    moment = _begun(kernel, "print('begun', flush=True)\nprint('got', input('name? '))", allow_stdin=True)
    kernel.question()
    return moment


def _progressing(kernel: Kernel, role: str) -> Moment:
    code = (
        f"import time\nprint('begun', flush=True)\nfor i in track(range(int({GOES_ON_SECONDS} / 0.02)), 'work'):\n"
        "    time.sleep(0.02)\n"
    )
    return _begun(kernel, code)


def _completing(kernel: Kernel, role: str) -> Moment:
    kernel.run(
        f"import time\nclass Slow:\n    def __dir__(self): time.sleep({GOES_ON_SECONDS}); return ['attribute']\nslow = Slow()"
    )
    request = kernel.request("complete_request", {"code": "slow.", "cursor_pos": 5})
    kernel.wait_for_arrival()
    return Moment(request=request)


def _starting(kernel: Kernel, role: str) -> Moment:
    """Lose the sandbox, and send a cell for which the next one starts."""
    lost = [find(kernel.process, each) for each in ("bwrap", "launcher", "supervisor", "interpreter")]
    strike(wait_for(kernel.process, "bwrap"), "KILL")
    assert wait_gone([process for process in lost if process is not None]) == []
    return Moment(kernel.send("print('ran')"))


def _restarting(kernel: Kernel, role: str) -> Moment:
    """Let the interpreter end, so that the supervisor makes another one."""
    return Moment(kernel.send("import os; os._exit(7)"))


#: By name: bring a kernel there, where this role is to be struck.
PHASES: dict[str, Callable[[Kernel, str], Moment]] = {
    "starting": _starting,
    "idle": _idle,
    "printing": _printing,
    "computing": _computing,
    "input": _asking,
    "progress": _progressing,
    "completing": _completing,
    "restarting": _restarting,
}
