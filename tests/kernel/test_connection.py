"""Connection files as front ends write them, and as the kernel makes one: each is connected to and runs a cell."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

from .client import TIMEOUT, Kernel

#: A kernel that waits for somebody to listen for as long as a busy machine may take.
PATIENT_KERNEL = f"""
import sys
from hopx_kernel.kernel import kernel
kernel._SUBSCRIPTION_SECONDS = {TIMEOUT}
from hopx_kernel.__main__ import main
sys.exit(main())
"""


@contextmanager
def launched(*options: str, program: tuple[str, str] = ("-m", "hopx_kernel")) -> Iterator[subprocess.Popen[bytes]]:
    """A kernel that is started by its command line."""
    process = subprocess.Popen([sys.executable, *program, *options], stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_file(path: Path, process: subprocess.Popen[bytes], **values: Any) -> dict[str, Any]:
    """Wait until a connection file is there and says this; gives what it says."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            saved: dict[str, Any] = json.loads(path.read_bytes())
            if values.items() <= saved.items():
                return saved
        except (FileNotFoundError, json.JSONDecodeError):
            pass  # not yet, or not the whole of it
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def connected(path: Path) -> Iterator[BlockingKernelClient]:
    """A client of a kernel, once it hears it. Its own way of waiting takes a kernel that is slow to come for dead."""
    client = BlockingKernelClient(connection_file=str(path))
    client.load_connection_file()
    client.start_channels()
    try:
        for _ in range(int(TIMEOUT)):
            client.kernel_info()
            client.get_shell_msg(timeout=TIMEOUT)
            with suppress(Empty):
                client.get_iopub_msg(timeout=1)
                break
        yield client
    finally:
        client.stop_channels()


def run_a_cell(path: Path) -> str:
    """Connect to a kernel by its file and run a cell; gives its output."""
    shown: list[dict[str, Any]] = []
    with connected(path) as client:
        reply = client.execute_interactive(
            "print(input('name? '))",
            output_hook=shown.append,
            stdin_hook=lambda _: client.input("person"),
            allow_stdin=True,
            timeout=TIMEOUT,
        )
        assert reply["content"]["status"] == "ok"
    return "".join(message["content"].get("text", "") for message in shown)


def test_sockets_of_the_file_system(tmp_path: Path, jupyter_environment: dict[str, str]) -> None:
    path = tmp_path / "kernel.json"
    write_connection_file(str(path), transport="ipc", ip=str(tmp_path / "socket"), key=b"key")
    with launched("-f", str(path)):
        assert run_a_cell(path) == "person\n"


def test_encrypted_connection(tmp_path: Path, jupyter_environment: dict[str, str]) -> None:
    path = tmp_path / "kernel.json"
    public, secret = zmq.curve_keypair()
    write_connection_file(str(path), key=b"key", curve_publickey=public, curve_secretkey=secret)
    with launched("-f", str(path)):
        assert run_a_cell(path) == "person\n"
        # Who has no keys hears nothing.
        saved = json.loads(path.read_bytes())
        context = zmq.Context[Any]()
        with context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(f"tcp://{saved['ip']}:{saved['hb_port']}")
            socket.send(b"ping")
            assert not socket.poll(1000)
        context.term()


def test_ports_of_the_kernel_s_choice_are_written_down(tmp_path: Path, jupyter_environment: dict[str, str]) -> None:
    path = tmp_path / "deep" / "kernel.json"
    with launched("-f", str(path)) as process:
        wait_for_file(path, process)
        assert path.stat().st_mode & 0o077 == 0
        assert run_a_cell(path) == "person\n"


def test_file_without_a_name_is_in_the_runtime_directory(jupyter_environment: dict[str, str]) -> None:
    with launched("--log-level=INFO") as process:
        path = Path(jupyter_environment["JUPYTER_RUNTIME_DIR"], f"kernel-{process.pid}.json")
        wait_for_file(path, process)
        with connected(path) as client:
            client.shutdown()
            assert process.wait(TIMEOUT) == 0
        assert not path.exists()


def test_given_ports_are_used_and_added_to_the_file(tmp_path: Path, jupyter_environment: dict[str, str]) -> None:
    path = tmp_path / "kernel.json"
    _, saved = write_connection_file(str(path), key=b"key")
    path.write_text(json.dumps({**saved, "shell_port": 0, "own": "kept"}), encoding="utf-8")
    with launched("-f", str(path), f"--shell={saved['shell_port']}") as process:
        assert wait_for_file(path, process, shell_port=saved["shell_port"])["own"] == "kept"
        assert run_a_cell(path) == "person\n"


