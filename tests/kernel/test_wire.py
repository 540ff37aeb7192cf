"""Messages as frames: what jupyter_client packs is unpacked, and the other way round; what is forged is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jupyter_client.session import Session

from hopx_kernel.kernel.wire import Wire

KEY = b"a key"
PARENT = {"header": {"msg_id": "1", "msg_type": "execute_request", "date": "2020-01-01T00:00:00.5Z"}}


@pytest.fixture
def session() -> Session:
    return Session(key=KEY)


def pack(wire: Wire, content: dict[str, Any], **options: Any) -> list[bytes]:
    return wire.pack(wire.header("stream"), content, PARENT, **options)


def test_jupyter_client_reads_what_is_packed(session: Session) -> None:
    frames = pack(Wire(KEY), {"text": "é\n"}, idents=[b"a", b"b"], metadata={"m": 1}, buffers=[b"\x00\xff"])
    idents, rest = session.feed_identities(frames)
    message = session.deserialize(rest)
    assert idents == [b"a", b"b"]
    assert message["content"] == {"text": "é\n"}
    assert message["metadata"] == {"m": 1}
    assert message["msg_type"] == "stream" and message["header"]["version"] == "5.4"
    assert message["parent_header"]["msg_id"] == "1"
    assert bytes(message["buffers"][0]) == b"\x00\xff"


def test_what_jupyter_client_packs_is_read(session: Session) -> None:
    sent = session.msg("execute_request", {"code": "1 + 1"}, metadata={"cellId": "c"})
    idents, message = Wire(KEY).unpack([*session.serialize(sent, ident=[b"a"]), b"buffer"])
    assert idents == [b"a"]
    assert message["content"] == {"code": "1 + 1"} and message["metadata"] == {"cellId": "c"}
    assert (message["msg_id"], message["msg_type"]) == (sent["msg_id"], "execute_request")
    assert message["buffers"] == [b"buffer"]


def test_parent_header_is_what_came(session: Session) -> None:
    wire = Wire(KEY)
    _, request = wire.unpack(session.serialize(session.msg("execute_request", {"code": ""})))
    frames = wire.pack(wire.header("stream"), {}, request)
    assert json.loads(frames[3]) == request["header"]


def test_other_hash_is_used_as_named() -> None:
    session = Session(key=KEY, signature_scheme="hmac-sha512")
    _, message = Wire(KEY, "hmac-sha512").unpack(session.serialize(session.msg("x", {"a": 1})))
    assert message["content"] == {"a": 1}


def test_without_a_key_nothing_is_signed() -> None:
    frames = pack(Wire(b""), {})
    assert frames[1] == b""
    Wire(b"").unpack(frames)
    Wire(b"").unpack(frames)


@pytest.mark.parametrize("scheme", ["hmac-nonsense", "sha256", ""])
def test_unknown_scheme_is_refused(scheme: str) -> None:
    with pytest.raises(ValueError, match="not known"):
        Wire(KEY, scheme)


@pytest.mark.parametrize("index", [1, 2, 3, 4, 5])
def test_changed_part_is_refused(index: int) -> None:
    frames = pack(Wire(KEY), {"text": "x"})
    frames[index] = frames[index].replace(b"1", b"2") if b"1" in frames[index] else frames[index] + b" "
    with pytest.raises(ValueError, match="signature"):
        Wire(KEY).unpack(frames)


def test_message_is_taken_once() -> None:
    wire, frames = Wire(KEY), pack(Wire(KEY), {})
    wire.unpack(frames)
    with pytest.raises(ValueError, match="before"):
        wire.unpack(frames)


def test_forged_message_does_not_keep_the_true_one_out() -> None:
    wire, frames = Wire(KEY), pack(Wire(KEY), {"text": "x"})
    with pytest.raises(ValueError, match="signature"):
        wire.unpack([*frames[:5], b"{}"])
    assert wire.unpack(frames)[1]["content"] == {"text": "x"}


@pytest.mark.parametrize("frames", [[], [b"<IDS|MSG>"], [b"a", b"<IDS|MSG>", b"", b"{}"], [b"a"] * 6], ids=len)
def test_what_is_no_message_is_refused(frames: list[bytes]) -> None:
    for wire in (Wire(KEY), Wire(b"")):
        with pytest.raises(ValueError, match=r"delimiter|parts"):
            wire.unpack(frames)


@pytest.mark.parametrize("header", [b"[]", b"{}", b'{"msg_id": "1"}', b"nonsense"])
def test_header_without_id_or_type_is_refused(header: bytes) -> None:
    with pytest.raises(ValueError, match=r"lacks|Expecting"):
        Wire(b"").unpack([b"<IDS|MSG>", b"", header, b"{}", b"{}", b"{}"])


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    parts = [b'{"msg_id": "1", "msg_type": "x"}', b"{}", b"{}", b'{"code": "a\xff"}']
    assert Wire(b"").unpack([b"<IDS|MSG>", b"", *parts])[1]["content"] == {"code": "a\ufffd"}


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert json.loads(pack(Wire(KEY), {"text": "a\ud800b"})[5]) == {"text": "a?b"}


def test_numbers_that_are_none_are_spelled() -> None:
    content = {"values": [1.5, float("nan"), (float("inf"),)], "nested": {"low": -float("inf")}}
    assert json.loads(pack(Wire(KEY), content)[5]) == {"values": [1.5, "nan", ["inf"]], "nested": {"low": "-inf"}}
