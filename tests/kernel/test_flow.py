"""What a slow, a stuck and a counting front end get."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import zmq

from hopx_kernel.kernel.iopub import PATIENCE_SECONDS

from .client import PATIENT, TIMEOUT, Kernel, Message


def test_slow_client_loses_nothing(kernel: Kernel) -> None:
    run = kernel.send("from IPython.display import display\nfor i in range(5000): display(i)")
    time.sleep(2)  # longer than zmq's queues would hold out
    outcome = kernel.collect(run)
    shown = [content["data"]["text/plain"] for content in outcome.contents("display_data")]
    assert shown == [str(i) for i in range(5000)]


@contextmanager
def stuck_client(kernel: Kernel) -> Iterator[None]:
    """A subscriber that takes nothing and has room for little; it has subscribed by then."""
    connection = kernel.client.get_connection_info()
    context = zmq.Context[Any]()
    try:
        socket = context.socket(zmq.SUB)
        socket.rcvhwm, socket.rcvbuf = 1, 4096
        socket.subscribe(b"")
        socket.connect(f"tcp://{connection['ip']}:{connection['iopub_port']}")
        deadline = time.monotonic() + TIMEOUT
        while not socket.poll(100):
            assert time.monotonic() < deadline
            kernel.run("0")
        yield
    finally:
        context.destroy(linger=0)


def test_stuck_client_costs_others_time_once_and_nothing_else(fresh_kernel: Kernel) -> None:
    with stuck_client(fresh_kernel):
        code = "from IPython.display import display\nfor i in range(8000): display('x' * 1000)"
        started = time.monotonic()
        outcome = fresh_kernel.collect(fresh_kernel.send(code), timeout=120)
        assert len(outcome.contents("display_data")) == 8000
        behind_the_stuck_one = time.monotonic() - started
        assert behind_the_stuck_one >= PATIENCE_SECONDS
        started = time.monotonic()
        assert len(fresh_kernel.run(code).contents("display_data")) == 8000
        assert time.monotonic() - started < behind_the_stuck_one


def test_subscriptions_by_the_thousand_cost_nobody_anything(fresh_kernel: Kernel) -> None:
    """They are not signed: whoever reaches the port can send them."""
    info = fresh_kernel.manager.get_connection_info()
    with zmq.Context[zmq.Socket[bytes]]() as context, context.socket(zmq.SUB) as subscriber:
        subscriber.connect(f"tcp://{info['ip']}:{info['iopub_port']}")
        for number in range(5000):
            subscriber.setsockopt(zmq.SUBSCRIBE, b"topic%d" % number)
        subscriber.recv_multipart()  # they have begun to arrive
        for number in range(3):
            assert fresh_kernel.run(f"{number}").result == str(number)


def test_flood_stays_under_a_server_s_limits(jupyter_environment: dict[str, str]) -> None:
    with Kernel(env={"HOPX_SERVER_LIMITS": "on"}) as kernel:
        outcome = kernel.collect(kernel.send("for i in range(600_000): print(i)\n1/0"), timeout=120)
        assert outcome.text() == "".join(f"{i}\n" for i in range(600_000))
        assert outcome.error["ename"] == "ZeroDivisionError"
        sent = [
            # By the clock of the kernel: what waits here for this process to take it arrives together.
            (message["header"]["date"].timestamp(), len(message["content"]["text"]) + 1000)
            for message in outcome.messages
            if message["msg_type"] == "stream"
        ]
        for index, (at, _) in enumerate(sent):
            window = [size for when, size in sent[: index + 1] if when > at - 3.0]
            assert len(window) <= 3000 and sum(window) <= 3_000_000


def test_interrupt_of_a_flood_behind_a_server_is_not_behind_it(jupyter_environment: dict[str, str]) -> None:
    with Kernel(PATIENT, env={"HOPX_SERVER_LIMITS": "on"}) as kernel:
        run = kernel.send("while True: print('x' * 200)")
        shown = 0

        def has_met_the_limits(message: Message) -> bool:
            nonlocal shown
            shown += len(message["content"].get("text", ""))
            return shown > 1_000_000

        kernel.collect(run, has_met_the_limits)
        assert kernel.interrupt()["stopped"] is True
        outcome = kernel.collect(run)
        assert outcome.error["ename"] == "KeyboardInterrupt"
        assert "not shown" in outcome.text("stderr")


def test_output_limit_is_ten_mebibytes_behind_a_server(jupyter_environment: dict[str, str]) -> None:
    with Kernel(env={"HOPX_SERVER_LIMITS": "on", "HOPX_DATA_RATE": "1GB", "HOPX_MESSAGE_RATE": "100000"}) as kernel:
        outcome = kernel.run("for i in range(300_000): print('x' * 100)\n1/0")
        assert 10_000_000 < len(outcome.text()) < 11_000_000
        assert "not shown" in outcome.text("stderr") and outcome.error["ename"] == "ZeroDivisionError"
