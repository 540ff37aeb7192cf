"""Bytes into lines, and the bounded queue, without any sandbox."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopx_kernel.library.lines import BatchQueue, Block, Line, LineSplitter

pytestmark = pytest.mark.anyio

VECTORS: list[tuple[bytes, list[str]]] = [
    (b"", []),
    (b"a", ["a"]),
    (b"a\n", ["a"]),
    (b"a\nb", ["a", "b"]),
    (b"\n\n", ["", ""]),
    (b"a\r\nb\r\n", ["a", "b"]),
    (b"50%\r100%\n", ["50%\r100%"]),
    (b"a\r", ["a\r"]),
    ("x\u2028y\x0cz\x85\n".encode(), ["x\u2028y\x0cz\x85"]),
    ("é€😀\n".encode(), ["é€😀"]),
    (b"\xff\xfe ok\n", ["\ufffd\ufffd ok"]),
    (b"\x00\n", ["\x00"]),
]


def split(chunks: list[bytes], max_line_bytes: int = 1 << 20) -> list[Line]:
    splitter = LineSplitter("stdout", max_line_bytes)
    blocks = [splitter.feed(chunk) for chunk in chunks]
    return [line for block in [*blocks, splitter.finish()] if block is not None for line in block.lines()]


@pytest.mark.parametrize(("data", "expected"), VECTORS)
def test_lines_are_the_same_whole_and_byte_by_byte(data: bytes, expected: list[str]) -> None:
    assert split([data] if data else []) == expected
    assert split([data[i : i + 1] for i in range(len(data))]) == expected


@given(st.lists(st.binary(max_size=20)))
def test_lines_do_not_depend_on_where_the_bytes_are_cut(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert split(chunks) == split([whole] if whole else [])


@given(st.text(alphabet=st.sampled_from("aé€😀"), min_size=1), st.integers(4, 40), st.integers(1, 7))
def test_piece_of_too_long_line_splits_no_character(text: str, bound: int, step: int) -> None:
    data = text.encode()
    lines = split([data[i : i + step] for i in range(0, len(data), step)], max_line_bytes=bound)
    assert "".join(lines) == text
    assert all(not line.is_whole for line in lines[:-1])


def test_line_knows_its_stream() -> None:
    (line,) = Block("stderr", b"oh\n").lines()
    assert line == "oh"
    assert line.name == "stderr"
    assert line.is_whole
    assert not Block("stderr", b"oh", is_whole=False).lines()[0].is_whole


@pytest.mark.parametrize("data", [b"a\nb\n", b"a\nb", b"\n", b"a"])
def test_line_count_is_that_of_lines(data: bytes) -> None:
    block = Block("stdout", data)
    assert block.line_count == len(block.lines())


async def test_queue_makes_the_writer_wait_when_full() -> None:
    queue: BatchQueue[Block] = BatchQueue(4)
    order = []

    async def write() -> None:
        for data in (b"12", b"34", b"56"):
            assert await queue.put(Block("stdout", data)) == []
            order.append(data)
        queue.end()

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert order == [b"12", b"34"]
        assert [block.data for block in await queue.get_all()] == [b"12", b"34"]
    assert [block.data for block in await queue.get_all()] == [b"56"]
    assert await queue.get_all() == []


async def test_queue_wakes_every_writer_that_waits() -> None:
    queue: BatchQueue[Block] = BatchQueue(1)
    async with anyio.create_task_group() as group:
        for data in (b"1", b"2", b"3"):
            group.start_soon(queue.put, Block("stdout", data))
        taken = b""
        while len(taken) < 3:
            taken += b"".join(block.data for block in await queue.get_all())
    assert sorted(taken) == sorted(b"123")


async def test_queue_gives_what_it_drops() -> None:
    queue: BatchQueue[Block] = BatchQueue(4, drop_oldest=True)
    dropped = [block.data for data in (b"12", b"34", b"56") for block in await queue.put(Block("stdout", data))]
    assert dropped == [b"12"]
    assert [block.data for block in await queue.get_all()] == [b"34", b"56"]


async def test_queue_takes_an_item_larger_than_itself_alone() -> None:
    queue: BatchQueue[Block] = BatchQueue(2)
    await queue.put(Block("stdout", b"12345"))
    assert [block.size for block in await queue.get_all()] == [5]


async def test_queue_lets_the_writer_go_when_told_to_drop() -> None:
    queue: BatchQueue[Block] = BatchQueue(1)
    await queue.put(Block("stdout", b"1"))
    async with anyio.create_task_group() as group:
        group.start_soon(queue.put, Block("stdout", b"2"))
        await anyio.wait_all_tasks_blocked()
        queue.set_drop_oldest()
    assert [block.data for block in await queue.get_all()] == [b"2"]
