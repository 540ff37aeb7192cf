"""A cell's bars on the page: when they open, how often they move, what they become, and what is left of them."""

from __future__ import annotations

import pytest

from .conftest import Kernel


def test_progress_is_a_float_progress_with_its_message(kernel: Kernel) -> None:
    output = kernel.run('progress("Loading", 40)')
    assert len(output.bars) == 1 and output.values("FloatProgressModel", "value")[-1] == 40
    assert output.labels("Loading")
    assert "Loading" in output.record and "40 %" in output.record


def test_bars_open_with_the_first_event_and_not_before(kernel: Kernel) -> None:
    output = kernel.run("import time; time.sleep(0.4); print('quiet', flush=True); progress('x', 5)")
    kinds = [kind for _, kind, _ in output.messages if kind in ("stream", "comm_open", "display_data")]
    assert kinds[0] == "stream" and kinds.index("comm_open") > 0 and kinds.count("display_data") == 1


def test_bar_moves_while_the_cell_runs(kernel: Kernel) -> None:
    output = kernel.run(
        "import itertools, threading\nends = threading.Event()\n"
        "def work():\n    for i in itertools.count():\n        progress('Loading', i % 90)\n"
        "        if ends.wait(0.05): return\n"
        "worker = threading.Thread(target=work); worker.start(); input(); ends.set(); worker.join()\n"
        "progress('Loading', 100)",
        until=lambda output: len(set(output.values("FloatProgressModel", "value"))) >= 5,
    )
    assert "✓ Loading" in output.record and "100 %" in output.record


FLOOD = (
    "import threading\nends = threading.Event(); n = 0\n"
    "def work():\n    global n\n    while not ends.is_set() or n < 100_000:\n"
    "        n += 1; progress('x', current=n, total=10**9, data={'loss': 1 / n})\n"
    "worker = threading.Thread(target=work); worker.start(); input(); ends.set(); worker.join()\nprint(n)"
)


def test_flood_of_calls_sends_few_messages_ten_refreshes_a_second_and_the_exact_end(kernel: Kernel) -> None:
    output = kernel.run(FLOOD, until=lambda output: len(output.values("FloatProgressModel", "value")) >= 15)
    assert output.comm_messages <= 150 * output.seconds
    (bar,) = output.bars
    moved = [moment for moment, kind, content in output.messages if kind == "comm_msg" and content["comm_id"] == bar]
    assert len(moved) <= 10 * output.seconds + 2
    assert int(output.text) >= 100_000 and f"{int(output.text):,}/1,000,000,000" in output.record


def test_nested_loops_are_parents_and_children_and_end_done(kernel: Kernel) -> None:
    output = kernel.run(
        "for a in track(range(2), 'outer'):\n  for b in track(range(3), 'middle'):\n"
        "    for c in track(range(5), 'inner', unit='rows'):\n      if (a, b, c) == (1, 1, 3): input()",
        until=lambda output: len(output.bars) == 3,
    )
    lines = output.record.splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["outer", "middle", "inner"]
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4]
    assert all("✓" in line and "100 %" in line for line in lines)
    assert "5/5 rows" in lines[2]
    assert len(output.bars) == 3


def test_metrics_are_shown_with_their_course(kernel: Kernel) -> None:
    output = kernel.run(
        "import time\nfor i in range(8): progress('fit', i * 10, data={'loss': 8 - i, 'mode': 'train'}); time.sleep(0.1)"
    )
    (line,) = (line for line in output.record.splitlines() if "fit" in line)
    assert "mode train" in line and "loss 1 █" in line and line.rstrip().endswith("▁  mode train")
    last = output.contents("update_display_data")[-1]["data"]["text/html"]
    assert "height:14px" in last and "▁" in last and "loss" in last


def test_bars_come_back_after_clear_output(kernel: Kernel) -> None:
    output = kernel.run(
        "from IPython.display import clear_output\nprogress('a', 10); clear_output(); input(); progress('a', 20)",
        until=lambda output: len(output.views) == 2,
    )
    kinds = [kind for _, kind, _ in output.messages if kind in ("display_data", "clear_output")]
    assert kinds == ["display_data", "clear_output", "display_data"]
    assert "20 %" in output.record


def test_no_comm_is_left_open_after_a_hundred_cells_with_bars(kernel: Kernel) -> None:
    before = set(kernel.open_comms())
    for _ in range(100):
        counts = kernel.run("for i in track(range(3), 'a'): progress('b', 50)").counts()
        assert counts["comm_open"] == counts["comm_close"] > 0
    assert set(kernel.open_comms()) == before


def test_result_is_kept_as_json_with_text_beside_it(kernel: Kernel) -> None:
    output = kernel.run("result({'rows': 3, 'names': ['a', 'b']})")
    (content,) = output.contents("display_data")
    assert content["data"]["application/json"] == {"rows": 3, "names": ["a", "b"]}
    assert '"rows": 3' in content["data"]["text/plain"] and "<details" in content["data"]["text/html"]


def test_error_is_an_alert_that_turns_the_bar_red_and_stops_nothing(kernel: Kernel) -> None:
    output = kernel.run(
        "progress('work', 50); error('careful'); input(); progress('work', 100); print('on')",
        until=lambda output: output.values("FloatProgressModel", "bar_style")[-1:] == ["danger"],
    )
    assert output.reply["status"] == "ok" and output.text == "on\n"
    assert any("Error: careful" in content["data"]["text/plain"] for content in output.contents("display_data"))
    assert "1 alert" in output.record and "! work" in output.record


@pytest.mark.parametrize("name", ["progress", "result", "error", "track"])
def test_helper_is_a_builtin_that_a_variable_hides_without_harm(kernel: Kernel, name: str) -> None:
    output = kernel.run(
        f"{name} = json = 5\nimport hopx_progress\nhopx_progress.progress('still', 10)\n"
        f"for x in hopx_progress.track([1], 'loop'): hopx_progress.result(x)\ndel {name}, json\nprogress('again', 20)\n"
        f"print({name!r} in globals(), callable({name}))"
    )
    assert output.reply["status"] == "ok" and output.text == "False True\n"
    assert "again" in output.record and "✓ loop" in output.record


def test_traceback_shows_the_cells_own_lines_and_none_of_the_helpers(kernel: Kernel) -> None:
    output = kernel.run(
        "for i in track(range(3), 'x'):\n    for j in track([1], 'y'):\n        raise ValueError('mine')"
    )
    traceback = "\n".join(output.reply["traceback"])
    assert "3" in traceback and "progress" not in traceback
