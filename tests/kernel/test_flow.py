"""What a slow, a stuck and a counting front end get."""

from __future__ import annotations

import time

from .client import Kernel


def test_slow_client_loses_nothing(kernel: Kernel) -> None:
    run = kernel.send("from IPython.display import display\nfor i in range(5000): display(i)")
    time.sleep(2)  # longer than zmq's queues would hold out
    outcome = kernel.collect(run)
    shown = [content["data"]["text/plain"] for content in outcome.contents("display_data")]
    assert shown == [str(i) for i in range(5000)]


def test_stuck_client_costs_others_time_once_and_nothing_else(fresh_kernel: Kernel) -> None:
    stuck = fresh_kernel.manager.blocking_client()
    stuck.iopub_channel.start()
    try:
        time.sleep(0.5)  # its subscription has to arrive
        code = "from IPython.display import display\nfor i in range(8000): display('x' * 1000)"
        started = time.monotonic()
        outcome = fresh_kernel.collect(fresh_kernel.send(code), timeout=60)
        assert len(outcome.contents("display_data")) == 8000
        behind_the_stuck_one = time.monotonic() - started
        started = time.monotonic()
        assert len(fresh_kernel.run(code).contents("display_data")) == 8000
        assert time.monotonic() - started < behind_the_stuck_one
    finally:
        stuck.iopub_channel.stop()


def test_flood_stays_under_a_server_s_limits(jupyter_environment: dict[str, str]) -> None:
    with Kernel(env={"HOPX_SERVER_LIMITS": "on"}) as kernel:
        run = kernel.send("for i in range(600_000): print(i)\n1/0")
        sent: list[tuple[float, int]] = []

        def note(message: dict[str, object]) -> bool:
            content = message["content"]
            assert isinstance(content, dict)
            if message["msg_type"] == "stream":
                sent.append((time.monotonic(), len(content["text"]) + 1000))
            return content.get("execution_state") == "idle"

        outcome = kernel.collect(run, note, timeout=60)
        assert outcome.text() == "".join(f"{i}\n" for i in range(600_000))
        assert outcome.error["ename"] == "ZeroDivisionError"
        for index, (at, _) in enumerate(sent):
            window = [size for when, size in sent[: index + 1] if when > at - 3.0]
            assert len(window) <= 3000 and sum(window) <= 3_300_000  # what waits in sockets arrives together


def test_interrupt_of_a_flood_behind_a_server_is_not_behind_it(jupyter_environment: dict[str, str]) -> None:
    with Kernel(env={"HOPX_SERVER_LIMITS": "on"}) as kernel:
        run = kernel.send("while True: print('x' * 200)")
        kernel.wait_for_text(run, "xxx")
        time.sleep(1)  # the flood has met the limits by then
        assert kernel.interrupt()["stopped"] is True
        outcome = kernel.collect(run)
        assert outcome.error["ename"] == "KeyboardInterrupt"
        assert "not shown" in outcome.text("stderr")


def test_output_limit_is_ten_mebibytes_behind_a_server(jupyter_environment: dict[str, str]) -> None:
    with Kernel(env={"HOPX_SERVER_LIMITS": "on", "HOPX_DATA_RATE": "1GB", "HOPX_MESSAGE_RATE": "100000"}) as kernel:
        outcome = kernel.run("for i in range(300_000): print('x' * 100)\n1/0")
        assert 10_000_000 < len(outcome.text()) < 11_000_000
        assert "not shown" in outcome.text("stderr") and outcome.error["ename"] == "ZeroDivisionError"
