"""``input()`` and ``getpass()`` over the stdin channel."""

from __future__ import annotations

from typing import Any

import pytest

from .client import Kernel


def test_input_asks_and_goes_on(kernel: Kernel) -> None:
    run = kernel.send("print('before'); name = input('who? '); print('hello', name)", allow_stdin=True)
    question = kernel.question()
    assert question["content"] == {"prompt": "who? ", "password": False}
    assert question["parent_header"]["msg_id"] == run
    kernel.client.input("Ada")
    outcome = kernel.collect(run)
    assert outcome.text().startswith("before\n") and outcome.text().endswith("hello Ada\n")


def test_getpass_hides(kernel: Kernel) -> None:
    run = kernel.send("import getpass; len(getpass.getpass('secret: '))", allow_stdin=True)
    assert kernel.question()["content"] == {"prompt": "secret: ", "password": True}
    kernel.client.input("12345")
    assert kernel.collect(run).result == "5"


def test_several_questions_in_one_cell(kernel: Kernel) -> None:
    run = kernel.send("[input(str(i)) for i in range(5)]", allow_stdin=True)
    for i in range(5):
        assert kernel.question()["content"]["prompt"] == str(i)
        kernel.client.input(f"answer {i}")
    assert kernel.collect(run).result == str([f"answer {i}" for i in range(5)])


def test_stale_answer_is_not_taken(kernel: Kernel) -> None:
    kernel.client.input("nobody asked")
    kernel.run("1")  # it has arrived by then
    run = kernel.send("input('q')", allow_stdin=True)
    kernel.question()
    kernel.client.input("the answer")
    assert kernel.collect(run).result == "'the answer'"


def test_answer_to_an_older_question_is_not_taken(kernel: Kernel) -> None:
    run = kernel.send("input('first')", allow_stdin=True)
    first = kernel.question()
    kernel.interrupt()
    kernel.collect(run)
    run = kernel.send("input('second')", allow_stdin=True)
    second = kernel.question()
    for question, value in ((first, "old"), (second, "new")):
        message = kernel.client.session.msg("input_reply", {"value": value}, parent=question)
        kernel.client.stdin_channel.send(message)
    assert kernel.collect(run).result == "'new'"


def test_malformed_answer_is_survived(kernel: Kernel) -> None:
    run = kernel.send("input('q')", allow_stdin=True)
    kernel.question()
    kernel.client.stdin_channel.send(kernel.client.session.msg("input_reply", {}))
    kernel.client.input("right")
    assert kernel.collect(run).result == "'right'"


@pytest.mark.parametrize("value", [None, 5, ["x"], {"a": 1}])
def test_answer_that_is_no_text_is_none(kernel: Kernel, value: Any) -> None:
    run = kernel.send("input('q')", allow_stdin=True)
    kernel.question()
    kernel.client.stdin_channel.send(kernel.client.session.msg("input_reply", {"value": value}))
    kernel.client.stdin_channel.send(kernel.client.session.msg("execute_request", {"value": "other"}))
    kernel.client.input("right")
    kernel.client.input("too late")
    assert kernel.collect(run).result == "'right'"


def test_end_of_file_raises(kernel: Kernel) -> None:
    run = kernel.send("input('q')", allow_stdin=True)
    kernel.question()
    kernel.client.input("\x04")
    assert kernel.collect(run).error["ename"] == "EOFError"


def test_input_without_allow_stdin_raises(kernel: Kernel) -> None:
    assert kernel.run("input('q')", allow_stdin=False).error["ename"] == "StdinNotImplementedError"


def test_completion_is_answered_while_input_waits(kernel: Kernel) -> None:
    run = kernel.send("input('q')", allow_stdin=True)
    kernel.question()
    reply = kernel.reply(kernel.request("complete_request", {"code": "prin", "cursor_pos": 4}))
    assert "print" in reply["content"]["matches"]
    kernel.client.input("")
    assert kernel.collect(run).result == "''"
