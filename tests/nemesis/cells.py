"""Cells as people write them, each of which leaves a trace that can be checked."""

from __future__ import annotations

from random import Random

__all__ = ["write_cell"]

#: Begins each cell: says which variables of earlier cells are there.
#: A Stop may cut it off: it is whole where its full stop is there.
_BEGIN = (
    "print(' '.join(['have', *sorted(name for name in globals() if name.startswith('set_by_')), '.']))\n"
    "import time, threading\n"
)

_COUNT = """
i = 0
try:
    for i in range({count}):
        print('line', i)
        {pause}
except KeyboardInterrupt:
    print('reached', i)
    raise
"""
_CATCH = """
end = time.monotonic() + {seconds}
while (left := end - time.monotonic()) > 0:
    try:
        time.sleep(left)
    except KeyboardInterrupt:
        print('caught')
"""
_THREAD = """
def print_later():
    for i in range({count}):
        print('later', i)
        time.sleep(0.01)
threading.Thread(target=print_later, daemon=True).start()
time.sleep({seconds})
"""
_DISPLAYS = """
from IPython.display import display
handle = display({{'text/plain': 'first'}}, raw=True, display_id=True)
for i in range({count} % 50):
    handle.update({{'text/plain': f'update {{i}}'}}, raw=True)
"""
_BODIES = {
    "count": _COUNT,
    "sleep": "time.sleep({seconds})\n",
    "compute": "end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: sum(range(1000))\n",
    "catch": _CATCH,
    "input": "print('answer', input('name? '))\n",
    "progress": "for i in track(range(20), 'work'): time.sleep({seconds} / 20)\n",
    "thread": _THREAD,
    "displays": _DISPLAYS,
    "fail": "1 / 0\n",
    "exit": "import os; os._exit(3)\n",
}
#: How often each is written.
_WEIGHTS = {"count": 6, "sleep": 3, "compute": 2, "catch": 4, "input": 2, "progress": 2, "thread": 2, "displays": 2}


def write_cell(random: Random, number: int) -> tuple[str, str, int]:
    """A cell's kind, its code and how many lines it counts."""
    kind = random.choices(list(_BODIES), [_WEIGHTS.get(kind, 1) for kind in _BODIES])[0]
    count = random.choice([0, 1, 30, 500, 5000])
    seconds = random.choice([0.01, 0.1, 0.5])
    pause = random.choice(["pass", "pass", "i % 100 or time.sleep(0.01)"])
    body = _BODIES[kind].format(count=count, seconds=seconds, pause=pause)
    return kind, f"{_BEGIN}{body}\nset_by_{number} = True\n", count if kind == "count" else 0
