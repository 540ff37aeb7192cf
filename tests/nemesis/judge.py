"""Whether what a cell gave is whole and the truth."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.kernel.client import Kernel, Outcome

__all__ = ["PROBE", "STATED_SECONDS", "announces_loss", "check_lines", "check_whole", "lines"]

#: The time that a reply may take after a fault, in seconds. The product's own deadlines are far below it, and a machine
#: that is slow is given its time.
STATED_SECONDS = 60.0

#: A cell that tells whether what earlier cells have set is still there.
PROBE = "print('kept' in globals())"

#: Errors that say that everything which cells had set is gone.
_LOSSES = ("SandboxLostError", "SandboxStartError", "InterpreterDied", "KernelRestarted", "SandboxLimitError")

#: What the next cell says on stderr of a loss that no cell was told of.
_NOTICES = ("fresh sandbox", "The interpreter died")


def check_whole(kernel: Kernel, msg_id: str, outcome: Outcome) -> None:
    """Check a request's messages: busy first, idle last and once, one reply, an error where it failed and only there."""
    late = kernel._early.get(msg_id, [])
    assert not late, f"after idle came {[message['msg_type'] for message in late]}"
    assert msg_id not in kernel._replies, "a second reply"
    states = [state for state in outcome.types if state in ("busy", "idle")]
    assert states[0] == "busy" and states[-1] == "idle" and states.count("idle") == 1, outcome.types
    status = outcome.content["status"]
    errors = outcome.contents("error")
    if status == "error":
        assert len(errors) == 1 and errors[0]["ename"] == outcome.content["ename"], (outcome.content, errors)
        assert errors[0]["evalue"] or errors[0]["ename"] == "KeyboardInterrupt"
    else:
        assert status in ("ok", "aborted") and not errors, (outcome.content, errors)


def announces_loss(outcomes: Iterable[Outcome]) -> bool:
    """Whether any of these cells said that variables were lost."""
    for outcome in outcomes:
        content = outcome.content
        if content.get("status") == "error" and content.get("ename") in _LOSSES:
            return True
        if content.get("status") == "error" and "its interpreter was ended" in content.get("evalue", ""):
            return True
        if any(words in outcome.text("stderr") for words in _NOTICES):
            return True
    return False


def lines(outcome: Outcome) -> list[int]:
    """The numbers of the counted lines (``line 5``) that a cell has shown."""
    return [int(number) for number in re.findall(r"^line (\d+)$", outcome.text(), re.MULTILINE)]


def check_lines(outcome: Outcome) -> int:
    """Check that counted lines came in order and once, without a gap that nobody told of; gives how many were counted."""
    shown = lines(outcome)
    if shown != list(range(len(shown))):
        told = sum(int(number.replace(",", "")) for number in re.findall(r"(\d[\d,]*) lines?", outcome.text("stderr")))
        assert shown == sorted(set(shown)) and told >= shown[-1] + 1 - len(shown), (shown[:5], shown[-5:], told)
        return shown[-1] + 1
    return len(shown)
