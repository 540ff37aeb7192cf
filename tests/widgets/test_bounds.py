"""What comms of the sandbox may be is bounded, and what they send passes only as what it is."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from .client import FrontEnd, running, texts
from .test_relay import comm_messages


@pytest.fixture
def bare(hopx_kernelspec: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FrontEnd]:
    """A kernel that shows no widgets of its own."""
    monkeypatch.setenv("HOPX_HEADER", "off")
    with running(hopx_kernelspec) as front_end:
        yield front_end


def test_names_that_are_too_long_are_refused_and_not_remembered(bare: FrontEnd) -> None:
    bare.run("from comm import create_comm\nopen_comms = []")
    kernel = psutil.Process(getattr(bare.manager.provisioner, "pid"))  # noqa: B009
    before = kernel.memory_info().rss
    code = """
    for n in range(60):
        name = f"{n}" + "n" * 4_000_000
        open_comms.append(create_comm(target_name="jupyter.widget", comm_id=name, data={"state": {}}))
        open_comms.append(create_comm(target_name=name, data={}))
    """
    assert not comm_messages(bare.run(code))
    assert bare.comm_info() == {}
    # More than a few messages are never held at one time; all of them together are 480 MB.
    assert kernel.memory_info().rss - before < 240 << 20
    assert 0 < len(bare.log_lines("too long; it is refused")) < 10
    assert texts(bare.run("open_comms[0].send({}); print('here')")) == "here\n"


def test_comms_are_bounded_in_sum_and_the_person_is_told_once(bare: FrontEnd) -> None:
    code = """
    from comm import create_comm
    open_comms = [create_comm(target_name="t" * 200, comm_id=f"{n:0200}", data={}) for n in range(10_050)]
    """
    messages = bare.run(code)
    assert len(comm_messages(messages)) == len(bare.comm_info()) == 10_000
    assert "10000 widgets are open; more than that are not shown" in texts(messages, "stderr")
    # Where one is closed there is room for another.
    assert len(comm_messages(bare.run("open_comms[0].close(); create_comm(target_name='t', data={})"))) == 2


@pytest.mark.parametrize("name", ["['jupyter.widget']", "5", "None", "{'a': 1}"])
def test_target_whose_name_is_none_opens_nothing(bare: FrontEnd, name: str) -> None:
    code = f"""
    from comm import create_comm
    try:
        create_comm(target_name={name}, comm_id="odd", data={{"state": {{}}}})
    except Exception as exc:
        print(type(exc).__name__)
    """
    assert not comm_messages(bare.run(code)) and "odd" not in bare.comm_info()
    assert texts(bare.run("print(3)")) == "3\n"


def test_messages_to_widgets_pass_only_as_what_they_are(bare: FrontEnd) -> None:
    code = """
    from comm import create_comm
    import ipywidgets
    slider = ipywidgets.IntSlider()
    slider.comm.send({"method": "update_states", "states": {}, "state": {"value": 1}})
    slider.comm.send({"method": "update", "state": {"value": [1], "stuff": 1}, "else": 1})
    slider.comm.send({"method": "update", "state": {"value": 7}}, metadata={"else": 1})
    slider.send({"do": "anything"})
    create_comm(target_name="jupyter.widget", comm_id=slider.model_id, data={"state": {"_model_name": "HTMLModel"}})
    """
    sent = [m for m in comm_messages(bare.run(code)) if m["msg_type"] == "comm_msg"]
    empty = {"method": "update", "state": {}, "buffer_paths": []}
    assert [m["content"]["data"] for m in sent] == [empty, {**empty, "state": {"value": 7}}]
    assert sent[1]["metadata"] == {}
