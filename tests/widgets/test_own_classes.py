"""Widgets that are none of ipywidgets': of which package they are, what is the code's own, and when callbacks run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .client import FrontEnd, running, texts
from .test_relay import comm_messages

OWN = """
import ipywidgets, traitlets
class Mine(ipywidgets.IntSlider):
    stuff = traitlets.Unicode("of the code's own").tag(sync=True)
    hidden = traitlets.Dict({"a": 1}).tag(sync=True)
mine = Mine(value=5)
mine.value, mine.stuff = 7, "another"
"""
CANVAS = "import ipycanvas\ncanvas = ipycanvas.Canvas(width=20)\ncanvas"


@pytest.fixture
def front_end(hopx_kernelspec: str) -> Iterator[FrontEnd]:
    with running(hopx_kernelspec) as front_end:
        yield front_end


def test_class_of_the_code_s_own_is_what_it_was_made_from(front_end: FrontEnd) -> None:
    sent = comm_messages(front_end.run(OWN))
    (opening,) = [
        m for m in sent if m["content"].get("data", {}).get("state", {}).get("_model_name") == "IntSliderModel"
    ]
    state = opening["content"]["data"]["state"]
    assert (state["value"], state["_view_name"]) == (5, "IntSliderView")
    updates = [m["content"]["data"]["state"] for m in sent if m["msg_type"] == "comm_msg"]
    assert {"value": 7} in updates
    assert not any({"stuff", "hidden"} & set(each) for each in (state, *updates))
    assert "of the code's own" not in str(sent) and "another" not in str(sent)


@pytest.mark.parametrize("trust", ["safe", "trusted"])
def test_widget_of_a_package_with_a_front_end_of_its_own(
    hopx_kernelspec: str, monkeypatch: pytest.MonkeyPatch, trust: str
) -> None:
    monkeypatch.setenv("HOPX_TRUST", trust)
    with running(hopx_kernelspec) as front_end:
        states = [m["content"]["data"].get("state", {}) for m in comm_messages(front_end.run(CANVAS))]
    is_there = any(state.get("_model_module") == "ipycanvas" for state in states)
    has_notice = any("trust" in str(state.get("value")) for state in states)
    assert (is_there, has_notice) == (trust == "trusted", trust == "safe")


def test_callbacks_run_where_a_cell_awaits_and_one_after_another(front_end: FrontEnd) -> None:
    front_end.run(
        "import asyncio, ipywidgets, time\nseen = []\nslider = ipywidgets.IntSlider()\n"
        "def moved(change):\n    seen.append(('begin', change.new)); time.sleep(0.05); seen.append(('end', change.new))\n"
        "slider.observe(moved, 'value')"
    )
    comm_id = front_end.model("IntSliderModel")
    cell = front_end.start("print('on', flush=True)\nwhile len(seen) < 6: await asyncio.sleep(0.01)\nseen")
    front_end.until(lambda message: message["content"].get("text") == "on\n")
    for value in (1, 2, 3):
        front_end.update(comm_id, {"value": value})
    (result,) = [m["content"] for m in front_end.until_idle(cell) if m["msg_type"] == "execute_result"]
    assert eval(result["data"]["text/plain"]) == [(what, value) for value in (1, 2, 3) for what in ("begin", "end")]


def test_helpers_of_voila_have_nothing_to_give(front_end: FrontEnd) -> None:
    msg_id = front_end.client.execute(
        'import os\nos.environ["QUERY_STRING"] = "secret=1"\nos.environ["VOILA_PREHEAT"] = "True"\n',
        store_history=False,
    )
    front_end.until_idle(msg_id)
    code = "from voila.utils import get_query_string, wait_for_request\nprint(get_query_string(), wait_for_request())"
    assert texts(front_end.run(code)) == "None None\n"
