"""Which system calls a sandbox has: the filter's program run on every number, and calls tried in a real sandbox."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence

import pytest

from hopx_kernel.sandboxes.bpf import ALLOW, Check, build_filter, refuse
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.sandboxes.seccomp import ALLOWED, CHECKED, FORBIDDEN, filter_program
from hopx_kernel.sandboxes.system_calls import call_numbers

from .inside import python

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MAX_KERNEL_INSTRUCTIONS = 4096  # BPF_MAXINSNS


def verdict(program: bytes, number: int, arguments: Sequence[int] = (), arch: int = MACHINES["x86_64"]) -> int:
    """What the kernel would make of a call: an interpreter of those instructions that filters are made of."""
    words = [value & 0xFFFFFFFFFFFFFFFF for value in [*arguments, *[0] * 6][:6]]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *words)
    instructions = list(struct.iter_unpack("=HBBI", program))
    position = value = 0
    while True:
        code, if_true, if_false, constant = instructions[position]
        position += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, constant)
        elif code == 0x05:
            position += constant
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            position += if_true if holds else if_false


def verdict_on(name: str, *arguments: int, machine: str = "x86_64") -> int:
    """The errno that a call fails with, 0 where it is allowed."""
    program = filter_program(machine)
    assert program is not None
    found = verdict(program, call_numbers(machine)[name], arguments, MACHINES[machine])
    return 0 if found == ALLOW else found & 0xFFFF


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_has_its_verdict(machine: str) -> None:
    program = filter_program(machine)
    assert program is not None
    assert len(program) // 8 <= MAX_KERNEL_INSTRUCTIONS
    names = {number: name for name, number in call_numbers(machine).items()}
    for number in [*range(1024), 0x3FFFFFFF, 0x40000000, 0x40000027, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]:
        name = names.get(number, "")
        if name in CHECKED:
            continue
        right = ALLOW if name in ALLOWED else refuse(errno.EPERM if name in FORBIDDEN else errno.ENOSYS)
        assert verdict(program, number, arch=MACHINES[machine]) == right, (number, name)


def test_no_call_is_of_two_kinds_or_unknown() -> None:
    known = {name for machine in MACHINES for name in call_numbers(machine)}
    kinds = [ALLOWED, FORBIDDEN, frozenset(CHECKED)]
    assert sum(len(kind) for kind in kinds) == len(ALLOWED | FORBIDDEN | set(CHECKED))
    assert known >= ALLOWED | FORBIDDEN | set(CHECKED)


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_kernel(machine: str) -> None:
    known = {
        "x86_64": {"read": 0, "clone": 56, "ptrace": 101, "openat": 257, "prlimit64": 302, "statx": 332, "rseq": 334},
        "aarch64": {"read": 63, "clone": 220, "ptrace": 117, "openat": 56, "prlimit64": 261, "statx": 291, "rseq": 293},
    }[machine] | {
        "pidfd_send_signal": 424,
        "clone3": 435,
        "pidfd_getfd": 438,
        "landlock_restrict_self": 446,
        "mseal": 462,
    }
    numbers = call_numbers(machine)
    assert {name: numbers[name] for name in known} == known
    assert len(set(numbers.values())) == len(numbers)


@pytest.mark.parametrize("arch", [0x40000003, 0xC00000B7, 0])  # that of i386, another machine's, and none
def test_other_calling_convention_has_no_calls(arch: int) -> None:
    program = filter_program("x86_64")
    assert program is not None
    assert {verdict(program, number, arch=arch) for number in range(512)} == {refuse(errno.ENOSYS)}


def test_machine_that_is_not_known_has_no_filter() -> None:
    assert filter_program("vax") is None


@pytest.mark.parametrize("machine", MACHINES)
def test_new_namespace_is_refused_and_a_thread_is_not(machine: str) -> None:
    threads = 0x3D0F00  # what the C library starts one with
    assert verdict_on("clone", threads, machine=machine) == 0
    assert verdict_on("clone", 17, machine=machine) == 0
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict_on("clone", threads | bit, machine=machine) == errno.EPERM
        assert verdict_on("clone", 1 << 40 | bit, machine=machine) == errno.EPERM
    assert verdict_on("clone3", machine=machine) == errno.ENOSYS


FAMILIES = [(1, 0), (2, 0), (2, 6), (2, 17), (10, 58), (16, 0)]


def test_families_of_sockets() -> None:
    for family in range(64):
        allowed = verdict_on("socket", family, 1, 0) == 0
        assert allowed == (family in {1, 2, 10, 16})
        assert (verdict_on("socketpair", family, 1, 0) == 0) == (family == 1)
    assert verdict_on("socket", 40, 1, 0) == errno.EAFNOSUPPORT  # AF_VSOCK, of the host's own
    for family, protocol in FAMILIES:
        assert verdict_on("socket", family, 1, protocol) == 0
    for family, protocol in [(2, 132), (2, 33), (10, 262), (16, 6), (16, 9), (16, 12), (16, 16)]:
        assert verdict_on("socket", family, 1, protocol) == errno.EPROTONOSUPPORT


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("ioctl", (0, 0x5412), errno.EPERM),
        ("ioctl", (0, 1 << 32 | 0x5412), errno.EPERM),
        ("ioctl", (0, 0x5413), 0),
        ("personality", (0xFFFFFFFF,), 0),
        ("personality", (0x0400000,), errno.EPERM),
        ("prlimit64", (0,), 0),
        ("prlimit64", (1,), errno.EPERM),
        ("prlimit64", (2,), 0),
        ("setpriority", (0, 0, 5), 0),
        ("setpriority", (0, 1, 5), errno.EPERM),
        ("setpriority", (2, 0, 5), errno.EPERM),
        ("ioprio_set", (1, 1), errno.EPERM),
        ("ioprio_set", (3, 0), errno.EPERM),
        ("sched_setaffinity", (0,), 0),
        ("sched_setaffinity", (1,), errno.EPERM),
        ("sched_setscheduler", (1,), errno.EPERM),
        ("setsockopt", (3, 1, 2), 0),
        ("setsockopt", (3, 6, 7), 0),
    ],
)
def test_arguments_decide(name: str, arguments: tuple[int, ...], code: int) -> None:
    assert verdict_on(name, *arguments) == code


@pytest.mark.parametrize("machine", MACHINES)
def test_buffers_of_sockets_keep_their_size_and_all_else_of_them_is_set(machine: str) -> None:
    program = filter_program(machine)
    assert program is not None
    number = call_numbers(machine)["setsockopt"]
    found = {
        (level, option): verdict(program, number, (3, level, option), MACHINES[machine])
        for level in (0, 1, 6, 17, 41, 270)
        for option in range(80)
    }
    assert {key for key, value in found.items() if value == refuse(0)} == {(1, 7), (1, 8)}
    assert {value for key, value in found.items() if key not in {(1, 7), (1, 8)}} == {ALLOW}


def test_tree_of_any_size_finds_every_number() -> None:
    # So many ranges that a comparison cannot jump over half of them.
    verdicts: dict[int, int | tuple[Check, ...]] = dict.fromkeys(range(0, 2000, 2), ALLOW)
    program = build_filter(MACHINES["x86_64"], verdicts, refuse(errno.ENOSYS))
    for number in range(2002):
        right = ALLOW if number % 2 == 0 and number < 2000 else refuse(errno.ENOSYS)
        assert verdict(program, number) == right


CALLS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
found = {}
for name, number in eval(sys.argv[1]).items():
    found[name] = 0 if libc.syscall(number, *[ctypes.c_long(0)] * 6) != -1 else ctypes.get_errno()
print(found)
"""


