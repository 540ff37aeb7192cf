"""Files in real sandboxes, and copies from and to the host."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import anyio
import pytest

from hopx_kernel import Sandbox

pytestmark = pytest.mark.anyio

NAMES = ["plain", "with space", "quote'\"s", "$(touch x);", "new\nline", "é😀", "-n", ".hidden", "a\\b"]


# ------------------------------------------------------------------ content


def test_write_and_read_keep_text(sandbox: Sandbox) -> None:
    text = "é😀\r\n\0 \u2028 end"
    sandbox.files.write("/app/new/directory/file.txt", text)
    assert sandbox.files.read("/app/new/directory/file.txt") == text


def test_write_and_read_keep_bytes(sandbox: Sandbox) -> None:
    data = os.urandom(3_000_000)
    sandbox.files.write("data.bin", data)
    assert sandbox.files.read_bytes("/workspace/data.bin") == data


async def test_async_twins_do_the_same(sandbox: Sandbox) -> None:
    await sandbox.files.write_async("/app/a", "x")
    assert await sandbox.files.read_async("/app/a") == "x"
    assert await sandbox.files.read_bytes_async("/app/a") == b"x"
    assert [entry.name for entry in await sandbox.files.list_async("/app")] == ["a"]
    assert await sandbox.files.exists_async("/app/a")
    await sandbox.files.remove_async("/app/a")
    assert not await sandbox.files.exists_async("/app/a")


@pytest.mark.parametrize("name", NAMES)
def test_names_stay_what_they_are(sandbox: Sandbox, name: str) -> None:
    sandbox.files.write(f"/app/{name}", name)
    assert [entry.name for entry in sandbox.files.list("/app")] == [name]
    assert sandbox.files.read(f"/app/{name}") == name
    sandbox.files.remove(f"/app/{name}")
    assert sandbox.files.list("/app") == []


def test_list_tells_what_each_entry_is(sandbox: Sandbox) -> None:
    sandbox.commands.run("printf 12345 > file; mkdir dir; ln -s /nowhere link; mkfifo pipe", cwd="/app")
    entries = {entry.name: entry for entry in sandbox.files.list("/app")}
    assert list(entries) == ["dir", "file", "link", "pipe"]
    assert entries["file"].is_file
    assert entries["file"].size_bytes == 5
    assert entries["file"].path == "/app/file"
    assert entries["dir"].is_directory
    assert entries["link"].is_symlink
    assert not (entries["pipe"].is_file or entries["pipe"].is_directory or entries["pipe"].is_symlink)


def test_remove_takes_a_directory_with_everything_but_not_what_a_link_leads_to(sandbox: Sandbox) -> None:
    sandbox.commands.run("mkdir -p dir/sub keep; touch dir/sub/a keep/b; ln -s ../keep dir/link", cwd="/app")
    sandbox.files.remove("/app/dir")
    assert not sandbox.files.exists("/app/dir")
    assert sandbox.files.exists("/app/keep/b")


@pytest.mark.parametrize("verb", ["read", "read_bytes", "list", "remove"])
def test_missing_file_is_named(sandbox: Sandbox, verb: str) -> None:
    with pytest.raises(FileNotFoundError, match="/app/no such"):
        getattr(sandbox.files, verb)("/app/no such")


def test_read_of_what_is_no_text_says_where_and_what_works(sandbox: Sandbox) -> None:
    sandbox.files.write("/app/a", b"ok\xff")
    with pytest.raises(ValueError, match=r"byte 2\); use read_bytes"):
        sandbox.files.read("/app/a")


@pytest.mark.parametrize("kind", ["local", "process"])
@pytest.mark.parametrize(
    "make",
    ["mkfifo a", "mkfifo a; sleep 60 > a &", "mkfifo a; sleep 60 < a &", "ln -s /dev/zero a", "ln -s /dev/full a"],
)
def test_pipes_and_devices_are_neither_read_nor_written(kind: str, make: str) -> None:
    with Sandbox.create(kind=kind) as sandbox:
        sandbox.commands.run(make, timeout=30)
        for call in (sandbox.files.read, lambda path: sandbox.files.write(path, "x")):
            with pytest.raises(OSError, match="not an ordinary file"):
                call("/workspace/a")


def test_read_of_a_directory_says_so(sandbox: Sandbox) -> None:
    with pytest.raises(IsADirectoryError, match="/app"):
        sandbox.files.read("/app")


def test_read_only_places_cannot_be_written(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="/usr/x"):
        sandbox.files.write("/usr/x", "x")


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800"])
def test_path_that_is_none_is_refused(sandbox: Sandbox, path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        sandbox.files.exists(path)


# ------------------------------------------------------------------ upload


@pytest.mark.parametrize("name", NAMES)
def test_upload_and_download_keep_name_and_bytes(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    data = os.urandom(1000)
    (tmp_path / name).write_bytes(data)
    path = sandbox.files.upload(tmp_path / name)
    assert path == f"/workspace/{name}"
    back = tmp_path / "back"
    back.mkdir()
    # A name that comes from a sandbox is listed in terminals: what acts there is none of it.
    plain = back / name.replace("\n", "_")
    assert sandbox.files.download(path, back) == plain
    assert plain.read_bytes() == data


async def test_copies_tell_how_far_they_are(sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(os.urandom(5_000_000))
    up: list[tuple[int, int]] = []
    down: list[tuple[int, int]] = []
    path = await sandbox.files.upload_async(source, "/app/", on_progress=lambda *state: up.append(state))
    assert path == "/app/large"
    await sandbox.files.download_async(path, tmp_path / "back", on_progress=lambda *state: down.append(state))
    for states in (up, down):
        assert len(states) > 5
        assert states == sorted(states)
        assert states[-1] == (5_000_000, 5_000_000)
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_upload_replaces_a_longer_file(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("short", encoding="utf-8")
    sandbox.files.write("/app/a", "much longer")
    sandbox.files.upload(tmp_path / "a", "/app/a")
    assert sandbox.files.read("/app/a") == "short"


def test_upload_refuses_a_symbolic_link(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s", encoding="utf-8")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(OSError, match=r"symbolic link, to 'secret'"):
        sandbox.files.upload(tmp_path / "link")
    assert sandbox.files.list("/workspace") == []


def test_upload_refuses_what_is_no_ordinary_file(sandbox: Sandbox, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in ((tmp_path, "directory"), (tmp_path / "pipe", "a pipe"), (Path("/dev/zero"), "device")):
        with pytest.raises(OSError, match=reason):
            sandbox.files.upload(path)


def test_upload_refuses_a_socket(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="socket"):
            sandbox.files.upload(tmp_path / "socket")


def test_file_that_does_not_tell_its_size_is_refused_and_not_taken_for_empty(sandbox: Sandbox, tmp_path: Path) -> None:
    for copy in (
        lambda: sandbox.files.upload("/proc/version"),
        lambda: sandbox.files.download("/proc/version", tmp_path),
    ):
        with pytest.raises(OSError, match="does not tell its size"):
            copy()
    assert sandbox.files.read("/proc/version").startswith("Linux")
    (tmp_path / "empty").touch()
    assert sandbox.files.download(sandbox.files.upload(tmp_path / "empty"), tmp_path / "back").read_bytes() == b""


def test_upload_of_a_file_that_grows_takes_what_it_was(sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / "log"
    source.write_bytes(b"a" * 1_000_000)

    def grow(*_: int) -> None:
        with source.open("ab") as file:
            file.write(b"b" * 1000)

    path = sandbox.files.upload(source, on_progress=grow)
    assert sandbox.files.read(path) == "a" * 1_000_000


def test_upload_of_a_file_that_shrinks_is_an_error_and_no_short_file(sandbox: Sandbox, tmp_path: Path) -> None:
    source = tmp_path / "log"
    source.write_bytes(b"a" * 1_000_000)
    with pytest.raises(OSError, match="did not arrive"):
        sandbox.files.upload(source, on_progress=lambda *_: os.truncate(source, 0))


def test_upload_of_a_missing_file_names_it(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        sandbox.files.upload(tmp_path / "none")


def test_upload_onto_a_pipe_of_the_sandbox_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1_000_000)
    sandbox.commands.run("mkfifo /app/pipe")
    with pytest.raises(OSError, match="/app/pipe"):
        sandbox.files.upload(tmp_path / "a", "/app/pipe")


# ------------------------------------------------------------------ download


def test_download_without_target_goes_to_the_current_directory(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sandbox.files.write("/app/a", "x")
    assert sandbox.files.download("/app/a") == tmp_path / "a"


@pytest.mark.parametrize("source", ["/app/..", "/app/.", "..", "/app/"])
def test_download_of_a_path_that_names_no_file_is_refused(sandbox: Sandbox, tmp_path: Path, source: str) -> None:
    with pytest.raises(OSError, match="name"):
        sandbox.files.download(source, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_download_of_a_path_with_dots_stays_in_the_target(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.files.write("/app/a", "x")
    target = tmp_path / "target"
    target.mkdir()
    assert sandbox.files.download("/app/../app/./a", target) == target / "a"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "target"]


def test_download_of_a_link_reads_the_sandbox_and_not_the_host(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the host's", encoding="utf-8")
    sandbox.commands.run(["ln", "-s", str(tmp_path / "secret"), "/app/link"])
    with pytest.raises(FileNotFoundError):
        sandbox.files.download("/app/link", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_download_refuses_to_write_through_a_symbolic_link(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep", encoding="utf-8")
    (tmp_path / "out").symlink_to("precious")
    sandbox.files.write("/app/out", "x")
    for target in (tmp_path / "out", tmp_path):
        with pytest.raises(OSError, match=r"symbolic link, to 'precious'"):
            sandbox.files.download("/app/out", target)
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "keep"


def test_download_refuses_to_write_into_a_pipe(sandbox: Sandbox, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    sandbox.files.write("/app/a", "x")
    with pytest.raises(OSError, match="a pipe"):
        sandbox.files.download("/app/a", tmp_path / "pipe")


def test_download_into_a_directory_that_is_not_there_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.files.write("/app/a", "x")
    for target in (f"{tmp_path}/none/", f"{tmp_path}/none/a"):
        with pytest.raises(OSError, match="none"):
            sandbox.files.download("/app/a", target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("mkdir /app/a", "directory"),
        ("mkfifo /app/a", "pipe"),
        ("ln -s /dev/zero /app/a", "device"),
        ("true", "No such"),
    ],
)
def test_download_of_what_is_no_ordinary_file_is_refused(
    sandbox: Sandbox, tmp_path: Path, command: str, reason: str
) -> None:
    sandbox.commands.run(command)
    with pytest.raises(OSError, match=reason):
        sandbox.files.download("/app/a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_download_replaces_a_file_whole_and_leaves_nothing_beside_it(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("much longer than before", encoding="utf-8")
    sandbox.files.write("/app/a", "new")
    sandbox.files.download("/app/a", tmp_path / "a")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_download_of_a_file_that_grows_takes_what_it_was(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.commands.stream("echo start > /app/log; echo ok; while :; do echo more >> /app/log; done") as stream:
        assert next(iter(stream)) == "ok"
        sizes: list[int] = []
        sandbox.files.download("/app/log", tmp_path / "log", on_progress=lambda _, size: sizes.append(size))
    assert (tmp_path / "log").stat().st_size == sizes[-1]


def test_download_that_shrinks_leaves_nothing_here(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.commands.run("truncate -s 500M /app/a")
    shrink = threading.Thread(target=sandbox.commands.run, args=("truncate -s 0 /app/a",))

    def go_slowly(done: int, _: int) -> None:
        if not shrink.ident:
            shrink.start()
        time.sleep(0.02)  # the library's loop, so that the other command gets in between: there are 2,000 of these

    with pytest.raises(OSError, match="it ended after"):
        sandbox.files.download("/app/a", tmp_path / "a", on_progress=go_slowly)
    shrink.join()
    assert list(tmp_path.iterdir()) == []


async def test_download_that_is_broken_off_leaves_nothing_here(sandbox: Sandbox, tmp_path: Path) -> None:
    """The sandbox holds what answers still, and nothing more ever comes."""
    sandbox.commands.run("truncate -s 1G /app/a")
    stop = "for p in /proc/[0-9]*; do grep -qz '^read$' $p/cmdline && kill -STOP ${p#/proc/}; done 2>/dev/null; true"
    holder = threading.Thread(target=sandbox.commands.run, args=(stop,))
    states: list[int] = []

    def hold(done: int, _: int) -> None:
        states.append(done)
        if not holder.ident:
            holder.start()
        if holder.is_alive():
            time.sleep(0.02)  # the library's loop, so that the other command gets in between: there are 4,000 of these

    async def break_off() -> None:
        before = None
        while not holder.ident or holder.is_alive() or states[-1] != before:  # until nothing more comes
            before = states[-1] if states else None
            await anyio.sleep(0.5)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(break_off)
        await sandbox.files.download_async("/app/a", tmp_path / "a", on_progress=hold)
    assert group.cancel_scope.cancelled_caught
    assert 0 < states[-1] < 1 << 30
    assert list(tmp_path.iterdir()) == []
    assert sandbox.commands.run("echo alive").stdout == "alive\n"


def test_download_larger_than_the_disk_is_refused_before_it_starts(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.commands.run("truncate -s 8000T /dev/shm/huge || truncate -s 15T /dev/shm/huge", cwd="/")
    with pytest.raises(OSError, match="less room"):
        sandbox.files.download("/dev/shm/huge", tmp_path / "huge")
    assert list(tmp_path.iterdir()) == []
