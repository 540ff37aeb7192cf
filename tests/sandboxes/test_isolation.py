"""What cannot be seen or done from inside a local sandbox: each proved by trying it there."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
import threading
import uuid
from pathlib import Path

import pytest

from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox

from .inside import bash, processes_with, python, run

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]

#: Reads the path in its argument, or lists it, and says what it got.
READ = """
import os, sys
path = sys.argv[1]
try:
    print("GOT", os.listdir(path) if os.path.isdir(path) else open(path, "rb").read()[:100])
except OSError as exc:
    print("DENIED", type(exc).__name__)
"""

#: Connects to the address in its argument.
CONNECT = """
import socket, sys
family, address = eval(sys.argv[1])
with socket.socket(family) as client:
    client.settimeout(60)
    try:
        client.connect(address)
        print("CONNECTED", client.recv(10))
    except OSError as exc:
        print("DENIED", type(exc).__name__)
"""


async def test_home_directory_is_not_there(sandbox: LocalSandbox) -> None:
    with tempfile.NamedTemporaryFile(dir=Path.home(), prefix=".hopx-test-") as file:
        assert (await python(sandbox, READ, file.name)).stdout == "DENIED FileNotFoundError\n"
        for path in Path.home().iterdir():
            if path.is_file():
                assert (await python(sandbox, READ, str(path))).stdout == "DENIED FileNotFoundError\n"


async def test_home_directory_shows_nothing_but_the_way_to_the_interpreter(sandbox: LocalSandbox) -> None:
    outcome = await bash(sandbox, 'find "$1" -maxdepth 1 -mindepth 1 -printf "%f\\n"', str(Path.home()))
    shown = set(outcome.stdout.split())
    prefixes = {sys.prefix, sys.base_prefix, os.path.realpath(sys.executable)}
    home = str(Path.home()) + "/"
    assert shown <= {prefix.removeprefix(home).split("/")[0] for prefix in prefixes if prefix.startswith(home)}


async def test_file_of_the_host_is_not_there(sandbox: LocalSandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    assert (await python(sandbox, READ, str(secret))).stdout == "DENIED FileNotFoundError\n"


async def test_project_that_holds_the_environment_is_not_there(sandbox: LocalSandbox) -> None:
    assert (await python(sandbox, READ, str(ROOT / "pyproject.toml"))).stdout == "DENIED FileNotFoundError\n"
    assert (await python(sandbox, READ, str(ROOT / "hopx_kernel"))).stdout == "DENIED FileNotFoundError\n"


async def test_shadow_is_not_there(sandbox: LocalSandbox) -> None:
    assert (await python(sandbox, READ, "/etc/shadow")).stdout == "DENIED FileNotFoundError\n"


async def test_users_of_the_host_do_not_show(sandbox: LocalSandbox) -> None:
    outcome = await run(sandbox, "cat", "/etc/passwd")
    assert [line.split(":")[0] for line in outcome.stdout.splitlines()] == ["root", "sandbox"]


@pytest.mark.parametrize("directory", ["/var/lib", "/var/log", "/home", "/boot", "/sys", "/opt", "/run/user", "/srv"])
async def test_directory_of_the_host_is_not_there(sandbox: LocalSandbox, directory: str) -> None:
    outcome = await python(sandbox, READ, directory)
    way = [prefix for prefix in (sys.prefix, sys.base_prefix) if prefix.startswith(directory + "/")]
    assert outcome.stdout == "DENIED FileNotFoundError\n" or way


async def test_environment_of_the_host_does_not_get_in(monkeypatch: pytest.MonkeyPatch, anyio_backend: str) -> None:
    monkeypatch.setenv("HOST_SECRET", "of-the-host")
    async with LocalSandbox(SandboxOptions(env={"GIVEN": "a value\nof two lines"})) as sandbox:
        outcome = await python(sandbox, "import os; print(dict(os.environ))", env={"ADDED": "too"})
        environment = eval(outcome.stdout)
        everywhere = await bash(sandbox, "cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'")
    assert environment["GIVEN"] == "a value\nof two lines"
    assert environment["ADDED"] == "too"
    assert environment["HOME"] == "/workspace"
    allowed = {
        "GIVEN",
        "ADDED",
        "HOME",
        "PATH",
        "LANG",
        "TERM",
        "USER",
        "LOGNAME",
        "SHELL",
        "PWD",
        "LC_CTYPE",
        "PYTHONPATH",
    }
    assert set(environment) <= allowed
    assert "of-the-host" not in everywhere.stdout
    assert "GIVEN" in everywhere.stdout


async def test_environment_of_the_sandbox_is_not_in_the_hosts_process_list(anyio_backend: str) -> None:
    marker = uuid.uuid4().hex
    async with LocalSandbox(SandboxOptions(env={"SECRET": marker})) as sandbox:
        await run(sandbox, "true")
        assert processes_with(marker) == []


async def test_processes_of_the_host_do_not_show(sandbox: LocalSandbox) -> None:
    outcome = await python(sandbox, "import os; print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))")
    pids = eval(outcome.stdout)
    assert pids[0] == 1
    assert len(pids) == 2
    assert (await bash(sandbox, 'kill -0 "$1"', str(os.getpid()))).returncode != 0


async def test_loopback_of_the_host_is_not_reached(sandbox: LocalSandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        outcome = await python(sandbox, CONNECT, repr((int(socket.AF_INET), ("127.0.0.1", port))))
    assert outcome.stdout == "DENIED ConnectionRefusedError\n"


async def test_loopback_of_the_host_is_reached_with_network(anyio_backend: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"hello")

        thread = threading.Thread(target=greet)
        thread.start()
        async with LocalSandbox(SandboxOptions(network=True)) as sandbox:
            outcome = await python(sandbox, CONNECT, repr((int(socket.AF_INET), ("127.0.0.1", port))))
        thread.join()
    assert outcome.stdout == "CONNECTED b'hello'\n"


async def test_abstract_socket_of_the_host_is_not_reached(sandbox: LocalSandbox) -> None:
    name = f"\0hopx-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        outcome = await python(sandbox, CONNECT, repr((int(socket.AF_UNIX), name)))
    assert outcome.stdout == "DENIED ConnectionRefusedError\n"


async def test_network_has_nothing_but_a_loopback(sandbox: LocalSandbox) -> None:
    outcome = await python(sandbox, "import socket; print([name for _, name in socket.if_nameindex()])")
    assert outcome.stdout == "['lo']\n"
    outcome = await python(sandbox, CONNECT, repr((int(socket.AF_INET), ("192.0.2.1", 80))))
    assert outcome.stdout == "DENIED OSError\n"


async def test_names_are_not_looked_up(sandbox: LocalSandbox) -> None:
    source = (
        "import socket\ntry: print(socket.getaddrinfo('example.com', 80))\nexcept OSError as e: print(type(e).__name__)"
    )
    assert (await python(sandbox, source)).stdout == "gaierror\n"


async def test_loopback_of_its_own_works(sandbox: LocalSandbox) -> None:
    source = (
        "import socket; server = socket.create_server(('localhost', 0));"
        "client = socket.create_connection(server.getsockname()); print('fine')"
    )
    assert (await python(sandbox, source)).stdout == "fine\n"


@pytest.mark.parametrize(
    "directory", ["/", "/usr", "/etc", "/run", "/run/hopx", "/dev", "/var", "/proc", sys.prefix, sys.base_prefix]
)
async def test_nothing_is_written_outside_of_the_writable_directories(sandbox: LocalSandbox, directory: str) -> None:
    outcome = await bash(sandbox, 'echo x > "$1/written"', directory)
    assert outcome.returncode != 0
    assert not Path(directory, "written").exists()


async def test_only_these_directories_are_writable(sandbox: LocalSandbox) -> None:
    # The directories of the root belong to the sandbox's user, but the root is mounted read-only.
    mounted = await bash(sandbox, "awk '$4 ~ /^rw/ && $3 !~ /proc|dev/ {print $2}' /proc/self/mounts")
    assert {"/workspace", "/app", "/tmp", "/dev/shm"} == set(mounted.stdout.split())


@pytest.mark.parametrize("directory", ["/workspace", "/app", "/tmp", "/dev/shm", "/var/tmp"])
async def test_writable_directories_are_writable(sandbox: LocalSandbox, directory: str) -> None:
    outcome = await bash(sandbox, 'echo mine > "$1/written" && cat "$1/written"', directory)
    assert outcome.stdout == "mine\n"
    assert not Path(directory, "written").exists()


async def test_settings_of_the_kernel_are_not_written(sandbox: LocalSandbox) -> None:
    source = r"""
