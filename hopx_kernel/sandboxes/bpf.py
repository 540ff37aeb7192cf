"""Programs for the kernel's filter of system calls, in its classic BPF. Imports the standard library only.

A program looks at the number of a call and at the lower halves of its arguments. It is a tree of comparisons over
ranges of numbers, so that no call passes more than a dozen; and where a number alone decides that a call is allowed, the
kernel (5.11 or newer) finds that out beforehand and does not run it at all.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ALLOW", "Check", "build_filter", "refuse"]

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP = 0x05  # BPF_JMP | BPF_JA
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

#: In struct seccomp_data. Arguments are of 64 bits, of which the lower half comes first on the machines that are known.
_NUMBER_OFFSET, _ARCH_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16

#: The farthest that a comparison can jump.
_MAX_BRANCH = 255

#: SECCOMP_RET_ALLOW
ALLOW = 0x7FFF0000

_Program = list[tuple[int, int, int, int]]


def refuse(code: int) -> int:
    """What a filter gives for a call that is to fail with an errno (SECCOMP_RET_ERRNO)."""
    return 0x00050000 | code


@dataclass(frozen=True)
class Check:
    """What an argument must be.

    Parameters
    ----------
    argument : int
        Counted from 0. Only its lower 32 bits are looked at, which is all that the kernel itself looks at in those that
        are numbers of processes, families of sockets, flags and the like.
    only : sequence of int
        The values that are allowed; none stands for all.
    never : sequence of int
        The values that are refused.
    never_bits : int
        Bits of which none may be set.
    given : tuple of (int, int), optional
        Another argument and its value, where this holds for that value alone.
    code : int
        The errno of a call that is refused; 0 for one that is told to have been done, and is not.
    """

    argument: int
    only: Sequence[int] = ()
    never: Sequence[int] = ()
    never_bits: int = 0
    given: tuple[int, int] | None = None
    code: int = errno.EPERM

    def program(self) -> _Program:
        """Returns the refusal, or runs to its end."""
        refusal = (_RETURN, 0, 0, refuse(self.code))
        body: _Program = [_load_argument(self.argument)]
        for value in self.never:
            body += [(_IF_EQUAL, 0, 1, value), refusal]
        if self.never_bits:
            body += [(_IF_ANY_BIT, 0, 1, self.never_bits), refusal]
        if self.only:
            body += [(_IF_EQUAL, len(self.only) - index, 0, value) for index, value in enumerate(self.only)]
            body.append(refusal)
        if self.given is None:
            return body
        argument, value = self.given
        return [_load_argument(argument), (_IF_EQUAL, 0, len(body), value), *body]


_Verdict = int | tuple[Check, ...]


def build_filter(arch: int, verdicts: Mapping[int, int | tuple[Check, ...]], otherwise: int) -> bytes:
    """A program, as bubblewrap's ``--seccomp`` takes it.

    Parameters
    ----------
    arch : int
        The kernel's number for the calling convention (``AUDIT_ARCH_*``). Calls by another one fail with ``ENOSYS``.
    verdicts : mapping
        By a call's number: `ALLOW`, a `refuse`, or the checks that it must pass to be allowed.
    otherwise : int
        The verdict on all other numbers.
    """
    program = [
        (_LOAD, 0, 0, _ARCH_OFFSET),
        (_IF_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, refuse(errno.ENOSYS)),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        *_tree(_ranges(verdicts, otherwise)),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _ranges(verdicts: Mapping[int, _Verdict], otherwise: int) -> list[tuple[int, _Verdict]]:
    """Where each range of numbers with one verdict begins, from 0 on."""
    ranges: list[tuple[int, _Verdict]] = [(0, otherwise)]
    for number in sorted({end for known in verdicts for end in (known, known + 1)}):
        verdict = verdicts.get(number, otherwise)
        if number == 0:
            ranges = [(0, verdict)]
        elif verdict != ranges[-1][1]:
            ranges.append((number, verdict))
    return ranges


def _tree(ranges: Sequence[tuple[int, _Verdict]]) -> _Program:
    if len(ranges) == 1:
        return _leaf(ranges[0][1])
    middle = len(ranges) // 2
    lower, upper = _tree(ranges[:middle]), _tree(ranges[middle:])
    if len(lower) <= _MAX_BRANCH:
        return [(_IF_AT_LEAST, len(lower), 0, ranges[middle][0]), *lower, *upper]
    return [(_IF_AT_LEAST, 0, 1, ranges[middle][0]), (_JUMP, 0, 0, len(lower)), *lower, *upper]


def _leaf(verdict: _Verdict) -> _Program:
    if isinstance(verdict, int):
        return [(_RETURN, 0, 0, verdict)]
    return [*_joined(check.program() for check in verdict), (_RETURN, 0, 0, ALLOW)]


def _joined(programs: Iterable[_Program]) -> _Program:
    return [instruction for program in programs for instruction in program]


def _load_argument(argument: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, _ARGUMENTS_OFFSET + 8 * argument)
