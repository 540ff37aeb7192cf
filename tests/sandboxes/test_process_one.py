"""Process 1 of a sandbox, the launcher, is out of the reach of the code that it starts, which runs as the same user.

Nothing here leans on Landlock: these are programs that the launcher starts itself, which have none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import hopx_kernel.sandboxes.spawn as spawn_module
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox
from hopx_kernel.session import Session

from .inside import TIMEOUT_SECONDS, bash, python, run

pytestmark = pytest.mark.anyio

#: Tries every way into another process, TARGET, that Linux has, and prints those that worked.
ATTACK = r"""
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {"process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312},
    "aarch64": {"process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272},
}[os.uname().machine]

class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

def call(number, *arguments):
    if libc.syscall(number, *[a if isinstance(a, ctypes._SimpleCData) else ctypes.c_long(a) for a in arguments]) == -1:
        raise OSError(ctypes.get_errno(), "")

def copy(name):
    buffer = ctypes.create_string_buffer(8)
    here = Vector(ctypes.addressof(buffer), 8)
    there = Vector(id(None), 8)
    call(NUMBERS[name], TARGET, ctypes.addressof(here), 1, ctypes.addressof(there), 1, 0)

def ptrace(request):
    if libc.ptrace(request, TARGET, None, None) == -1:
        raise OSError(ctypes.get_errno(), "")

WAYS = {
    "attach": lambda: ptrace(16),
    "seize": lambda: ptrace(0x4206),
    "read memory": lambda: os.close(os.open("/proc/TARGET/mem", os.O_RDONLY)),
    "write memory": lambda: os.close(os.open("/proc/TARGET/mem", os.O_RDWR)),
    "memory by thread": lambda: os.close(os.open("/proc/TARGET/task/TARGET/mem", os.O_RDWR)),
    "maps": lambda: open("/proc/TARGET/maps").read(),
    "descriptors": lambda: os.listdir("/proc/TARGET/fd"),
    "environment": lambda: open("/proc/TARGET/environ").read(),
    "root": lambda: os.listdir("/proc/TARGET/root/"),
    "namespaces": lambda: os.readlink("/proc/TARGET/ns/pid"),
    "process_vm_readv": lambda: copy("process_vm_readv"),
    "process_vm_writev": lambda: copy("process_vm_writev"),
    "pidfd_getfd": lambda: call(438, os.pidfd_open(TARGET), 0, 0),
    "kcmp": lambda: call(NUMBERS["kcmp"], TARGET, os.getpid(), 0, 0, 0),
    **{name: lambda name=name: os.write(os.open("/proc/TARGET/" + name, os.O_WRONLY), b"0") for name in (
        "oom_score_adj", "oom_adj", "clear_refs", "coredump_filter", "timerslack_ns", "sched", "autogroup", "comm")},
}
FILTERED = {
    "limit": lambda: resource.prlimit(TARGET, resource.RLIMIT_NOFILE, (3, 3)),
    "nice": lambda: os.setpriority(os.PRIO_PROCESS, TARGET, 19),
    "nice of the user": lambda: os.setpriority(os.PRIO_USER, 0, 19),
    "processors": lambda: os.sched_setaffinity(TARGET, {0}),
    "scheduler": lambda: os.sched_setscheduler(TARGET, os.SCHED_BATCH, os.sched_param(0)),
}
import sys
for name, way in {**WAYS, **(FILTERED if "filtered" in sys.argv else {})}.items():
    try:
        way()
    except OSError:
        continue
    print("WORKED:", name)
print("tried", os.listdir("/proc/TARGET/task"))
"""


@pytest.fixture(params=["filtered", "not filtered"])
async def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalSandbox]:
    """A sandbox, and one on a machine that has no filter of system calls."""
    if request.param == "not filtered":
        monkeypatch.setattr(spawn_module, "filter_program", lambda: None)
    async with LocalSandbox(SandboxOptions(memory_bytes=1 << 30)) as running:
        yield running


async def test_no_way_leads_into_process_1(either: LocalSandbox, request: pytest.FixtureRequest) -> None:
    how = request.node.callspec.params["either"]
    assert (await python(either, ATTACK.replace("TARGET", "1"), how)).stdout == "tried ['1']\n"
    assert (await run(either, "echo", "alive")).stdout == "alive\n"


async def test_no_way_leads_into_the_supervisor_and_its_interpreter_is_an_ordinary_process(
    either: LocalSandbox,
) -> None:
    async with Session(either) as session:
        pid = session.runner_info["pid"]
        outcome = await python(either, ATTACK.replace("TARGET", str(pid)))
        assert outcome.stdout == f"tried ['{pid}']\n", outcome.stderr
        # And so is the one that comes after it.
        for _ in range(2):
            own = "open('/proc/self/mem', 'rb').close(), open('/proc/self/environ').read()[:4]"
            reply = await (await session.start_run("", user_expressions={"own": own})).wait()
            assert "'PATH'" in reply["user_expressions"]["own"]["data"]["text/plain"], reply
            await session.restart()


async def test_no_signal_stops_process_1(sandbox: LocalSandbox) -> None:
    source = """
import os, signal
for signum in signal.valid_signals():
    try:
        os.kill(1, signum)
        signal.pidfd_send_signal(os.pidfd_open(1), signum)
    except OSError as exc:
        print(exc)
"""
    assert (await python(sandbox, source)).stdout == ""
    assert (await bash(sandbox, "sed -n 's/^State:.//p' /proc/1/status")).stdout[0] in "SR"


#: Stops whatever comes up, for as long as it can: some of them have not become their programs yet.
STOPS_ALL = """
import os, signal, sys
me = os.getpid()
print("up", flush=True)
while True:
    for number in range(me + 1, me + 40):
        try:
            os.kill(number, signal.SIGSTOP)
        except OSError:
            pass
"""


async def test_child_that_is_stopped_on_its_way_goes_on_and_stops_nothing_else() -> None:
    async with LocalSandbox(SandboxOptions(start_timeout_seconds=TIMEOUT_SECONDS)) as sandbox:
        attacker = await sandbox.start_process([sandbox.python, "-c", STOPS_ALL])
        await attacker.stream.receive()
        for _ in range(20):
            process = await sandbox.start_process(["sleep", "600"])
            await process.kill()
            assert await process.wait() == -9
        await attacker.kill()
        assert (await run(sandbox, "echo", "alive")).stdout == "alive\n"


async def test_copy_that_is_stopped_goes_on(sandbox: LocalSandbox) -> None:
    attacker = await sandbox.start_process([sandbox.python, "-c", STOPS_ALL])
    await attacker.stream.receive()
    data = os.urandom(3_000_000)
    for _ in range(5):
        await sandbox.write_file("/workspace/data", data)
        assert await sandbox.read_file("/workspace/data") == data
    await attacker.kill()


async def test_descriptors_of_process_1_are_its_own(sandbox: LocalSandbox) -> None:
    outcome = await python(sandbox, "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))")
    assert len(eval(outcome.stdout)) == 4  # three, and that of the directory itself


async def test_user_of_the_host_has_no_number_for_what_ends_the_sandbox(sandbox: LocalSandbox) -> None:
    outcome = await bash(sandbox, "cat /proc/1/status")
    status = dict(line.split(":\t", 1) for line in outcome.stdout.splitlines() if ":\t" in line)
    assert status["PPid"] == "0"
    assert status["NSpid"].split() == ["1"]
    assert sandbox._spawned is not None
    init = sandbox._spawned.init
    assert init.pidfd is not None
    assert init.pid is not None
    # The namespace around the sandbox's own: its first process is the parent of the sandbox's first one.
    lines = Path(f"/proc/{init.pid}/status").read_text().splitlines()
    numbers = next(line.split()[1:] for line in lines if line.startswith("NSpid"))
    assert numbers[-1] == "1"


#: Runs the launcher's own code around a copy that ends as ``argv[1]`` says.
COPY = """
import os, socket, sys, time
source = open(sys.argv[1]).read()
assert source.endswith("\\n\\nmain()\\n")
scope = {"__name__": "launcher"}
exec(compile(source[: -len("main()\\n")], "launcher", "exec"), scope)
host, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
launcher = scope["Launcher"](control, [])
def task():
    if sys.argv[2] == "memory": raise MemoryError
    if sys.argv[2] == "exit": raise SystemExit
    if sys.argv[2] == "room": raise OSError(28, "")
sys.stderr = open(os.devnull, "w")
launcher.work(b"1", task)
print(host.recv(256).split(b"\\0")[0])
while not (pid := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)): pass
launcher.reap()
print(host.recv(256))
"""


@pytest.mark.parametrize(("end", "code"), [("done", 0), ("room", 28), ("memory", 5), ("exit", 5)])
def test_copy_is_a_success_only_where_it_came_to_its_end(end: str, code: int) -> None:
    launcher = Path(spawn_module.__file__).with_name("launcher.py")
    done = subprocess.run([sys.executable, "-c", COPY, launcher, end], capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().splitlines() == ["b'started'", rf"b'exited\x001\x00{code}'"]
