"""Faults of the kernel itself, and of its sandbox while it ends: nothing is left, and what goes on goes on."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from queue import Empty

import pytest

from tests.kernel.client import Kernel

from .faults import OPTIONS, PARTS, finish, settle
from .judge import STATED_SECONDS, announces_loss
from .phases import PHASES, Moment
from .processes import FAULTS, ROLES, TIMEOUT, strike, tree, wait_for, wait_gone


def test_matrix_is_whole() -> None:
    with_ends = len(PHASES) + 1
    assert (
        len(FAULTS) * (len(PARTS) * len(PHASES) + len(PARTS) + with_ends) == len(FAULTS) * len(ROLES) * with_ends == 180
    )


@pytest.mark.parametrize("role", PARTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_while_the_kernel_ends_leaves_nothing(jupyter_environment: dict[str, str], fault: str, role: str) -> None:
    with Kernel(*OPTIONS) as kernel:
        kernel.run("1")
        processes = tree(kernel.process)
        target = wait_for(kernel.process, role)
        request = kernel.client.session.msg("shutdown_request", {"restart": False})
        kernel.client.control_channel.send(request)
        strike(target, fault)
        reply = kernel.client.get_control_msg(timeout=STATED_SECONDS)
        assert reply["content"] == {"status": "ok", "restart": False}
        assert wait_gone(processes) == []


@pytest.mark.parametrize("phase", [*PHASES, "ending"])
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_the_kernel_itself(
    jupyter_environment: dict[str, str], tmp_path: Path, fault: str, phase: str
) -> None:
    options = (*OPTIONS, "--HopxConfig.output_limit=100kB") if phase == "idle" else OPTIONS
    with Kernel(*options, env={"TMPDIR": str(tmp_path)}) as kernel:
        assert kernel.run("kept = 1").content["status"] == "ok"
        if phase == "idle":  # with the whole of a cell's output in a file
            assert "All of it: " in kernel.run("for i in range(100_000): print('number', i)").text("stderr")
        process, processes, moment = kernel.process, tree(kernel.process), Moment()
        if phase == "ending":
            kernel.client.control_channel.send(kernel.client.session.msg("shutdown_request", {"restart": False}))
        else:
            moment = PHASES[phase](kernel, "kernel")
        processes += tree(process)
        strike(process, fault)
        if fault == "STOP":
            assert kernel_is_silent(kernel)
            strike(process, "KILL")
        if fault == "STOP then CONT" and phase != "ending":
            if phase == "input":
                kernel.client.input("Ada")
            outcomes = finish(kernel, moment)
            kept, probes = settle(kernel)
            assert kept != announces_loss([*outcomes, *probes])
            assert kept or phase in ("starting", "restarting")
            processes += tree(process)
            kernel.shut_down()
        assert wait_gone(processes) == []
        assert wait_removed(tmp_path)


def wait_removed(directory: Path) -> bool:
    """Whether a directory becomes empty: what removes a kernel's files goes on for a moment after its end."""
    deadline = time.monotonic() + TIMEOUT
    while any(directory.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(directory.iterdir())


def kernel_is_silent(kernel: Kernel) -> bool:
    """Whether a kernel that stands still answers nothing for a moment."""
    kernel.client.control_channel.send(kernel.client.session.msg("kernel_info_request", {}))
    with suppress(Empty):
        while True:
            reply = kernel.client.get_control_msg(timeout=0.2)
            if reply["msg_type"] == "kernel_info_reply":
                return False
    return True
