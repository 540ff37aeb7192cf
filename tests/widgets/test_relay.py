"""Comms of the sandbox reach the front end and back, whatever either side does."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator

import pytest

from .client import FrontEnd, Message, running, texts

ECHO = """
from comm import get_comm_manager
seen = []
def opened(comm, message):
    print("opened", message["content"]["data"], message["metadata"].get("from"), [bytes(b) for b in message["buffers"]])
    @comm.on_msg
    def take(message):
        data = message["content"]["data"]
        comm.send({"echo": data}, metadata={"kind": "echo"}, buffers=message["buffers"])
        if data == "raise":
            raise ValueError("on purpose")
get_comm_manager().register_target("echo", opened)
"""


@pytest.fixture(scope="module")
def shared(hopx_kernelspec: str) -> Iterator[FrontEnd]:
    with running(hopx_kernelspec) as front_end:
        front_end.run(ECHO)
        yield front_end


@pytest.fixture
def fresh(hopx_kernelspec: str) -> Iterator[FrontEnd]:
    with running(hopx_kernelspec) as front_end:
        yield front_end


def comm_messages(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message["msg_type"].startswith("comm_")]


def open_echo(front_end: FrontEnd, comm_id: str) -> list[Message]:
    content = {"comm_id": comm_id, "target_name": "echo", "data": {"a": 1}}
    return front_end.until_idle(front_end.send("comm_open", content, [b"open"], **{"from": "page"}))


def test_comm_of_the_front_end_goes_to_its_target_and_back(shared: FrontEnd) -> None:
    assert texts(open_echo(shared, "e1")) == "opened {'a': 1} page [b'open']\n"
    buffers = [b"", bytes(range(256)), os.urandom(100_000)]
    messages = shared.until_idle(shared.send("comm_msg", {"comm_id": "e1", "data": {"n": [1, None, "ü"]}}, buffers))
    (answer,) = comm_messages(messages)
    assert answer["content"]["data"] == {"echo": {"n": [1, None, "ü"]}}
    assert answer["metadata"]["kind"] == "echo"
    assert [bytes(buffer) for buffer in answer["buffers"]] == buffers
    assert shared.comm_info("echo") == {"e1": {"target_name": "echo"}}


def test_messages_keep_their_order(shared: FrontEnd) -> None:
    open_echo(shared, "e2")
    last = [shared.send("comm_msg", {"comm_id": "e2", "data": {"n": n}}) for n in range(500)][-1]
    before = len(shared.seen)
    shared.until_idle(last)
    answers = [m["content"]["data"]["echo"]["n"] for m in comm_messages(shared.seen[before:])]
    assert answers == list(range(500))


def test_idle_comes_after_the_callback(shared: FrontEnd) -> None:
    shared.run(
        "import ipywidgets, time\nb = ipywidgets.Button()\nb.on_click(lambda _: (time.sleep(0.3), print('late')))"
    )
    started = time.monotonic()
    messages = shared.until_idle(shared.click(shared.model("ButtonModel")))
    assert time.monotonic() - started >= 0.3
    assert texts(messages) == "late\n"


def test_closed_comm_is_closed_on_both_sides(shared: FrontEnd) -> None:
    open_echo(shared, "e3")
    shared.until_idle(shared.send("comm_close", {"comm_id": "e3", "data": {}}))
    assert "e3" not in shared.comm_info()
    assert texts(shared.run("print('e3' in get_comm_manager().comms)")) == "False\n"


@pytest.mark.parametrize("comm_id", ["never-opened", "", "x" * 100_000])
def test_message_for_a_comm_that_is_not_open_does_no_harm(shared: FrontEnd, comm_id: str) -> None:
    for _ in range(3):
        assert not comm_messages(shared.until_idle(shared.send("comm_msg", {"comm_id": comm_id, "data": {}})))
    shared.until_idle(shared.send("comm_close", {"comm_id": comm_id, "data": {}}))
    assert len(shared.log_lines(f"A message came for the comm {comm_id[:80]}, which is not open")) == 1
    assert texts(shared.run("print(1)")) == "1\n"


def test_unknown_target_is_closed_again(shared: FrontEnd) -> None:
    content = {"comm_id": "u1", "target_name": "nobody", "data": {}}
    messages = shared.until_idle(shared.send("comm_open", content))
    assert [m["msg_type"] for m in comm_messages(messages)] == ["comm_close"]
    assert "No such comm target registered: nobody" in texts(messages, "stderr")
    assert "u1" not in shared.comm_info()


def test_any_target_of_the_front_end_is_opened_and_answered(shared: FrontEnd) -> None:
    code = """
    from comm import create_comm
    points = create_comm(target_name="of-an-extension", data={"n": 1}, metadata={"from": "code"}, buffers=[b"x"])
    points.on_msg(lambda m: print(m["content"]["data"], bytes(m["buffers"][0])))
    points.send({"n": 2}, buffers=[b"y", b"z"])
    """
    opening, message = comm_messages(shared.run(code))
    assert opening["content"] == {
        "comm_id": opening["content"]["comm_id"],
        "target_name": "of-an-extension",
        "data": {"n": 1},
    }
    assert (opening["metadata"]["from"], opening["buffers"]) == ("code", [b"x"])
    assert (message["content"]["data"], message["buffers"]) == ({"n": 2}, [b"y", b"z"])
    comm_id = opening["content"]["comm_id"]
    assert shared.comm_info("of-an-extension") == {comm_id: {"target_name": "of-an-extension"}}
    asked = shared.send("comm_msg", {"comm_id": comm_id, "data": {"n": 3}}, [b"page"])
    assert texts(shared.until_idle(asked)) == "{'n': 3} b'page'\n"
    closing = comm_messages(shared.run("points.close()"))
    assert [m["msg_type"] for m in closing] == ["comm_close"] and comm_id not in shared.comm_info()


def test_comm_keeps_the_target_that_it_was_opened_for(shared: FrontEnd) -> None:
    code = """
    from comm import create_comm
    first = create_comm(target_name="jupyter.widget", comm_id="turncoat", data={"state": {}})
    second = create_comm(target_name="elsewhere", comm_id="turncoat", data={})
    """
    assert [m["content"]["target_name"] for m in comm_messages(shared.run(code))] == ["jupyter.widget"]
    assert len(shared.log_lines("comm turncoat, which is open for another target")) == 1


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"comm_id": 5},
        {"comm_id": "a"},
        {"comm_id": "a", "target_name": None, "data": {}},
        {"comm_id": "a", "data": 5},
    ],
)
def test_malformed_message_does_no_harm(shared: FrontEnd, content: Message) -> None:
    for msg_type in ("comm_open", "comm_msg", "comm_close"):
        shared.until_idle(shared.send(msg_type, content))
    assert texts(shared.run("print(2)")) == "2\n"


def test_message_waits_for_the_cell_and_then_comes(shared: FrontEnd) -> None:
    shared.run(
        "import ipywidgets\nslider = ipywidgets.IntSlider()\nslider.observe(lambda c: print('now', c.new), 'value')"
    )
    comm_id = shared.model("IntSliderModel")
    cell = shared.start("import time\ntime.sleep(0.5)\nprint('slept', slider.value)")
    moved = shared.update(comm_id, {"value": 7})
    assert texts(shared.until_idle(cell)) == "slept 0\n"
    assert texts(shared.until_idle(moved)) == "now 7\n"


def test_message_takes_effect_before_the_cell_that_follows_it_at_once(shared: FrontEnd) -> None:
    shared.run("import ipywidgets\nslider = ipywidgets.IntSlider(max=1000)")
    comm_id = shared.model("IntSliderModel")
    for value in range(1, 101):
        shared.update(comm_id, {"value": value})
        assert texts(shared.run("print(slider.value)")) == f"{value}\n"


def test_messages_on_both_sides_of_a_cell_keep_their_places(shared: FrontEnd) -> None:
    open_echo(shared, "both")
    shared.run(
        "both = get_comm_manager().comms['both']\nseen.clear()\nboth.on_msg(lambda m: seen.append(m['content']['data']['n']))"
    )
    for _ in range(30):
        shared.send("comm_msg", {"comm_id": "both", "data": {"n": 1}})
        shared.send("comm_msg", {"comm_id": "both", "data": {"n": 2}})
        cell = shared.start("seen.append('cell')")
        last = shared.send("comm_msg", {"comm_id": "both", "data": {"n": 3}})
        waiting = {cell, last}
        while waiting:
            message = shared.next()
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                waiting.discard(message["parent_header"]["msg_id"])
    assert texts(shared.run("print(seen)")) == f"{[1, 2, 'cell', 3] * 30}\n"


def test_interrupt_stops_a_callback(shared: FrontEnd) -> None:
    shared.run(
        "import ipywidgets, time\nkept = 5\nlong = ipywidgets.Button()\nlong.on_click(lambda _: (print('in'), time.sleep(60)))"
    )
    pressed = shared.click(shared.model("ButtonModel"))
    shared.until(lambda message: message["msg_type"] == "stream" and "in" in message["content"]["text"])
    shared.manager.interrupt_kernel()
    messages = shared.until_idle(pressed)
    assert [m["content"]["ename"] for m in messages if m["msg_type"] == "error"] == ["KeyboardInterrupt"]
    assert texts(shared.run("print(kept)")) == "5\n"


def test_states_are_told_while_a_cell_runs(shared: FrontEnd) -> None:
    shared.run("import ipywidgets\ntext = ipywidgets.Text('state of the sandbox')")
    comm_id = shared.model("TextModel")
    cell = shared.start("import time\nprint('in'); time.sleep(600)")
    shared.until(lambda message: message["msg_type"] == "stream")
    answer = shared.request_states()
    assert answer["content"]["data"]["states"][comm_id]["state"]["value"] == "state of the sandbox"
    shared.manager.interrupt_kernel()
    shared.until_idle(cell)


def test_states_hold_the_widgets_of_both_sides(fresh: FrontEnd) -> None:
    fresh.run("import ipywidgets\nimage = ipywidgets.Image(value=bytes(range(256)))")
    theirs = fresh.model("ImageModel")
    cell = fresh.start("import time\nfor i in track(range(100_000), description='bar'): time.sleep(0.1)")
    fresh.until(lambda message: message["msg_type"] == "display_data")
    ours = fresh.model("FloatProgressModel")
    answer = fresh.request_states()
    data = answer["content"]["data"]
    assert data["method"] == "update_states"
    assert {ours, theirs} <= set(data["states"])
    place = data["buffer_paths"].index([theirs, "state", "value"])
    assert bytes(answer["buffers"][place]) == bytes(range(256))
    assert {ours, theirs} <= set(fresh.comm_info("jupyter.widget"))
    fresh.manager.interrupt_kernel()
    fresh.until_idle(cell)


def test_own_widgets_are_out_of_the_sandboxs_reach(fresh: FrontEnd) -> None:
    code = """
    import comm
    progress("bar", 5)
    own = input()
    forged = comm.create_comm(comm_id=own, target_name="jupyter.widget", primary=False)
    forged.send({"method": "update", "state": {"value": 99}})
    forged.close(deleting=True)
    second = comm.create_comm(comm_id=own, target_name="jupyter.widget", data={"state": {"value": 98}})
    progress("bar", 6)
    """
    cell = fresh.start(code)
    fresh.until(lambda message: message["msg_type"] == "display_data")
    own = fresh.model("FloatProgressModel")
    before = len(fresh.seen)
    fresh.answer(own)
    fresh.until_idle(cell)
    told = [m for m in comm_messages(fresh.seen[before:]) if m["content"]["comm_id"] == own]
    values = [m["content"]["data"]["state"].get("value") for m in told if m["msg_type"] == "comm_msg"]
    assert not {98, 99} & set(values)
    # The kernel closes its bar itself, once.
    assert [m["msg_type"] for m in told if m["msg_type"] != "comm_msg"] == ["comm_close"]
    assert len(fresh.log_lines("for a comm of the kernel's own; it is dropped")) == 3
    # Nor when it is closed: what nobody has open is nobody's.
    assert not comm_messages(fresh.run("forged.send({'method': 'update', 'state': {'value': 97}})"))


def test_comms_are_closed_when_the_interpreter_dies(fresh: FrontEnd) -> None:
    fresh.run("import ipywidgets\nslider = ipywidgets.IntSlider()")
    opened = {m["content"]["comm_id"] for m in fresh.seen if m["msg_type"] == "comm_open"}
    before = len(fresh.seen)
    fresh.run("import os\nos._exit(3)")
    assert texts(fresh.run("print('here')")) == "here\n"
    closed = {m["content"]["comm_id"] for m in fresh.seen[before:] if m["msg_type"] == "comm_close"}
    assert closed == opened
    assert fresh.comm_info() == {}
    fresh.until_idle(fresh.update(next(iter(opened)), {"value": 3}))


def test_comms_are_closed_when_the_kernel_is_restarted(fresh: FrontEnd) -> None:
    fresh.run("import ipywidgets\nslider = ipywidgets.IntSlider()")
    opened = {m["content"]["comm_id"] for m in fresh.seen if m["msg_type"] == "comm_open"}
    assert len(opened) == 3  # the slider, its layout and its style
    before = len(fresh.seen)
    fresh.manager.restart_kernel()
    fresh.until(lambda message: message["msg_type"] == "shutdown_reply")
    assert {m["content"]["comm_id"] for m in fresh.seen[before:] if m["msg_type"] == "comm_close"} == opened


def test_message_that_waits_ends_when_the_interpreter_dies(fresh: FrontEnd) -> None:
    fresh.run("import ipywidgets\nb = ipywidgets.Button()\nb.on_click(lambda _: __import__('os')._exit(3))")
    messages = fresh.until_idle(fresh.click(fresh.model("ButtonModel")))
    assert messages[-1]["content"]["execution_state"] == "idle"
    assert texts(fresh.run("print('here')")) == "here\n"


def test_large_image_arrives_byte_for_byte(fresh: FrontEnd) -> None:
    code = """
    import hashlib, os, ipywidgets
    value = os.urandom(20_000_000)
    image = ipywidgets.Image(value=value)
    print(hashlib.sha256(value).hexdigest())
    """
    messages = fresh.run(code)
    (opening,) = [m for m in messages if m["msg_type"] == "comm_open" and m["buffers"]]
    assert opening["content"]["data"]["buffer_paths"] == [["value"]]
    assert hashlib.sha256(opening["buffers"][0]).hexdigest() == texts(messages).strip()


def test_large_upload_arrives_byte_for_byte(fresh: FrontEnd) -> None:
    fresh.run("import hashlib, ipywidgets\nimage = ipywidgets.Image(value=b'')")
    value = os.urandom(20_000_000)
    fresh.until_idle(fresh.update(fresh.model("ImageModel"), {}, [value], [["value"]]))
    assert (
        texts(fresh.run("print(hashlib.sha256(image.value).hexdigest())")).strip() == hashlib.sha256(value).hexdigest()
    )


def test_slider_moves_arrive_in_order_to_the_last(fresh: FrontEnd) -> None:
    fresh.run(
        "import ipywidgets\nslider = ipywidgets.IntSlider(max=1000)\nseen = []\nslider.observe(lambda c: seen.append(c.new), 'value')"
    )
    comm_id = fresh.model("IntSliderModel")
    started = time.monotonic()
    last = ""
    for value in range(1, 301):
        last = fresh.update(comm_id, {"value": value})
        time.sleep(max(0.0, started + value / 60 - time.monotonic()))
    fresh.until_idle(last)
    assert texts(fresh.run("print(seen == list(range(1, 301)), slider.value)")) == "True 300\n"


def test_flood_of_the_sandbox_arrives_whole(fresh: FrontEnd) -> None:
    messages = fresh.run("import ipywidgets\ns = ipywidgets.IntSlider(max=10**6)\nfor i in range(1, 5001): s.value = i")
    comm_id = fresh.model("IntSliderModel")
    moves = [m["content"] for m in comm_messages(messages) if m["msg_type"] == "comm_msg"]
    values = [content["data"]["state"]["value"] for content in moves if content["comm_id"] == comm_id]
    assert values == list(range(1, 5001))


@pytest.mark.parametrize(
    "line",
    [
        '{"msg_type":"comm_msg","content":{"comm_id":"x","data":{}},"buffers":["!!not base64!!"]}',
        '{"msg_type":"comm_msg","content":{"comm_id":"x","data":{}},"buffers":7}',
        '{"msg_type":"comm_msg","content":{"comm_id":5,"data":{}}}',
        '{"msg_type":"comm_open","content":{"comm_id":"x"}}',
    ],
)
def test_garbled_comm_message_is_told_and_the_kernel_lives(fresh: FrontEnd, line: str) -> None:
    # Whoever runs code in the interpreter can find its channel, and write to it.
    code = f"""
    import gc, os, socket, time
    for one in gc.get_objects():
        if isinstance(one, socket.socket) and one.fileno() > 5 and one.family == socket.AF_UNIX:
            os.write(one.fileno(), {line!r}.encode() + b"\\n")
    time.sleep(600)  # its death ends it
    """
    messages = fresh.run(code)
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert "garbled" in error["evalue"]
    assert len(fresh.log_lines("The interpreter died")) == 1
    assert texts(fresh.run("print('here')")) == "here\n"


def test_buffers_fewer_than_their_paths_do_no_harm(fresh: FrontEnd) -> None:
    fresh.run("import ipywidgets\nimage = ipywidgets.Image(value=b'abc')")
    messages = fresh.until_idle(fresh.update(fresh.model("ImageModel"), {}, [b"x"], [["value"], ["format"], ["no", 1]]))
    assert messages[-1]["content"]["execution_state"] == "idle"
    code = """
    import comm
    module = "@jupyter-widgets/controls"
    state = {"_model_name": "ImageModel", "_model_module": module, "_view_name": "ImageView", "_view_module": module}
    data = {"state": state, "buffer_paths": [["value"], ["format"]]}
    c = comm.create_comm(target_name="jupyter.widget", data=data, buffers=[b"1"])
    """
    (opening,) = comm_messages(fresh.run(code))
    assert (opening["content"]["data"]["buffer_paths"], opening["buffers"]) == ([["value"]], [b"1"])
    assert len(fresh.log_lines("names 2 places for 1 buffers")) == 1
    assert texts(fresh.run("print('here')")) == "here\n"
