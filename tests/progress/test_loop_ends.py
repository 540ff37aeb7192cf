"""How a loop ended is told from what its code did, in every Python that is on this machine."""

from __future__ import annotations

import textwrap

import pytest

from .sandbox_side import PYTHONS, run

ENDS = {
    "pass": "done",
    "continue": "done",
    "break": "stopped",
    "return": "stopped",
    "return i": "stopped",
    "with open('/dev/null'): break": "stopped",
    "raise ValueError": "failed",
    "int('x')": "failed",
    "1 / 0": "failed",
    "[1 / 0 for _ in 'a']": "failed",
    "None.nothing": "failed",
    "nothing": "failed",
    "[][1]": "failed",
    "assert False": "failed",
    "import nothing": "failed",
    "{}[[]] = 1": "failed",
    "(5).attribute = 1": "failed",
    "a, b = (1,)": "failed",
    "with open('/dev/null'): 1 / 0": "failed",
}

LOOPS = {
    "for": "def loop():\n    for i in track(range(5), 'x'):\n        if i == 2:\n            {body}\n",
    "zip": "def loop():\n    for i, _ in zip(track(range(5), 'x'), 'abcdefgh'):\n        if i == 2:\n            {body}\n",
    "async": (
        "async def items():\n    for i in range(5): yield i\nasync def main():\n"
        "    async for i in track(items(), 'x'):\n        if i == 2:\n            {body}\n"
        "def loop():\n    import asyncio\n    asyncio.run(main())\n"
    ),
}


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
@pytest.mark.parametrize("loop", LOOPS)
def test_end_of_a_loop_is_told_from_its_body(loop: str, python: str) -> None:
    parts = []
    for body in ENDS:
        definition = LOOPS[loop].format(body=body)
        parts.append(f"{definition}\ntry: loop()\nexcept Exception: pass\nhelpers.finish_run('run')")
    states = [content["state"] for _, content, _ in run("\n".join(parts), python) if content["state"] != "running"]
    assert dict(zip(ENDS, states, strict=True)) == ENDS


#: Loops that others run, and loops around loops: only what an exception ends has failed.
OTHERS = {
    "list(islice(x, 3))": "stopped",
    "for i in islice(x, 3): pass": "stopped",
    "for i in zip(x, 'abc'): pass": "stopped",
    "any(i > 3 for i in x)": "stopped",
    "next(i for i in x if i > 3)": "stopped",
    "next(iter(x))": "stopped",
    "3 in x": "stopped",
    "it = iter(x); next(it); it = None": "stopped",
    "for i in each(x):\n    if i == 3: break": "stopped",
    "for i in each_within(x):\n    if i == 3: break": "stopped",
    "for i in islice(x, 3): errors.append(caught())": "stopped",
    "list(x)": "done",
    "a, *b = x": "done",
    "for i in each(x):\n    if i == 3: 1 / 0": "failed",
    "for i in each_within(x):\n    if i == 3: 1 / 0": "failed",
    "for i in (j for j in x): int('x')": "failed",
    "[1 / (3 - i) for i in x]": "failed",
    "list(1 / (3 - i) for i in x)": "failed",
    "list(map(lambda i: 1 / (3 - i), x))": "failed",
    "for i in enumerate(x): caught(False)": "failed",
    "for i in x:\n    try: 1 / 0\n    except ZeroDivisionError: raise": "failed",
    "for i in x:\n    try: 1 / 0\n    except ZeroDivisionError: raise ValueError": "failed",
    "for i in x:\n    try: pass\n    finally: 1 / 0": "failed",
    "for i in x: gc.collect(); 1 / 0": "failed",
}

OTHERS_PROLOGUE = """
import gc
from itertools import islice
errors = []
def caught(catch=True):
    try: return 1 / 0
    except ZeroDivisionError as exc:
        if catch: return exc
        raise
def each(x):
    for i in x: yield i
def each_within(x):
    for i in x:
        with open('/dev/null'): yield i
"""


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
def test_loop_has_failed_where_an_exception_ended_it_and_else_not(python: str) -> None:
    parts = [OTHERS_PROLOGUE]
    for code in OTHERS:
        body = textwrap.indent(code, "        ")
        parts.append(
            f"def loop(x):\n    try:\n{body}\n    except (ZeroDivisionError, ValueError): pass\n"
            "loop(track(range(10), 'x'))\nhelpers.finish_run('run')"
        )
    states = [content["state"] for _, content, _ in run("\n".join(parts), python) if content["state"] != "running"]
    assert dict(zip(OTHERS, states, strict=True)) == OTHERS


def test_tracked_iterable_is_as_true_as_the_iterable() -> None:
    sent = run("result([bool(track(x)) for x in ([], [0], iter([]), (x for x in ''))])")
    assert sent[0][1]["data"] == [False, True, True, True]


def test_loop_inside_of_a_caught_exception_fails_and_the_next_of_its_name_is_another_bar() -> None:
    code = (
        "for a in track(range(2), 'outer'):\n    try:\n        for b in track(range(3), 'inner'):\n"
        "            if a == 0: raise ValueError\n    except ValueError: pass"
    )
    last = {content["task"]: content["state"] for _, content, _ in run(code)}
    assert last == {"outer": "done", "outer/inner": "failed", "outer/inner #2": "done"}


def test_iterator_that_raises_itself_fails_its_bar_and_the_exception_comes_out_unchanged() -> None:
    code = "def rows():\n    yield 1\n    raise KeyError('source')\ntry:\n    for x in track(rows(), 'x'): pass\nexcept KeyError as exc: result(exc.args)"
    sent = run(code)
    assert [content["state"] for kind, content, _ in sent if kind == "progress"][-1] == "failed"
    assert sent[-1][1]["data"] == ["source"] or ["source"] in [content.get("data") for _, content, _ in sent]


def test_tasks_of_one_loop_have_their_own_parents() -> None:
    code = (
        "import asyncio\nasync def one(n):\n    for i in track(range(2), f'outer {n}'):\n"
        "        async for j in track(numbers(), f'inner {n}'): await asyncio.sleep(0)\n"
        "async def numbers():\n    for i in range(3): yield i\n"
        "async def main(): await asyncio.gather(*(one(n) for n in range(3)))\nasyncio.run(main())"
    )
    parents = {content["task"]: content.get("parent") for _, content, _ in run(code)}
    assert parents == {
        name: parent
        for n in range(3)
        for name, parent in ((f"outer {n}", None), (f"outer {n}/inner {n}", f"outer {n}"))
    }
