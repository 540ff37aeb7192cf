"""Progress from the code in a cell to the messages of a real kernel with a real sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from .conftest import WIDGET, Kernel

HOSTILE_PERCENTS = [
    "float('nan')",
    "float('inf')",
    "-float('inf')",
    "-5",
    "250",
    "'12%'",
    "None",
    "'abc'",
    "10**400",
    "[]",
    "True",
    "1j",
]


def test_progress_is_a_float_progress_with_its_message(kernel: Kernel) -> None:
    output = kernel.run('progress("Loading", 40)')
    (states,) = output.models("FloatProgressModel").values()
    assert states[-1].get("value", states[0]["value"]) == 40
    labels = [state["value"] for states in output.models("HTMLModel").values() for state in states if "value" in state]
    assert any("Loading" in label for label in labels)
    assert "Loading" in output.record and "40 %" in output.record


def test_bar_moves_while_the_cell_runs(kernel: Kernel) -> None:
    output = kernel.run("import time\nfor i in range(11):\n    progress('Loading', i * 10); time.sleep(0.1)")
    (states,) = output.models("FloatProgressModel").values()
    assert len({state["value"] for state in states if "value" in state}) >= 5
    assert "✓ Loading" in output.record and "100 %" in output.record


def test_a_hundred_thousand_calls_send_few_messages_and_the_exact_end(kernel: Kernel) -> None:
    output = kernel.run(
        "import time\nstarted = time.monotonic(); n = 0\nwhile n < 100_000 or time.monotonic() - started < 2:\n"
        "    n += 1; progress('x', current=n, total=10**9, data={'loss': 1 / n})\nprint(n)"
    )
    seconds = output.messages[-1][0]
    comm_messages = sum(count for kind, count in output.counts().items() if kind.startswith("comm_"))
    assert comm_messages / seconds <= 150
    assert f"{int(output.text):,}/1,000,000,000" in output.record


def test_nested_loops_are_parents_and_children_and_end_done(kernel: Kernel) -> None:
    output = kernel.run(
        "import time\nfor a in track(range(2), 'outer'):\n  for b in track(range(3), 'middle'):\n"
        "    for c in track(range(5), 'inner', unit='rows'):\n      time.sleep(0.01)"
    )
    lines = output.record.splitlines()[1:]
    assert [line.split()[1] for line in lines] == ["outer", "middle", "inner"]
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4]
    assert all("✓" in line and "100 %" in line for line in lines)
    assert "5/5 rows" in lines[2]
    assert len(output.models("FloatProgressModel")) == 3


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("iter([1, 2, 3])", "3"),
        ("(x for x in 'abcd')", "4"),
        ("map(str, range(7))", "7"),
        ("open('/etc/passwd')", ""),
        ("[]", "0/0"),
    ],
)
def test_iterators_of_any_kind_are_tracked(kernel: Kernel, source: str, expected: str) -> None:
    output = kernel.run(f"for x in track({source}, 'items'): pass")
    assert "✓ items" in output.record
    assert expected in output.record


def test_async_iterator_is_tracked(kernel: Kernel) -> None:
    output = kernel.run(
        "import asyncio\nasync def pages():\n    for i in range(4):\n        await asyncio.sleep(0.01); yield i\n"
        "got = []\nasync for page in track(pages(), 'pages', total=4): got.append(page)\nprint(got)"
    )
    assert output.text == "[0, 1, 2, 3]\n"
    assert "✓ pages" in output.record and "4/4" in output.record


@pytest.mark.parametrize(
    ("body", "sign", "note"),
    [
        ("if i == 3: raise ValueError('x')", "✗", "ValueError"),
        ("if i == 3: break", "■", "Done"),
    ],
)
def test_loop_that_ends_early_says_how(kernel: Kernel, body: str, sign: str, note: str) -> None:
    output = kernel.run(f"for i in track(range(10), 'work'):\n    {body}")
    lines = output.record.splitlines()
    assert note in lines[0]
    assert lines[1].startswith(f"{sign} work") and "3/10" in lines[1]


def test_loop_that_raises_and_is_caught_has_failed_and_the_cell_has_not(kernel: Kernel) -> None:
    output = kernel.run("try:\n    for i in track([1, 2], 'work'): 1 / 0\nexcept ZeroDivisionError: print('caught')")
    assert output.reply["status"] == "ok" and output.text == "caught\n"
    assert output.record.startswith("Done") and "✗ work" in output.record


def test_interrupted_loop_is_stopped_and_variables_are_kept(kernel: Kernel) -> None:
    msg_id = kernel.start(
        "import time\nkept = 41\nprogress('before', 1, task='b')\nfor i in track(range(1000), 'long'): time.sleep(0.05)"
    )
    while True:
        message = kernel.client.get_iopub_msg(timeout=20)
        if message["msg_type"] == "display_data":
            break
    kernel.client.control_channel.send(kernel.client.session.msg("interrupt_request", {}))
    output = kernel.collect(msg_id)
    assert output.reply["ename"] == "KeyboardInterrupt"
    record = output.record.splitlines()
    assert record[0].startswith("Stopped") and "variables kept" in record[0]
    assert any(line.startswith("■ long") for line in record)
    assert kernel.run("print(kept + 1)").text == "42\n"


def test_helpers_are_builtins_that_a_variable_hides_without_harm(kernel: Kernel) -> None:
    output = kernel.run(
        "progress, result, error, track, json = 1, 2, 3, 4, 5\nimport hopx_progress\n"
        "hopx_progress.progress('still', 10)\ndel progress, result, error, track, json\nprogress('again', 20)\n"
        "print([name for name in ('progress', 'result', 'error', 'track') if name in globals()])"
    )
    assert output.text == "[]\n"
    assert "again" in output.record


@pytest.mark.parametrize("percent", HOSTILE_PERCENTS)
def test_silly_percent_neither_raises_nor_breaks_the_bar(kernel: Kernel, percent: str) -> None:
    output = kernel.run(f"progress('silly', {percent}); progress('silly', {percent}, task='t', total=0, current=0)")
    assert output.reply["status"] == "ok"
    for states in output.models("FloatProgressModel").values():
        assert all(0 <= state["value"] <= 100 for state in states if "value" in state)
    assert "silly" in output.record


def test_hostile_values_are_shown_and_nothing_raises(kernel: Kernel) -> None:
    output = kernel.run(
        "import datetime\n"
        "class Bad:\n    def __repr__(self): raise RuntimeError('no')\n    __str__ = __repr__\n"
        "deep = []\nfor _ in range(10_000): deep = [deep]\ncircle = {}; circle['me'] = circle\n"
        "progress(Bad(), Bad(), Bad(), task=Bad(), current=Bad(), total=Bad(), unit=Bad(), state=Bad())\n"
        "progress('data', data={'set': {1}, 'date': datetime.date(2024, 5, 17), 'nan': float('nan'), 'deep': deep}, task='d')\n"
        "progress('x' * 1_000_000, task='long'); progress('\\ud800 \\x1b[31mred\\x1b[0m\\nnew', task='ansi')\n"
        "progress('circle', data=circle, task='c'); progress(); progress('big', current=10**5000, task='i')\n"
        "result(deep); result(circle); result(Bad()); error(Bad()); error('y' * 1_000_000)\nprint('end')"
    )
    assert output.reply["status"] == "ok", output.reply
    assert output.text == "end\n"
    record = output.record
    assert "2024-05-17" in record and "red new" in record and "\x1b" not in record
    assert "(+999," in record
    assert len(record) < 20_000


def test_markup_in_a_message_is_never_markup(kernel: Kernel) -> None:
    evil = '<script>alert(1)</script><img src=x onerror="alert(1)">'
    output = kernel.run(
        f"evil = {evil!r}\nprogress(evil, 5, {{evil: evil}}, task=evil, unit=evil)\nresult({{evil: [evil]}}); error(evil)\n"
        "progress(evil, 5, {'n': 1.5}, task='t', current=1, total=2, unit=evil)"
    )
    htmls = [
        content["data"].get("text/html", "")
        for kind in ("display_data", "update_display_data")
        for content in output.contents(kind)
    ]
    htmls += [state["value"] for states in output.models("HTMLModel").values() for state in states if "value" in state]
    for html in htmls:
        assert "<script" not in html and "<img" not in html
    assert any("&lt;script&gt;" in html for html in htmls)


def test_ten_thousands_of_task_names_are_capped_and_counted(kernel: Kernel) -> None:
    output = kernel.run("for i in range(100_000): progress('x', i % 100, task=f'task {i}')", timeout_seconds=120)
    assert output.reply["status"] == "ok"
    comm_messages = sum(count for kind, count in output.counts().items() if kind.startswith("comm_"))
    assert comm_messages < 600
    assert "99,900 more tasks" in output.record


def test_loop_after_thousands_of_others_has_its_bar(kernel: Kernel) -> None:
    output = kernel.run("for n in range(2500):\n    for _ in track(range(2), f'loop {n}'): pass\nprogress('last', 40)")
    lines = output.record.splitlines()
    assert any(line.startswith("■ last") and "40 %" in line for line in lines), lines[-10:]
    assert any(line.startswith("✓ loop 2499") for line in lines) and "1,501 more tasks" in lines[-1]


def test_markers_of_child_processes_are_the_same_bars(kernel: Kernel) -> None:
    output = kernel.run(
        "%%bash\nprintf 'half a line'\n"
        'echo \'__PROGRESS__{"type":"progress","message":"from bash","percent":30}\'\n'
        "echo ' and its end'\nprintf '__PROGR'; sleep 0.05; echo 'ESS__{\"message\":\"from bash\",\"percent\":60}'\n"
        'echo \'__RESULT__{"data":{"rows":3}}\'; echo \'__ERROR__{"message":"careful"}\'\n'
        "echo '__PROGRESS__{bad'; printf '__PROGRESS__{\"message\":\"cut'"
    )
    assert output.text == 'half a line and its end\n__PROGRESS__{bad\n__PROGRESS__{"message":"cut'
    assert "from bash" in output.record and "60 %" in output.record and "1 alert" in output.record
    assert any(content["data"].get("application/json") == {"rows": 3} for content in output.contents("display_data"))


def test_flood_of_text_and_markers_in_turn_stays_few_messages(kernel: Kernel) -> None:
    line = 'print(\'line\', i); print(\'__PROGRESS__{"message":"work","percent":%d}\' % (i // 200))'
    output = kernel.run(f"for i in range(20_001): {line}")
    assert output.text == "".join(f"line {i}\n" for i in range(20_001))
    assert sum(output.counts().values()) < 400
    assert "✓ work" in output.record


def test_threads_tasks_and_forked_children_report_at_once(kernel: Kernel) -> None:
    output = kernel.run(
        "import asyncio, multiprocessing, threading, time\n"
        "def work(name):\n    for i in track(range(20), name): time.sleep(0.01)\n"
        "async def task(name):\n    for i in track(range(20), name): await asyncio.sleep(0.01)\n"
        "threads = [threading.Thread(target=work, args=(f'thread {i}',)) for i in range(3)]\n"
        "children = [multiprocessing.get_context('fork').Process(target=work, args=(f'child {i}',)) for i in range(3)]\n"
        "for one in [*threads, *children]: one.start()\n"
        "await asyncio.gather(*(task(f'task {i}') for i in range(3)))\n"
        "for one in [*threads, *children]: one.join()"
    )
    assert output.text == ""
    for name in ("thread", "child", "task"):
        for i in range(3):
            assert any(f"✓ {name} {i}" in line and "20/20" in line for line in output.record.splitlines()), (
                output.record
            )


def test_last_value_of_a_forked_child_arrives_also_when_it_leaves_by_os_exit(kernel: Kernel) -> None:
    output = kernel.run(
        "import os\nif os.fork() == 0:\n    for i in range(10_001): progress('child', task='c', current=i)\n    os._exit(0)\n_ = os.wait()"
    )
    assert "10,000" in output.record and output.text == ""


def test_result_is_kept_as_json_with_text_beside_it(kernel: Kernel) -> None:
    output = kernel.run("result({'rows': 3, 'names': ['a', 'b']})")
    (content,) = output.contents("display_data")
    assert content["data"]["application/json"] == {"rows": 3, "names": ["a", "b"]}
    assert '"rows": 3' in content["data"]["text/plain"] and "<details" in content["data"]["text/html"]


def test_error_is_an_alert_that_turns_the_bar_red_and_stops_nothing(kernel: Kernel) -> None:
    output = kernel.run(
        "import time\nprogress('work', 50); error('careful')\ntime.sleep(0.3); progress('work', 100); print('on')"
    )
    assert output.reply["status"] == "ok" and output.text == "on\n"
    (states,) = output.models("FloatProgressModel").values()
    assert [state["bar_style"] for state in states if "bar_style" in state][-1] == "danger"
    assert any("Error: careful" in content["data"]["text/plain"] for content in output.contents("display_data"))
    assert "1 alert" in output.record and "! work" in output.record


def test_a_flood_of_results_and_errors_is_capped_and_counted(kernel: Kernel) -> None:
    output = kernel.run("for i in range(5000): error(f'e{i}')\nfor i in range(3000): result(i)")
    assert output.counts()["display_data"] <= 1300
    texts = [content["data"]["text/plain"] for content in output.contents("display_data")]
    assert "… and 4,900 more errors of this cell" in texts
    assert "… and 2,000 more results of this cell" in texts


def test_no_comm_is_left_open_after_a_hundred_cells_with_bars(kernel: Kernel) -> None:
    before = set(kernel.open_comms())
    for _ in range(100):
        counts = kernel.run("for i in track(range(3), 'a'): progress('b', 50)").counts()
        assert counts["comm_open"] == counts["comm_close"]
    assert set(kernel.open_comms()) == before


def test_header_appears_by_itself_in_a_long_run_and_not_in_a_short_one(kernel: Kernel) -> None:
    short = kernel.run("import time; time.sleep(0.5)")
    assert not short.contents("display_data")
    long = kernel.run("time.sleep(2.6)")
    (content,) = long.contents("display_data")
    assert WIDGET in content["data"]
    assert long.record.startswith("Done · 2.6 s · local sandbox")


def test_bars_come_back_after_clear_output(kernel: Kernel) -> None:
    output = kernel.run(
        "import time\nfrom IPython.display import clear_output\nprogress('a', 10); time.sleep(0.3)\nclear_output()\n"
        "time.sleep(0.3); progress('a', 20); time.sleep(0.3)"
    )
    shown = [content for content in output.contents("display_data") if WIDGET in content["data"]]
    assert len(shown) == 2
    assert "20 %" in output.record


@pytest.mark.parametrize("module", ["tqdm", "tqdm.auto", "tqdm.notebook"])
def test_unmodified_tqdm_shows_as_bars(kernel: Kernel, module: str) -> None:
    pytest.importorskip("tqdm")
    output = kernel.run(
        f"from {module} import tqdm, trange\nimport time\nfor i in trange(3, desc='outer'):\n"
        "    bar = tqdm(range(20), desc='inner', leave=False)\n    for j in bar: bar.set_postfix(loss=0.5)"
    )
    assert output.text == ""
    lines = output.record.splitlines()
    assert "✓ outer" in lines[1] and "3/3" in lines[1]
    assert "✓ inner" in lines[2] and "20/20" in lines[2] and "loss 0.5" in lines[2]


def test_tqdm_loop_that_raises_has_failed(kernel: Kernel) -> None:
    pytest.importorskip("tqdm")
    output = kernel.run("from tqdm import tqdm\nfor i in tqdm(range(10), desc='work'):\n    if i == 4: 1 / 0")
    assert "✗ work" in output.record and "4/10" in output.record and output.text == ""


def test_tqdm_that_writes_to_a_file_is_left_alone(kernel: Kernel) -> None:
    pytest.importorskip("tqdm")
    output = kernel.run(
        "import io\nfrom tqdm import tqdm\nfile = io.StringIO()\nfor i in tqdm(range(3), file=file): pass\nprint('3/3' in file.getvalue())"
    )
    assert output.text == "True\n" and not output.contents("display_data")


def test_unmodified_rich_progress_shows_as_bars(kernel: Kernel) -> None:
    pytest.importorskip("rich")
    output = kernel.run(
        "from rich.progress import Progress, track as rich_track\nimport time\n"
        "for i in rich_track(range(10), description='[red]one[/red]'): time.sleep(0.01)\n"
        "with Progress() as p:\n    t, u = p.add_task('two', total=4), p.add_task('three', total=9)\n"
        "    for i in range(4): p.advance(t); p.advance(u)"
    )
    assert output.text == ""
    assert "✓ one" in output.record and "10/10" in output.record
    assert "\n✓ two" in output.record and "4/4" in output.record
    assert "\n■ three" in output.record and "4/9" in output.record


def test_traceback_shows_the_cells_own_lines_and_none_of_the_helpers(kernel: Kernel) -> None:
    output = kernel.run(
        "for i in track(range(3), 'x'):\n    for j in track([1], 'y'):\n        raise ValueError('mine')"
    )
    traceback = "\n".join(output.reply["traceback"])
    assert "3" in traceback and "progress" not in traceback


def wait_for_model(kernel: Kernel, name: str, seconds: float = 20) -> str:
    """Wait until the kernel opens a widget with this model's name; gives its comm's id."""
    while True:
        message = kernel.client.get_iopub_msg(timeout=seconds)
        if message["msg_type"] == "comm_open" and message["content"]["data"]["state"].get("_model_name") == name:
            return str(message["content"]["comm_id"])


@pytest.mark.parametrize(
    ("model", "content"),
    [("AnyModel", {"type": "stop"}), ("ButtonModel", {"event": "click"})],
    ids=["anywidget", "plain"],
)
def test_stop_works_while_the_cell_runs_on_a_front_end_without_subshells(
    kernel: Kernel, model: str, content: dict[str, str]
) -> None:
    """No front end has shown the anywidget here, so the plain header takes its place after some seconds."""
    msg_id = kernel.start("import time; kept = 43\nfor i in track(range(10_000), 'long'): time.sleep(0.01)")
    comm_id = wait_for_model(kernel, model)
    data = {"method": "custom", "content": content}
    session = kernel.client.session
    kernel.client.shell_channel.send(session.msg("comm_msg", {"comm_id": comm_id, "data": data}))
    output = kernel.collect(msg_id, timeout_seconds=20)
    assert output.reply["ename"] == "KeyboardInterrupt"
    first = output.record.splitlines()[0]
    assert first.startswith("Stopped") and "stopped after" in first and "variables kept" in first
    assert kernel.run("print(kept)").text == "43\n"
    assert not kernel.open_comms()


def test_silent_run_shows_no_header(kernel: Kernel) -> None:
    counts = kernel.run("import time; time.sleep(2.5)", silent=True).counts()
    assert not counts["display_data"]


def press_stop(kernel: Kernel, comm_id: str) -> None:
    data = {"method": "custom", "content": {"type": "stop"}}
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data}))


def header_states(messages: Iterable[dict[str, Any]], comm_id: str) -> list[dict[str, Any]]:
    """What the header was told, in order."""
    updates = (one["content"] for one in messages if one["content"].get("comm_id") == comm_id)
    return [content["data"]["state"]["run"] for content in updates if "run" in content.get("data", {}).get("state", {})]


def test_stop_that_the_code_ignores_is_said_to_have_failed_and_can_be_pressed_again(kernel: Kernel) -> None:
    msg_id = kernel.start(
        "import time\nignored = 0\nprogress('stubborn', 10)\nend = time.monotonic() + 30\nwhile time.monotonic() < end and ignored < 2:\n"
        "    try: time.sleep(0.05)\n    except KeyboardInterrupt: ignored += 1; print('ignored')\n"
    )
    comm_id = wait_for_model(kernel, "AnyModel")
    # A page that shows the header says so; else plain widgets would take its place.
    data = {"method": "custom", "content": {"type": "ready"}}
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data}))
    press_stop(kernel, comm_id)
    told: list[dict[str, Any]] = []
    while not (states := header_states(told, comm_id)) or not states[-1]["note"]:
        told.append(kernel.client.get_iopub_msg(timeout=20))
    assert states[-1]["state"] == "running"
    assert states[-1]["note"].startswith("still running") and "after Stop" in states[-1]["note"]
    assert states[-1]["can_stop"] is True
    press_stop(kernel, comm_id)
    output = kernel.collect(msg_id, timeout_seconds=30)
    assert output.reply["status"] == "ok"
    assert output.record.splitlines()[0].startswith("Done") and "stopped after" not in output.record
    assert kernel.run("print(ignored)").text == "2\n"


def test_markers_of_two_threads_at_once_are_all_taken(kernel: Kernel) -> None:
    line = '__PROGRESS__{"message":"thread %d","task":"t%d","current":%d,"total":500}'
    output = kernel.run(
        "import os, threading\ndef work(n):\n    for i in range(1, 501):\n"
        f"        if n % 2: print('{line}' % (n, n, i))\n        else: os.write(1, ('{line}\\n' % (n, n, i)).encode())\n"
        "    print(f'end {n}')\nthreads = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
        "for one in threads: one.start()\nfor one in threads: one.join()"
    )
    assert sorted(output.text.split()) == ["0", "1", "2", "3", "end", "end", "end", "end"], output.text[:500]
    for n in range(4):
        assert f"✓ thread {n}" in output.record and output.record.count("500/500") == 4


def test_marker_that_cannot_be_read_is_the_text_that_it_is(kernel: Kernel) -> None:
    deep = '__PROGRESS__{"message":"x","data":' + "[" * 10_000 + "]" * 10_000 + "}"
    output = kernel.run("print('__PROGRESS__{\"message\":\"x\",\"data\":' + '[' * 10_000 + ']' * 10_000 + '}')")
    assert output.reply["status"] == "ok" and output.text == deep + "\n"


def test_lines_that_overwrite_themselves_are_few_messages_and_one_line(kernel: Kernel) -> None:
    output = kernel.run("for i in range(20_001): print(f'\\rstep {i}', end='', flush=True)\nprint()")
    text = output.text
    assert text.count("\n") == 1 and text.endswith("step 20000\n")
    assert text.count("\r") < 100 and output.counts()["stream"] < 50


def test_metrics_are_shown_with_their_course(kernel: Kernel) -> None:
    output = kernel.run(
        "import time\nfor i in range(8): progress('fit', i * 10, data={'loss': 8 - i, 'mode': 'train'}); time.sleep(0.1)"
    )
    (line,) = (line for line in output.record.splitlines() if "fit" in line)
    assert "mode train" in line and "loss 1 █" in line and line.rstrip().endswith("▁  mode train")
    last = output.contents("update_display_data")[-1]["data"]["text/html"]
    assert "height:14px" in last and "▁" in last and "loss" in last


def test_bars_open_with_the_first_event_and_not_before(kernel: Kernel) -> None:
    output = kernel.run("import time; time.sleep(0.4); print('quiet', flush=True); time.sleep(0.2); progress('x', 5)")
    kinds = [kind for _, kind, _ in output.messages if kind in ("stream", "comm_open", "display_data")]
    assert kinds[0] == "stream" and kinds.index("comm_open") > 0 and kinds.count("display_data") == 1


def test_at_most_ten_refreshes_a_second(kernel: Kernel) -> None:
    output = kernel.run(
        "import time\nend = time.monotonic() + 2; n = 0\nwhile time.monotonic() < end: n += 1; progress('x', current=n, total=10**9)"
    )
    (bar,) = output.models("FloatProgressModel")
    updates = [moment for moment, kind, content in output.messages if kind == "comm_msg" and content["comm_id"] == bar]
    assert 5 <= len(updates) <= 10 * (output.messages[-1][0]) + 2
