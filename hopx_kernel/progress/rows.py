"""What is to be seen of a run's tasks: which rows, in which order, and what each says. Pure.

The live view, the snapshot and the text show these rows, so that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model import ProgressModel, State, Task
from .series import metric_text, sparkline
from .words import amount, duration, rate

__all__ = ["Metric", "Row", "make_rows"]

#: Indentation ends here, whatever the depth.
_MAX_DEPTH = 6

#: Finished tasks that nobody is the parent of: they fold when they are more than these, all but the latest.
_FOLD_ROOTS, _KEEP_ROOTS = 12, 6

#: Room for a count that nobody knows the end of.
_SOME = "100,000"

#: What goes first when there are more tasks than rows.
_RANK = {"failed": 0, "running": 1, "stopped": 2, "done": 3}


@dataclass(frozen=True)
class Metric:
    """A metric or a note beside a bar; `line` is its sparkline, or empty."""

    name: str
    value: str
    line: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the display.

    Attributes
    ----------
    key : str
        The task's; unique among the rows.
    percent : float or None
        None where the end is not known: an indeterminate bar.
    time, count, unit, rate : str
        Time left or taken, how much is done of how much, units a second; each empty where it is not known.
    count_whole : str
        What the count will be in the end, so that it can have its place from the beginning.
    is_red : bool
        Failed, or the run's own bar after an alert.
    folded : tuple of Row
        Not a bar of its own: stands for these finished ones.
    """

    key: str
    depth: int
    state: State
    label: str
    percent: float | None
    time: str = ""
    count: str = ""
    count_whole: str = ""
    unit: str = ""
    rate: str = ""
    metrics: tuple[Metric, ...] = ()
    is_red: bool = False
    folded: tuple[Row, ...] = ()

    @property
    def facts(self) -> tuple[str, ...]:
        """What is known of time, count and rate."""
        count = f"{self.count} {self.unit}" if self.unit else self.count
        return tuple(fact for fact in (self.time, count, self.rate) if fact)


def make_rows(model: ProgressModel, now: float, limit: int) -> tuple[list[Row], int]:
    """Lay the tasks out.

    Returns
    -------
    list of Row
        At most `limit` rows, children under their parents, finished siblings but the latest folded into one row.
    int
        How many tasks are not shown.
    """
    children: dict[str | None, list[Task]] = {}
    for task in model.tasks.values():
        parent = task.parent if task.parent in model.tasks and task.parent != task.key else None
        children.setdefault(parent, []).append(task)
    layout = _Layout(model, children, now)
    layout.fold_roots(children.get(None, []))
    # First those that hang under no other; tasks whose parents form a circle are left over and come last.
    for task in (*children.get(None, ()), *model.tasks.values()):
        layout.place_tree(task)
    rows = layout.rows
    if len(rows) > limit:
        keep = sorted(range(len(rows)), key=lambda i: (_RANK[rows[i].state], -i))[:limit]
        hidden = sum(max(1, len(rows[i].folded)) for i in set(range(len(rows))) - set(keep))
        return [rows[i] for i in sorted(keep)], hidden + model.omitted
    return rows, model.omitted


class _Layout:
    def __init__(self, model: ProgressModel, children: dict[str | None, list[Task]], now: float) -> None:
        self.rows: list[Row] = []
        self.seen: set[str] = set()
        self._model = model
        self._children = children
        self._now = now
        # The run's own bar is the task without a name; where a run has none, the first.
        self._own = "" if "" in model.tasks else next(iter(model.tasks), "")

    def fold_roots(self, roots: list[Task]) -> None:
        """Fold what one cell has finished long ago, when that is more than a glance takes in."""
        done = [task for task in roots if task.state == "done" and task.key not in self._children]
        if len(done) > _FOLD_ROOTS:
            self._fold("", sorted(done, key=lambda task: task.ended or 0.0)[:-_KEEP_ROOTS], 0)

    def _fold(self, key: str, tasks: list[Task], depth: int) -> None:
        inner = tuple(self._row(task, depth) for task in tasks)
        self.seen.update(task.key for task in tasks)
        self.rows.append(Row(f"\0{key}", depth, "done", f"{len(inner):,} finished", None, folded=inner))

    def place_tree(self, root: Task) -> None:
        # Not by recursion: a task's name can hang under another ten thousand deep.
        stack = [(root, 0)]
        while stack:
            task, depth = stack.pop()
            if task.key in self.seen:
                continue
            self.seen.add(task.key)
            self.rows.append(self._row(task, depth))
            below = [child for child in self._children.get(task.key, ()) if child.key not in self.seen]
            depth = min(depth + 1, _MAX_DEPTH)
            folded = self._foldable(below)
            if folded:
                self._fold(task.key, folded, depth)
            stack.extend((child, depth) for child in reversed(below) if child.key not in self.seen)

    def _foldable(self, tasks: list[Task]) -> list[Task]:
        done = [task for task in tasks if task.state == "done" and task.key not in self._children]
        if len(done) < 3:
            return []
        latest = max(done, key=lambda task: task.ended or 0.0)
        return [task for task in done if task is not latest]

    def _row(self, task: Task, depth: int) -> Row:
        count, whole = _count(task)
        speed = task.rate(self._now)
        return Row(
            key=task.key,
            depth=depth,
            state=task.state,
            label=task.message,
            percent=task.percent,
            time=_time(task, self._now),
            count=count,
            count_whole=whole,
            unit="" if task.unit == "B" or not count else task.unit,
            rate="" if speed is None else rate(speed, task.unit),
            metrics=_metrics(task),
            is_red=task.state == "failed" or (self._model.alerts > 0 and task.key == self._own),
        )


def _count(task: Task) -> tuple[str, str]:
    """The count, and what it will be when it is complete; bytes have their units with them."""
    if task.current is None:
        return "", ""
    unit = "B" if task.unit == "B" else ""
    done = amount(task.current, unit)
    if task.total is None:
        return done, max(done, _SOME, key=len)
    whole = amount(task.total, unit)
    return f"{done}/{whole}", f"{whole}/{whole}"


def _time(task: Task, now: float) -> str:
    left = task.time_left(now)
    if left is not None and left < 1e8:
        return f"{duration(left)} left"
    return duration(task.elapsed(now)) if task.state != "running" or task.elapsed(now) >= 1 else ""


def _metrics(task: Task) -> tuple[Metric, ...]:
    series = [Metric(name, metric_text(values.last), sparkline(values)) for name, values in task.metrics.items()]
    return (*series, *(Metric(name, text) for name, text in task.notes.items()))
