"""One fault at one moment, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.kernel.client import Kernel, Outcome

from .judge import PROBE, STATED_SECONDS, announces_loss, check_lines, check_whole
from .phases import PHASES, Moment
from .processes import ROLES, strike, wait_for

__all__ = ["DEADLINE", "OPTIONS", "PARTS", "STARTS_SOON", "Kernels", "check_fault", "finish", "settle"]

#: A silence is a loss soon, and an interrupt that does not help is answered soon.
OPTIONS = (
    "--HopxConfig.heartbeat_seconds=0.3",
    "--HopxConfig.loss_seconds=5",
    "--HopxConfig.interrupt_grace_seconds=0.5",
)

#: An interpreter that stands still is as a cell that computes for ever: its deadline ends it.
DEADLINE = "--HopxConfig.timeout_seconds=3"

#: What ends with its process whatever it was doing. Process 1 of a namespace gets no SIGSEGV from outside.
DEADLY = [("KILL", role) for role in ROLES[:-1]] + [("SEGV", role) for role in ROLES[:-1] if role != "launcher"]

PARTS = [role for role in ROLES if role != "kernel"]

#: A start that stands still is answered when its time is over, of which a machine that is slow is given enough.
STARTS_SOON = "--HopxConfig.start_timeout_seconds=10"

Kernels = Callable[..., AbstractContextManager[Kernel]]


def settle(kernel: Kernel) -> tuple[bool, list[Outcome]]:
    """Run probes until one succeeds; whether variables are there, and what the probes gave."""
    outcomes: list[Outcome] = []
    for _ in range(3):
        probe = kernel.send(PROBE)
        outcome = kernel.collect(probe, timeout=STATED_SECONDS)
        check_whole(kernel, probe, outcome)
        outcomes.append(outcome)
        if outcome.content["status"] == "ok":
            return outcome.text() == "True\n", outcomes
        assert announces_loss([outcome]), outcome.content
    raise AssertionError([outcome.content for outcome in outcomes])


def finish(kernel: Kernel, moment: Moment) -> list[Outcome]:
    """Collect what goes on, answering its question; gives the cell's outcome."""
    if moment.request:
        reply = kernel.reply(moment.request, STATED_SECONDS)
        assert reply["content"]["status"] in ("ok", "error")
        kernel.collect(moment.request, with_reply=False, timeout=STATED_SECONDS)
    if not moment.cell:
        return []
    outcome = kernel.collect(moment.cell, timeout=STATED_SECONDS)
    check_whole(kernel, moment.cell, outcome)
    check_lines(outcome)
    return [outcome]


def check_fault(kernel: Kernel, fault: str, role: str, phase: str) -> None:
    settle(kernel)
    assert kernel.run("kept = 1").content["status"] == "ok"
    moment = PHASES[phase](kernel, role)
    strike(wait_for(kernel.process, role), fault, (fault, role) in DEADLY)
    if phase == "input":
        kernel.client.input("Ada")
    outcomes = finish(kernel, moment)
    kept, probes = settle(kernel)
    assert kept != announces_loss([*outcomes, *probes]), [one.content for one in outcomes + probes]
    if (fault, role) in DEADLY or phase in ("starting", "restarting"):
        assert not kept
    for outcome in probes:
        check_whole(kernel, outcome.reply["parent_header"]["msg_id"], outcome)
