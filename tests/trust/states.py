"""Widgets of a sandbox: their states as it sends them, and what passes of them."""

from __future__ import annotations

import itertools
from typing import Any

from hopx_kernel.trust import TrustPolicy

from .page import SAFE

__all__ = ["anywidget", "base", "control", "new_id", "opened", "output", "passed", "told", "updated"]

_ids = itertools.count()


def control(name: str, **state: Any) -> dict[str, Any]:
    module = "@jupyter-widgets/controls"
    names = {"_model_name": f"{name}Model", "_view_name": f"{name}View"}
    return {**names, "_model_module": module, "_view_module": module, **state}


def anywidget(**state: Any) -> dict[str, Any]:
    names = {
        "_model_name": "AnyModel",
        "_view_name": "AnyView",
        "_model_module": "anywidget",
        "_view_module": "anywidget",
    }
    return {**names, **state}


def output(**state: Any) -> dict[str, Any]:
    module = "@jupyter-widgets/output"
    names = {"_model_name": "OutputModel", "_view_name": "OutputView", "_model_module": module, "_view_module": module}
    return {**names, **state}


def base(name: str, **state: Any) -> dict[str, Any]:
    names = {"_model_name": f"{name}Model", "_view_name": f"{name}View"}
    return {**names, **dict.fromkeys(("_model_module", "_view_module"), "@jupyter-widgets/base"), **state}


def new_id() -> str:
    return f"comm{next(_ids)}"


def passed(message: tuple[dict[str, Any], Any] | None) -> dict[str, Any]:
    assert message is not None
    return message[0]


def opened(state: dict[str, Any], comm_id: str | None = None, policy: TrustPolicy = SAFE) -> dict[str, Any]:
    data = passed(policy.comm("comm_open", comm_id or new_id(), {"state": state, "buffer_paths": []}, ()))
    assert set(data) == {"state", "buffer_paths"}
    clean: dict[str, Any] = data["state"]
    return clean


def updated(comm_id: str, state: Any, method: Any = "update", **more: Any) -> dict[str, Any] | None:
    message = SAFE.comm("comm_msg", comm_id, {"method": method, "state": state, **more}, ())
    if message is None:
        return None
    assert set(message[0]) == {"method", "state", "buffer_paths"}
    clean: dict[str, Any] = message[0]["state"]
    return clean


def told(comm_id: str, state: dict[str, Any], **entry: Any) -> dict[str, Any]:
    data, _ = SAFE.comm_states({"method": "update_states", "states": {comm_id: {"state": state, **entry}}}, ())
    states: dict[str, Any] = data["states"]
    return states