def test_client_that_comes_to_iopub_last_misses_nothing(tmp_path: Path, jupyter_environment: dict[str, str]) -> None:
    """zmq tries each socket again after a time of chance, so a client may come to shell before it comes to iopub."""
    path = tmp_path / "kernel.json"
    saved: dict[str, Any] = dict(write_connection_file(str(path), key=b"key")[1])
    session, context = Session(key=b"key"), zmq.Context[Any]()
    sockets = {
        "shell": context.socket(zmq.DEALER),
        "control": context.socket(zmq.DEALER),
        "iopub": context.socket(zmq.SUB),
    }
    shell, control, iopub = sockets.values()
    iopub.subscribe(b"")

    def connect(name: str) -> None:
        sockets[name].connect(f"tcp://{saved['ip']}:{saved[f'{name}_port']}")

    try:
        with launched("-f", str(path), program=("-c", PATIENT_KERNEL)):
            for name in ("shell", "control"):
                connect(name)
                session.send(sockets[name], "kernel_info_request", {})
            # Who has an answer on control has been connected to shell for as long.
            assert control.poll(int(TIMEOUT * 1000))
            connect("iopub")
            states: list[str] = []
            while states[-1:] != ["idle"]:
                assert iopub.poll(int(TIMEOUT * 1000)), states
                message = session.deserialize(session.feed_identities(iopub.recv_multipart())[1])
                if message["parent_header"].get("msg_id", "").endswith("_0"):
                    states.append(message["content"]["execution_state"])
            assert states == ["busy", "idle"]
            assert shell.poll(int(TIMEOUT * 1000))
    finally:
        context.destroy(linger=0)


def wait_for_stream(client: BlockingKernelClient, text: str) -> None:
    """Read iopub until something with this text was printed."""
    while True:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return


def test_question_waits_for_a_client_that_comes_to_stdin_last(
    tmp_path: Path, jupyter_environment: dict[str, str]
) -> None:
    path = tmp_path / "kernel.json"
    write_connection_file(str(path), key=b"key")
    with launched("-f", str(path)):
        client = BlockingKernelClient(connection_file=str(path))
        client.load_connection_file()
        client.start_channels(stdin=False)
        try:
            cell = client.execute("print('before')\nprint('asks', input('name? '))", allow_stdin=True)
            wait_for_stream(client, "before\n")
            # What the sandbox answers now comes after the question.
            completion = client.complete("in")
            while client.get_shell_msg(timeout=TIMEOUT)["parent_header"]["msg_id"] != completion:
                continue
            client.stdin_channel.start()
            question = client.get_stdin_msg(timeout=TIMEOUT)
            assert question["content"]["prompt"] == "name? " and question["parent_header"]["msg_id"] == cell
            client.input("late")
            wait_for_stream(client, "asks late\n")
        finally:
            client.stop_channels()


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"shell_port": "x"}', '{"signature_scheme": "hmac-no", "key": "k"}']
)
def test_file_that_is_none_is_said(tmp_path: Path, jupyter_environment: dict[str, str], content: str) -> None:
    path = tmp_path / "kernel.json"
    path.write_text(content, encoding="utf-8")
    with launched("-f", str(path)) as process:
        _, words = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert b"kernel.json cannot be read" in words and b"Traceback" not in words


def test_kernel_ends_with_the_program_that_started_it(tmp_path: Path, jupyter_environment: dict[str, str]) -> None:
    path = tmp_path / "kernel.json"
    code = f"import os, subprocess, sys, time; os.environ['JPY_PARENT_PID'] = str(os.getpid()); \
        print(subprocess.Popen([sys.executable, '-m', 'hopx_kernel', '-f', {str(path)!r}]).pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    wait_for_file(path, parent)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + TIMEOUT
    while _lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_client_that_comes_back_under_its_name_is_answered(kernel: Kernel, channel: str) -> None:
    """Its old connection may be there for long, where a network lies between: nobody has heard of its end."""
    ports: dict[str, Any] = dict(kernel.manager.get_connection_info())
    port = ports[f"{channel}_port"]
    session = Session(key=kernel.client.session.key)
    with zmq.Context[Any]() as context:
        sockets: list[zmq.Socket[bytes]] = [context.socket(zmq.DEALER) for _ in range(3)]
        for sock in sockets:
            sock.setsockopt(zmq.IDENTITY, b"its name")
            sock.connect(f"tcp://127.0.0.1:{port}")
            request: Any = session.send(sock, "kernel_info_request", {})
            assert sock.poll(int(TIMEOUT * 1000)), "no answer"
            _, parts = session.feed_identities(sock.recv_multipart())
            reply = session.deserialize(parts)
            assert reply["parent_header"]["msg_id"] == request["header"]["msg_id"]
        for sock in sockets:
            sock.close(0)
    assert kernel.run("1 + 1").result == "2"
