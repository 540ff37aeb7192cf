"""What a figure is: how one repetition is measured, and which rows of the table its samples make."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Figure", "Row", "Sample", "median", "percentile_95", "worst"]

#: What one repetition measured: values by key, many of a key where a repetition has many.
Sample = Mapping[str, Sequence[float]]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile_95(values: Sequence[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


def worst(values: Sequence[float]) -> float:
    return max(values)


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    key : str
        Key of the samples it sums up.
    title, unit : str
        As shown. Values are in this unit.
    summary : callable
        Makes one number of all repetitions' values.
    at_most : float, optional
        The reach as a value of this kernel.
    at_most_ratio : float, optional
        The reach as a multiple of ipykernel's value.
    """

    key: str
    title: str
    unit: str
    summary: Callable[[Sequence[float]], float] = median
    at_most: float | None = None
    at_most_ratio: float | None = None


@dataclass(frozen=True)
class Figure:
    """Something to measure.

    Parameters
    ----------
    name : str
        How the command line names it.
    measure : callable
        One repetition: takes a `BenchKernel` that is ready, gives a `Sample`.
    rows : tuple of Row
        What is shown.
    repetitions : int
        How often, unless the command line says otherwise. The kernels take turns.
    fresh : bool
        Whether each repetition gets a kernel of its own; otherwise one of each lives for all.
    start : bool
        Whether `measure` gets a kernel that was only just started, and nobody has waited for.
    kernels : bool
        Whether kernels are measured; otherwise the library is, and `measure` gets None.
    """

    name: str
    measure: Callable[..., Sample]
    rows: tuple[Row, ...]
    repetitions: int = 5
    fresh: bool = False
    start: bool = False
    kernels: bool = True
