"""A slow reader: either the command waits, or the newest lines come with a count of those that were dropped."""

import time

from hopx_kernel import Sandbox

COMMAND = "seq 1 200000"


def read_slowly(sandbox: Sandbox, on_overflow: str) -> tuple[int, int]:
    """Lines that came, and lines that were dropped."""
    stream = sandbox.commands.stream(COMMAND, buffer_size=4096, on_overflow=on_overflow)
    count = 0
    for count, line in enumerate(stream, 1):
        if count % 20000 == 1:
            time.sleep(0.05)  # a reader that has something else to do now and then
    assert line == "200000", "the last line always comes"
    return count, stream.dropped_lines


with Sandbox.create() as sandbox:
    came, dropped = read_slowly(sandbox, "wait")
    print(f"wait: {came} lines came, {dropped} were dropped")

    came, dropped = read_slowly(sandbox, "drop_oldest")
    print(f"drop_oldest: every line came or is counted: {came + dropped}")
