"""What there is in a sandbox's directories: its own live in memory, and of the system's there is what programs need."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.sandboxes.seccomp import ALLOWED, CHECKED

from .inside import bash, python

pytestmark = pytest.mark.anyio


async def test_writable_directories_live_in_memory(sandbox: LocalSandbox) -> None:
    outcome = await bash(sandbox, "stat -f -c %T /workspace /app /tmp /dev/shm")
    assert outcome.stdout.split() == ["tmpfs"] * 4


async def test_etc_has_what_programs_need_and_nothing_of_the_host_s_people(sandbox: LocalSandbox) -> None:
    shown = set((await bash(sandbox, "ls -A /etc")).stdout.split())
    # Libraries, certificates, fonts, names; as the sandbox's own, or where this computer has it.
    needed = {"ld.so.cache", "ssl", "ca-certificates", "pki", "fonts", "services", "protocols", "localtime"}
    assert {name for name in needed if Path("/etc", name).exists()} - shown <= {"ca-certificates", "pki"}
    assert {"hosts", "hostname", "nsswitch.conf", "passwd", "group"} <= shown
    assert not shown & {"shadow", "gshadow", "sudoers", "ssh", "machine-id", "fstab", "crontab", "environment"}
    names = (await bash(sandbox, "cat /etc/hostname; cut -d: -f1 /etc/passwd /etc/group")).stdout
    assert names.split() == ["sandbox", *["root", "sandbox"] * 2]


async def test_certificates_are_found(sandbox: LocalSandbox) -> None:
    source = "import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 0)"
    has_some = Path("/etc/ssl/certs/ca-certificates.crt").exists()
    assert (await python(sandbox, source)).stdout == f"{has_some}\n"


async def test_socket_in_a_file_of_the_host_is_not_there(sandbox: LocalSandbox) -> None:
    found = await bash(sandbox, "find / -xdev -type s 2>/dev/null; find /run /var /tmp -type s")
    assert found.stdout == ""


@pytest.mark.parametrize("name", ["ptrace", "process_vm_readv", "io_uring_setup", "shmget", "semget", "bpf", "mount"])
async def test_calls_that_the_readme_names_are_none_of_a_sandbox_s(name: str) -> None:
    assert name not in ALLOWED and name not in CHECKED


async def test_debugger_and_shared_memory_of_system_v_do_not_work(sandbox: LocalSandbox) -> None:
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if not child:
    os.read(os.pipe()[0], 1)
for call in (lambda: libc.ptrace(16, child, None, None), lambda: libc.shmget(0, 4096, 0o1600)):
    print(call(), ctypes.get_errno())
os.kill(child, 9)
"""
    assert (await python(sandbox, source)).stdout == f"-1 {errno.EPERM}\n-1 {errno.ENOSYS}\n"
