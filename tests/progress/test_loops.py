"""`track` in cells: over whatever can be iterated, however its loop ends, from threads, tasks and forked children."""

from __future__ import annotations

import pytest

from .conftest import Kernel


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("iter([1, 2, 3])", "  3  "),
        ("(x for x in 'abcd')", "  4  "),
        ("map(str, range(7))", "  7  "),
        ("open(file)", "  2  "),
        ("[]", "0/0"),
    ],
)
def test_iterators_of_any_kind_are_tracked(kernel: Kernel, source: str, expected: str) -> None:
    output = kernel.run(
        "import time\nfile = '/tmp/lines'\nwith open(file, 'w') as lines: lines.write('one\\ntwo\\n')\n"
        f"for x in track({source}, 'items'): pass"
    )
    (line,) = (line for line in output.record.splitlines() if "✓ items" in line)
    assert expected in f"{line}  "


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
    output = kernel.start("import time\nkept = 41\nfor i in track(range(100_000), 'long'): time.sleep(0.05)")
    kernel.read(output, lambda output: output.labels("long"))
    kernel.interrupt()
    kernel.finish(output)
    assert output.reply["ename"] == "KeyboardInterrupt"
    record = output.record.splitlines()
    assert record[0].startswith("Stopped") and "variables kept" in record[0]
    assert record[1].startswith("■ long")
    assert kernel.run("print(kept + 1)").text == "42\n"


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
    lines = output.record.splitlines()
    for name in ("thread", "child", "task"):
        for i in range(3):
            assert any(f"✓ {name} {i}" in line and "20/20" in line for line in lines), output.record


def test_last_value_of_a_forked_child_arrives_also_when_it_leaves_by_os_exit(kernel: Kernel) -> None:
    output = kernel.run(
        "import os\nif os.fork() == 0:\n    for i in range(10_001): progress('child', task='c', current=i)\n    os._exit(0)\n_ = os.wait()"
    )
    assert "10,000" in output.record and output.text == ""


def test_loop_after_thousands_of_others_has_its_bar(kernel: Kernel) -> None:
    output = kernel.run("for n in range(2500):\n    for _ in track(range(2), f'loop {n}'): pass\nprogress('last', 40)")
    lines = output.record.splitlines()
    assert any(line.startswith("■ last") and "40 %" in line for line in lines), lines[-10:]
    assert any(line.startswith("✓ loop 2499") for line in lines) and "1,501 more tasks" in lines[-1]