@pytest.mark.anyio
async def test_forbidden_calls_are_refused_in_a_sandbox(sandbox: LocalSandbox) -> None:
    numbers = call_numbers(os.uname().machine)
    forbidden = {name: number for name, number in numbers.items() if name in FORBIDDEN}
    unknown = {name: numbers[name] for name in ("clone3", "shmget", "semget", "msgget", "mq_open", "memfd_secret")}
    outcome = await python(sandbox, CALLS, repr({**forbidden, **unknown, "none": 9999, "x32": 0x40000000 + 39}))
    found = eval(outcome.stdout)
    assert {name for name in forbidden if found[name] != errno.EPERM} == set()
    assert {found[name] for name in (*unknown, "none", "x32")} == {errno.ENOSYS}


@pytest.mark.anyio
async def test_only_some_families_of_sockets_are_had_in_a_sandbox(sandbox: LocalSandbox) -> None:
    source = """
import socket
allowed = []
for family in range(64):
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
    except OSError:
        continue
    allowed.append(family)
print(allowed)
for family, protocol in [(2, 132), (10, 262), (16, 9), (16, 16)]:
    try:
        socket.socket(family, socket.SOCK_STREAM if family != 16 else socket.SOCK_RAW, protocol)
    except OSError as exc:
        print(exc.errno)
"""
    outcome = await python(sandbox, source)
    assert outcome.stdout.split("\n") == [str([1, 2, 10, 16]), *["93"] * 4, ""]


@pytest.mark.anyio
async def test_namespace_is_not_made_by_any_way(sandbox: LocalSandbox) -> None:
    source = """
import ctypes, os, subprocess
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
print(libc.syscall(number, ctypes.c_long(0x10000000 | 17), 0, 0, 0, 0), ctypes.get_errno())
print(libc.unshare(0x10000000), ctypes.get_errno())
print(libc.setns(os.open("/proc/self/ns/user", os.O_RDONLY), 0), ctypes.get_errno())
"""
    assert (await python(sandbox, source)).stdout == "-1 1\n" * 3


@pytest.mark.anyio
async def test_buffers_of_sockets_are_of_the_system_s_own_size(sandbox: LocalSandbox) -> None:
    source = """
import socket
def sizes(sock): return [sock.getsockopt(socket.SOL_SOCKET, option) for option in (socket.SO_SNDBUF, socket.SO_RCVBUF)]
for make in (socket.socketpair, lambda: (socket.socket(), socket.socket(type=socket.SOCK_DGRAM))):
    for sock in make():
        before = sizes(sock)
        for size in (1, 4096, 1 << 20, 1 << 30):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF): sock.setsockopt(socket.SOL_SOCKET, option, size)
        print(sizes(sock) == before)
        for option in (32, 33):
            try: sock.setsockopt(socket.SOL_SOCKET, option, 1 << 30)
            except PermissionError: print("refused")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        print(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
"""
    assert (await python(sandbox, source)).stdout == "True\nrefused\nrefused\n1\n" * 4
