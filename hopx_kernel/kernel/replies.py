"""Contents of ``execute_reply``\\ s, with what output is in them made as harmless as other output. Pure."""

from __future__ import annotations

from typing import Any

from ..trust import TrustPolicy

__all__ = ["clean_reply"]


def clean_reply(reply: dict[str, Any], trust: TrustPolicy, *, is_trusted: bool) -> dict[str, Any]:
    """The content of a reply for the front end; `is_trusted` where all payloads pass."""
    content = dict(reply)
    if content.get("status") != "ok":
        return trust.error({"traceback": [], **content})
    content["user_expressions"] = {
        name: _clean_expression(value, trust) for name, value in (content.get("user_expressions") or {}).items()
    }
    payload = content.get("payload")
    payloads = [_clean_payload(one, trust, is_trusted) for one in (payload if isinstance(payload, list) else [])]
    content["payload"] = [one for one in payloads if one]
    return content


def _clean_expression(value: Any, trust: TrustPolicy) -> Any:
    if isinstance(value, dict) and isinstance(value.get("data"), dict):
        data, metadata = trust.bundle(value["data"], value.get("metadata") or {})
        return {"status": "ok", "data": data, "metadata": metadata}
    return trust.error(value) if isinstance(value, dict) else trust.error({"status": "error"})


def _clean_payload(payload: Any, trust: TrustPolicy, is_trusted: bool) -> dict[str, Any] | None:
    """A payload acts in the front end: only those pass that neither open a file nor a program there."""
    if not isinstance(payload, dict):
        return None
    source = payload.get("source")
    if source == "page" and isinstance(payload.get("data"), dict):
        data, _ = trust.bundle(payload["data"], {})
        start = payload.get("start")
        return {"source": source, "data": data, "start": start if type(start) is int else 0}
    if is_trusted:
        return payload
    if source == "set_next_input" and isinstance(payload.get("text"), str):
        return {"source": source, "text": trust.text(payload["text"]), "replace": payload.get("replace") is True}
    return {"source": source, "keepkernel": payload.get("keepkernel") is True} if source == "ask_exit" else None
