"""``python -m benchmarks``: measure this kernel and ipykernel in turn, and print a table."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from . import table
from .figures import FIGURES, Figure
from .kernel import KERNELS, BenchKernel


def main(argv: list[str] | None = None) -> int:
    """Exit code 1 when a reach was missed."""
    arguments = _parse(argv)
    lines: list[table.Line] = []
    for name in arguments.figures or FIGURES:
        figure = FIGURES[name]
        values = _measure(figure, arguments.kernel or [*KERNELS], arguments.repetitions or figure.repetitions)
        for row in figure.rows:
            by_kernel = {kernel: samples.get(row.key, []) for kernel, samples in values.items()}
            lines.append(table.sum_up(row, by_kernel))
        if arguments.json:
            _save(arguments.json, name, values)
    print(table.render(lines))
    return int(any(line[-1] == "MISSED" for line in lines))


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of: {', '.join(FIGURES)} (default: all)")
    parser.add_argument("-n", "--repetitions", type=int, help="of each figure (default: its own number)")
    parser.add_argument(
        "-k", "--kernel", action="append", choices=[*KERNELS], help="measure this one; may be repeated (default: both)"
    )
    parser.add_argument("--json", type=Path, help="file for every single value")
    arguments = parser.parse_args(argv)
    unknown = [name for name in arguments.figures if name not in FIGURES]
    if unknown:
        parser.error(f"unknown figure: {', '.join(unknown)}")
    return arguments


def _measure(figure: Figure, kernels: list[str], repetitions: int) -> dict[str, dict[str, list[float]]]:
    """All values, by kernel and key. The kernels take turns, so that what else the machine does hits both alike."""
    kernels = kernels if figure.kernels else kernels[:1]
    values: dict[str, dict[str, list[float]]] = {kernel: {} for kernel in kernels}
    with ExitStack() as stack:
        living = (
            {}
            if figure.fresh or not figure.kernels
            else {kernel: stack.enter_context(BenchKernel(kernel)) for kernel in kernels}
        )
        for repetition in range(repetitions):
            for kernel in kernels:
                print(
                    f"\r\x1b[K{figure.name} {repetition + 1}/{repetitions} {kernel}",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )
                with ExitStack() as one:
                    running = living.get(kernel)
                    if figure.kernels and running is None:
                        running = one.enter_context(BenchKernel(kernel, wait=not figure.start))
                    sample = figure.measure(running)
                for key, measured in sample.items():
                    values[kernel].setdefault(key, []).extend(measured)
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return values


def _save(path: Path, name: str, values: dict[str, dict[str, list[float]]]) -> None:
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**saved, name: values}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
