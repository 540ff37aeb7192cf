"""A filter of system calls for local sandboxes, as the kernel's BPF program. Imports the standard library only.

Namespaces do not cover keyrings: a process carries its session's keys, of the user who started it, into any namespace.
And some calls serve no notebook, while flaws in them are what breaks out of sandboxes.
"""

from __future__ import annotations

import errno
import os
import struct

__all__ = ["DENIED", "filter_program"]

#: By machine: the kernel's number for its calling convention (``AUDIT_ARCH_*``), and the calls that are denied.
DENIED: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "syslog": 103,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "perf_event_open": 298,
            "bpf": 321,
            "userfaultfd": 323,
            "io_uring_setup": 425,
            "io_uring_enter": 426,
            "io_uring_register": 427,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "syslog": 116,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "perf_event_open": 241,
            "bpf": 280,
            "userfaultfd": 282,
            "io_uring_setup": 425,
            "io_uring_enter": 426,
            "io_uring_register": 427,
        },
    ),
}

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_NUMBER_OFFSET, _ARCH_OFFSET = 0, 4  # in struct seccomp_data

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000  # with an errno

#: On x86_64, calls of the x32 convention, which would pass by the table.
_FIRST_X32 = 0x40000000


def filter_program(machine: str | None = None) -> bytes | None:
    """The program, as bubblewrap's ``--seccomp`` takes it; None for a machine that is not in the table."""
    known = DENIED.get(machine or os.uname().machine)
    if known is None:
        return None
    arch, calls = known
    numbers = sorted(calls.values())
    # Each test skips to the refusal at the program's end, over the tests that are left and the permission.
    tests = [(_IF_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    program = [
        (_LOAD, 0, 0, _ARCH_OFFSET),
        (_IF_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_IF_AT_LEAST, len(numbers) + 1, 0, _FIRST_X32),
        *tests,
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
