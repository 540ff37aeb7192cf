"""tqdm and rich report through the helpers: what they send, without a kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .sandbox_side import PROLOGUE, TIMEOUT_SECONDS, run, states


@pytest.mark.parametrize("library", ["tqdm", "rich"])
def test_adapters_can_be_turned_off(library: str) -> None:
    source = {
        "tqdm": "from tqdm import tqdm\nfor i in tqdm(range(3)): pass",
        "rich": "from rich.progress import track as t\nfor i in t(range(3)): pass",
    }
    code = PROLOGUE.replace("install(send)", "install(send, adapt=False)") + source[library]
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
    assert "@" not in process.stdout
    assert "3/3" in process.stderr or "100%" in process.stdout


@pytest.mark.parametrize("loop", ["track(range(3), name)", "tqdm(range(3), desc=name)"])
def test_no_look_at_the_count_comes_after_the_end(loop: str) -> None:
    last = states(
        "import sys, threading, time\nfrom tqdm import tqdm\nsys.setswitchinterval(1e-6)\n"
        "def send_slowly(*what): time.sleep(0.002); send(*what)\nhelpers.reporter.send = send_slowly\n"
        f"def work(name):\n    for _ in {loop}: time.sleep(0.02)\n"
        "for turn in range(4):\n    threads = [threading.Thread(target=work, args=(f'{turn}-{n}',)) for n in range(40)]\n"
        "    for one in threads: one.start()\n    for one in threads: one.join()"
    )
    assert len(last) == 160 and set(last.values()) == {(3, 3, "done")}


TQDM = {
    "left open": ("bar = tqdm(total=5, desc='left open'); bar.update(2)", (2, 5, "running")),
    "slowing": (
        "import time\nbar = tqdm(total=10**6, desc='slowing')\nfor i in range(1000): bar.update()\ntime.sleep(0.3); bar.update(); time.sleep(0.3); result(0)",
        (1001, 10**6, "running"),
    ),
    "closed early": ("with tqdm(total=5, desc='closed early') as bar: bar.update(2)", (2, 5, "stopped")),
    "raised": (
        "try:\n    for i in tqdm(range(5), desc='raised'):\n        if i == 3: 1 / 0\nexcept ZeroDivisionError: pass",
        (3, 5, "failed"),
    ),
    "not left": ("for i in tqdm(range(5), desc='not left', leave=False): pass", (5, 5, "done")),
    "endless": ("for i in tqdm(iter(range(7)), desc='endless'): pass", (7, None, "done")),
    "cut": ("import itertools\nfor i in itertools.islice(tqdm(range(9), desc='cut'), 4): pass", (3, 9, "stopped")),
    "renamed": (
        "bar = tqdm(total=3, desc='renamed'); bar.set_description('other'); bar.update(3); bar.close()",
        (3, 3, "done"),
    ),
}


@pytest.mark.parametrize("name", TQDM)
def test_tqdm_bar_ends_with_its_exact_count(name: str) -> None:
    code, last = TQDM[name]
    assert states(f"from tqdm import tqdm\n{code}") == {name: last}


def test_bar_that_is_left_open_is_not_looked_at_for_ever() -> None:
    sent = run(
        "from tqdm import tqdm\nbar = tqdm(total=5, desc='x'); bar.update(2)\nhelpers.finish_run('run')\n"
        "import time\ndeadline = time.monotonic() + 30; slots = helpers.reporter.slots\n"
        "while slots._watched and time.monotonic() < deadline: time.sleep(0.01)\nresult(len(slots._watched))"
    )
    assert sent[-1][1]["data"] == 0


def test_disabled_bars_are_no_bars() -> None:
    code = (
        "from tqdm import tqdm\nfrom rich.progress import Progress\nfor i in tqdm(range(3), disable=True): pass\n"
        "with Progress(disable=True) as bars: bars.advance(bars.add_task('x', total=2))"
    )
    assert run(code) == []


RICH = {
    "two": (
        "with Progress() as p:\n    a = p.add_task('a', total=2); b = p.add_task('b', total=4)\n    p.advance(a, 2); p.advance(b)",
        {"a": (2, 2, "done"), "b": (1, 4, "stopped")},
    ),
    "raised": (
        "try:\n    with Progress() as p: p.advance(p.add_task('a', total=4)); 1 / 0\nexcept ZeroDivisionError: pass",
        {"a": (1, 4, "failed")},
    ),
    "removed": (
        "with Progress() as p:\n    a = p.add_task('a', total=4); p.advance(a); p.remove_task(a)",
        {"a": (1, 4, "stopped")},
    ),
    "hidden": ("with Progress() as p: p.advance(p.add_task('a', total=4, visible=False))", {}),
    "endless": ("with Progress() as p: p.advance(p.add_task('a', total=None), 9)", {"a": (9, None, "done")}),
    "markup": ("with Progress() as p: p.advance(p.add_task('[b]a[/b]', total=1))", {"a": (1, 1, "done")}),
    "nested": (
        "with Progress() as p:\n    p.advance(p.add_task('a', total=1))\n    for x in rich_track(range(2), description='b'): pass",
        {"a": (1, 1, "done"), "b": (2, 2, "done")},
    ),
}


@pytest.mark.parametrize("name", RICH)
def test_rich_tasks_end_as_their_display_does(name: str) -> None:
    code, last = RICH[name]
    assert {
        task.rpartition("/")[2]: state
        for task, state in states(f"from rich.progress import Progress, track as rich_track\n{code}").items()
    } == last


def test_rich_columns_of_bytes_and_fields_are_shown() -> None:
    sent = run(
        "from rich.progress import Progress, DownloadColumn\nwith Progress(DownloadColumn()) as p:\n"
        "    p.advance(p.add_task('a', total=4, loss=0.5))"
    )
    assert (sent[-1][1]["unit"], sent[-1][1]["data"]) == ("B", {"loss": 0.5})