import errno
import os
for directory, names, files in os.walk("/proc"):
    names[:] = [name for name in names if not name.isdigit() and name not in ("self", "thread-self")]
    for name in files:
        path = os.path.join(directory, name)
        try:
            os.close(os.open(path, os.O_WRONLY))
        except OSError:
            continue
        print(path)
"""
    outcome = await python(sandbox, source)
    # Pressure monitors are for everybody: writing there changes nothing for others.
    written = [path for path in outcome.stdout.split() if not path.startswith("/proc/pressure/")]
    assert written == []
    assert (await bash(sandbox, "cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness")).returncode != 0


MASKED = ["acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list"]


async def test_hardware_and_keys_of_the_host_do_not_show_in_proc(sandbox: LocalSandbox) -> None:
    # All that container engines mask, where this kernel has it.
    for name in MASKED:
        found = (await python(sandbox, READ, f"/proc/{name}")).stdout
        if Path(f"/proc/{name}").is_dir():
            assert found == "GOT []\n"
        elif Path(f"/proc/{name}").exists():
            assert found == "DENIED PermissionError\n"
        else:
            assert found == "DENIED FileNotFoundError\n"


@pytest.mark.parametrize("name", ["bus", "fs", "irq", "sys", "sysrq-trigger"])
async def test_switches_of_the_kernel_are_mounted_read_only(sandbox: LocalSandbox, name: str) -> None:
    if not Path(f"/proc/{name}").exists():
        pytest.skip("this kernel has none")
    outcome = await bash(
        sandbox, "awk -v path=\"$1\" '$2 == path {print substr($4, 1, 2)}' /proc/self/mounts", f"/proc/{name}"
    )
    assert set(outcome.stdout.split()) == {"ro"}


async def test_nothing_is_mounted(sandbox: LocalSandbox) -> None:
    source = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.mount(b"tmpfs", b"/workspace", b"tmpfs", 0, None), ctypes.get_errno())
print(libc.mount(None, b"/", None, 32, None), ctypes.get_errno())
"""
    assert (await python(sandbox, source)).stdout == "-1 1\n-1 1\n"


