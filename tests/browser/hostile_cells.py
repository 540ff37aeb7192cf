"""Cells that send a seed's random messages and outputs to the page, as they were made: nothing of ipywidgets looks at them.

Every one of them calls ``canary(way)`` if it acts, with the number of the way by which it came.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from ..trust.hostile import Hostile

__all__ = ["BUNDLES", "CANARY", "END", "LIVE", "STATES", "lab_cells", "voila_cells"]

#: The ways to the page: as output, as a widget's state that the page asks for, as a message that comes by itself.
BUNDLES, STATES, LIVE = 1, 2, 3

#: What runs in the page before all else. A script in a closed frame cannot reach the page's.
CANARY = """
window.canary = way => {
  try { (top.pwned = top.pwned || []).push(`fuzz by way ${way}`); } catch { /* a closed frame */ }
};
"""

#: The last cell's output.
END = "all of them came"

#: JupyterLab shows no more than 50 outputs of a cell; Voilà is given three times as many.
MESSAGES, SHOWN = 50, 20

_PRELUDE = """
import base64, json
import ipywidgets as W
from comm import create_comm, get_comm_manager
from IPython.display import display

kept = []  # a comm that is forgotten closes itself

def decoded(text):
    return json.loads(base64.b64decode(text))

def send(messages):
    "Send comm messages; gives the states of those that were opened, by name."
    opened = {}
    for msg_type, comm_id, data, buffers in messages:
        comm = create_comm(target_name="jupyter.widget", comm_id=comm_id, primary=False)
        kept.append(comm)
        names = {"target_name": "jupyter.widget"} if msg_type == "comm_open" else {}
        comm.publish_msg(msg_type, data=data, metadata={"version": "2.1.0"}, buffers=[b"png"] * buffers, **names)
        if msg_type == "comm_open":
            opened.setdefault(comm_id, data.get("state"))
    return opened

def show(names):
    for name in names:
        view = {"model_id": name, "version_major": 2, "version_minor": 0}
        display({"application/vnd.jupyter.widget-view+json": view, "text/plain": "instead"}, raw=True)

def emit(bundles):
    for data, metadata in bundles:
        display(data, metadata=metadata, raw=True)
"""

#: Voilà's page asks for the states of all widgets when it is loaded, and is told what was opened and what was not.
_TELL = """
opened = send(decoded({messages!r}))
offered = {{**{{name: {{"state": state}} for name, state in opened.items()}}, **decoded({states!r})}}
for entry in offered.values():
    if isinstance(entry, dict) and isinstance(entry.get("state"), dict):
        keys = ("_model_name", "_model_module", "_model_module_version")
        entry.update({{key[1:]: entry["state"].get(key) for key in keys}})

def answer(comm, _):
    def tell(_):
        real = W.Widget.get_manager_state()["state"]
        comm.send({{"method": "update_states", "states": {{**offered, **real}}, "buffer_paths": []}})
    comm.on_msg(tell)

get_comm_manager().register_target("jupyter.widget.control", answer)
show(list(opened)[:{shown}])
"""

#: What comes while the page is there: a person asks for it.
_MORE = """
button, shown = W.Button(description="More"), W.Output()

def more(_):
    names = list(send(decoded({messages!r})))
    with shown:
        show(names[:{shown}])
        print("more of them came")

button.on_click(more)
display(button, shown)
"""


def _encoded(value: Any, way: int) -> str:
    text = json.dumps(value)
    for call in ("canary()", "alert(1)"):
        text = text.replace(call, f"canary({way})")
    return base64.b64encode(text.encode()).decode()


def _messages(hostile: Hostile, way: int, count: int, is_cleaned: bool = True) -> str:
    made: list[tuple[str, str, dict[str, Any], int]] = [
        (kind, name, data, len(buffers)) for kind, name, data, buffers in hostile.messages(count)
    ]
    if not is_cleaned:
        kept = [message for message in made if _is_kept(message[2].get("state"))]
        made = [(kind, name, {**data, "buffer_paths": []}, 0) for kind, name, data, _ in kept]
    return _encoded(made, way)


def lab_cells(seed: int) -> list[str]:
    """Cells for JupyterLab, each to be run by itself."""
    hostile = Hostile(seed)
    cells = [
        f"show(list(send(decoded({_messages(hostile, LIVE, MESSAGES)!r})))[:{SHOWN}])",
        f"show(list(send(decoded({_messages(hostile, LIVE, MESSAGES)!r})))[:{SHOWN}])",
        f"emit(decoded({_encoded([hostile.bundle() for _ in range(SHOWN)], BUNDLES)!r}))",
    ]
    cells[0] = _PRELUDE + cells[0]
    return [*cells, f"print({END!r})"]


def _is_kept(state: Any) -> bool:
    """Whether Voilà's own client gets along with a state, and a page does not wait for ever for what it holds."""
    if not isinstance(state, dict) or not {"children", "source"}.isdisjoint(state):
        return False
    return all(isinstance(state.get(key, ""), str) for key in ("_model_name", "_model_module", "msg_id"))


def _is_exported(bundle: tuple[dict[str, Any], dict[str, Any]]) -> bool:
    """Whether Voilà's own export gets along with the types of a bundle's values."""
    return all(isinstance(value, str) for value in bundle[0].values())


def voila_cells(seed: int, is_cleaned: bool = True) -> list[str]:
    """Cells for Voilà, which runs them all before there is a page; what is left then comes by the button "More".

    Parameters
    ----------
    is_cleaned : bool
        Whether a policy stands between. Where none does, buffers can be put into prototypes, and a page whose prototypes are
        polluted shows nothing more; nor does one for which Voilà itself has failed.
    """
    hostile = Hostile(seed)
    bundles = [hostile.bundle() for _ in range(3 * SHOWN)]
    shown = [bundle for bundle in bundles if is_cleaned or _is_exported(bundle)]
    told = _messages(hostile, STATES, 3 * MESSAGES, is_cleaned)
    states = _encoded({name: entry for _ in range(3 * SHOWN) for name, entry in hostile.states().items()}, STATES)
    return [
        _PRELUDE + f"emit(decoded({_encoded(shown, BUNDLES)!r}))",
        _TELL.format(messages=told, states=states, shown=3 * SHOWN),
        _MORE.format(messages=_messages(hostile, LIVE, 3 * MESSAGES, is_cleaned), shown=3 * SHOWN),
        f"print({END!r})",
    ]
