"""PROTOCOL.md says what the tables in the code say: no more, no less."""

from __future__ import annotations

import re
from pathlib import Path

from hopx_kernel.config import HopxConfig
from hopx_kernel.protocol import RunnerOptions, connection, frames, messages
from hopx_kernel.runner.limits import OPTIONS

TEXT = Path(messages.__file__).with_name("PROTOCOL.md").read_text(encoding="utf-8")

#: Keys that Jupyter's own messages have, which the document leaves to Jupyter's.
JUPYTERS = {
    *("code", "cursor_pos", "comm_id", "target_name", "data", "metadata", "name", "text", "wait"),
    *("ename", "evalue", "traceback", "prompt", "password", "status", "execution_state"),
}


def section(title: str) -> str:
    """What stands below a heading, up to the next."""
    return re.split(r"^#+ ", TEXT.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def names(text: str) -> list[str]:
    """Words set as code."""
    return re.findall(r"`([a-z_]+)`", text)


def rows(text: str) -> list[list[str]]:
    """Cells of a table's rows without its head."""
    lines = re.findall(r"^\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in "".join(lines).splitlines()]


REQUESTS = rows(section("Requests, host to runner"))
EVENTS = section("Events, runner to host")


def test_version_is_the_code_s() -> None:
    assert TEXT.splitlines()[0].endswith(f"version {messages.PROTOCOL_VERSION}")


def test_table_of_requests_has_every_request_and_no_other() -> None:
    told = [name for row in REQUESTS for name in names(row[0])]
    assert sorted(told) == sorted(messages.REQUESTS)


def test_table_of_requests_tells_what_each_is_answered_by() -> None:
    for row in REQUESTS:
        for request in names(row[0]):
            answer = messages.REPLIES.get(request)
            if "of the same name" in row[-1]:
                assert answer == request.replace("_request", "_reply")
            elif answer is None:
                assert not any(name.endswith("_reply") for name in names(row[-1])), row
            else:
                assert names(row[-1])[0] == answer


def test_keys_that_a_request_must_have_are_told() -> None:
    for row in REQUESTS:
        for request in names(row[0]):
            assert set(messages.REQUESTS[request]) - JUPYTERS <= set(names(" ".join(row))), row


def test_every_event_is_told() -> None:
    replies = set(messages.REPLIES.values()) | {"status"}
    assert set(messages.EVENTS) - replies <= set(names(EVENTS))


def test_words_that_look_like_messages_are_messages() -> None:
    known = {*messages.REQUESTS, *messages.EVENTS, "_reply"}
    told = {name for name in names(TEXT) if re.search(r"_(request|reply|data|result|msg|output)$", name)}
    assert told <= known


def test_keys_that_an_event_must_have_are_told() -> None:
    for event, schema in messages.EVENTS.items():
        assert set(schema) - JUPYTERS - {"version"} <= set(names(EVENTS)), event


def test_events_without_a_number_are_told() -> None:
    told = names(EVENTS[EVENTS.index("Not numbered") :])
    assert {name for name in told if name in messages.EVENTS} == messages.UNSEQUENCED


def test_keys_of_a_message_are_told() -> None:
    envelope = {name for row in rows(section("Messages")) for name in names(row[0])}
    assert envelope == set(messages.Message.__dataclass_fields__)


def test_bounds_are_the_code_s() -> None:
    kib, mib = 1 << 10, 1 << 20
    assert f"{frames.MAX_FRAME_BYTES // kib} KiB at most" in TEXT
    assert f"A message has {frames.MAX_MESSAGE_BYTES // mib} MiB at most" in TEXT
    assert f"pass {connection.LOG_BOUND_BYTES // mib} MiB" in TEXT


def test_limits_are_those_that_the_runner_names() -> None:
    table = {names(row[0])[0]: names(row[1]) for row in rows(EVENTS)}
    assert table["limit"] == ["memory", "processes", "open_files", "disk"] == list(OPTIONS)
    assert {library for _, library in OPTIONS.values()} <= set(RunnerOptions.__dataclass_fields__)
    assert {kernel for kernel, _ in OPTIONS.values()} <= set(HopxConfig.class_trait_names(config=True))