async def test_no_new_user_namespace_is_made(sandbox: LocalSandbox) -> None:
    source = (
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True); print(libc.unshare(0x10000000), ctypes.get_errno())"
    )
    outcome = await python(sandbox, source)
    assert outcome.stdout == "-1 1\n"


async def test_no_rights_are_held_and_none_can_be_gained(sandbox: LocalSandbox) -> None:
    outcome = await run(sandbox, "cat", "/proc/self/status")
    status = dict(line.split(":\t", 1) for line in outcome.stdout.splitlines() if ":\t" in line)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split() == ["1000"] * 4


async def test_setuid_program_gains_nothing(sandbox: LocalSandbox) -> None:
    source = """
set -e
cp /usr/bin/id /workspace/id
chmod u+s /workspace/id
/workspace/id -u
su -c id root </dev/null >/dev/null 2>&1 && echo ROOT || echo DENIED
"""
    assert (await bash(sandbox, source)).stdout == "1000\nDENIED\n"


async def test_root_outside_is_not_who_runs_inside(sandbox: LocalSandbox) -> None:
    marker = uuid.uuid4().hex
    process = await sandbox.start_process(["bash", "-c", "read", marker])
    (pid,) = processes_with(marker)
    uid = Path(f"/proc/{pid}").stat().st_uid
    await process.kill()
    assert uid != 0


async def test_launcher_is_not_killed_from_inside(sandbox: LocalSandbox) -> None:
    await bash(sandbox, "trap '' INT TERM; kill -INT 1; kill -TERM 1; kill -KILL 1; kill -STOP 1; kill -KILL -1")
    assert (await run(sandbox, "echo", "alive")).stdout == "alive\n"


async def test_terminal_of_the_host_is_not_reached(sandbox: LocalSandbox) -> None:
    assert (await bash(sandbox, "exec 3<>/dev/tty")).returncode != 0


async def test_name_of_the_host_does_not_show(sandbox: LocalSandbox) -> None:
    assert (await python(sandbox, "import socket; print(socket.gethostname())")).stdout == "sandbox\n"


async def test_file_left_in_one_sandbox_is_not_in_the_next(sandbox: LocalSandbox, anyio_backend: str) -> None:
    await bash(sandbox, "touch /workspace/left /tmp/left /dev/shm/left")
    async with LocalSandbox() as other:
        assert (await bash(other, "ls -A /workspace /tmp /dev/shm | grep left")).returncode == 1


async def test_keys_of_the_host_are_not_reached(sandbox: LocalSandbox) -> None:
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
print(libc.syscall(number, 0, -3, 0), ctypes.get_errno())  # the id of the session's keyring
"""
    assert (await python(sandbox, source)).stdout == "-1 1\n"


async def test_empty_files_are_counted_too(anyio_backend: str) -> None:
    source = """
import itertools, os, sys
found = {}
for directory in ("/workspace", "/app", "/tmp", "/dev/shm"):
    for number in itertools.count():
        try:
            os.close(os.open(f"{directory}/{number}", os.O_CREAT | os.O_WRONLY))
        except OSError as exc:
            found[directory] = (number, exc.errno)
            break
        if number > 20000:
            break
print(found)
"""
    async with LocalSandbox(SandboxOptions(memory_bytes=64 << 20, disk_bytes=None)) as sandbox:
        found = eval((await python(sandbox, source)).stdout)
    assert set(found) == {"/workspace", "/app", "/tmp", "/dev/shm"}
    assert all(4000 < number < 4096 and code == errno.ENOSPC for number, code in found.values())


async def test_directories_have_their_sizes(anyio_backend: str) -> None:
    async with LocalSandbox(SandboxOptions(disk_bytes=8 << 20)) as sandbox:
        outcome = await bash(sandbox, "df --output=target,size -k /workspace /app /tmp /dev/shm")
    sizes = dict(line.split() for line in outcome.stdout.splitlines()[1:])
    assert sizes == {"/workspace": "8192", "/app": "8192", "/tmp": "8192", "/dev/shm": "2048"}
