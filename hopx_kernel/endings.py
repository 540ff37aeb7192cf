"""How runs end whose sandbox was lost. Imports the layers below."""

from __future__ import annotations

from typing import Any

from .errors import SandboxLostError, SandboxTimeoutError
from .protocol import Message
from .run import Run

__all__ = ["last_events", "missing_words"]


def missing_words(missing: tuple[int, int] | None) -> str:
    """What is said of text that has not come."""
    if missing is None:
        return "\nWhat was printed last may be missing."
    lines, characters = missing
    if not characters:
        return (
            "\nNothing that Python has printed is missing; what it has displayed or programs have written last may be."
        )
    amount = f"{characters:,} character{'s' * (characters != 1)}"
    if lines:
        amount = f"{lines:,} line{'s' * (lines != 1)} ({amount})"
    return (
        f"\nOf what was printed before, {amount} did not come through; "
        "what was displayed or programs have written last may be missing, too."
    )


def last_events(run: Run, lost: SandboxLostError | None, words: str) -> list[Message]:
    """How a run ends whose sandbox was lost: one error, its own where it had one, and one reply with the same."""
    evalue = str(lost) + words
    name = SandboxTimeoutError.__name__ if run.is_late else SandboxLostError.__name__
    error: dict[str, Any] = {"ename": name, "evalue": evalue, "traceback": []}
    told = Message("stream", {"name": "stderr", "text": f"\n{evalue}\n"}, parent_id=run.msg_id)
    if run.error is not None:
        error = {key: run.error[key] for key in error}
        first = told
    else:
        first = Message("error", dict(error), parent_id=run.msg_id)
    reply = {"status": "error", **error, "reason": "lost", "lost": evalue, "stopped": True, "kept": False}
    if run.is_late:
        reply.update(reason="timeout", stopped=False)
    return [first, Message("execute_reply", reply, parent_id=run.msg_id)]
