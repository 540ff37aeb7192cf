"""What a person has configured about progress, in kernels that were started so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .conftest import WIDGET, CellOutput, Kernel, running

StartKernel = Callable[..., Kernel]

BAR = "for i in track(range(3), 'work'):\n    if i == 1: input()"


@pytest.fixture
def start_kernel(hopx_kernelspec: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartKernel]:
    """Starts kernels with options in their environments."""
    with ExitStack() as stack:

        def start(**options: str) -> Kernel:
            for name, value in options.items():
                monkeypatch.setenv(f"HOPX_{name.upper()}", value)
            return stack.enter_context(running(hopx_kernelspec))

        yield start


def opened(output: CellOutput) -> set[str]:
    """Names of the widgets that a cell opened."""
    return {content["data"]["state"].get("_model_name") for content in output.contents("comm_open")}


@pytest.mark.parametrize(
    ("header", "has_anywidget", "has_button"), [("auto", True, False), ("plain", False, True), ("off", False, False)]
)
def test_header_is_the_one_that_was_chosen(
    start_kernel: StartKernel, header: str, has_anywidget: bool, has_button: bool
) -> None:
    output = start_kernel(header=header).run(BAR, until=lambda output: output.views)
    assert ("AnyModel" in opened(output), "ButtonModel" in opened(output)) == (has_anywidget, has_button)
    assert "FloatProgressModel" in opened(output)
    # Without a header the record has none either.
    assert output.record.startswith("✓ work" if header == "off" else "Done · ")


@pytest.mark.parametrize("header", ["auto", "plain"])
def test_header_comes_as_soon_as_it_is_told_to(start_kernel: StartKernel, header: str) -> None:
    kernel = start_kernel(header=header, header_after_seconds="0.3")
    output = kernel.run("input()", until=lambda output: output.views)
    (moment,) = (moment for moment, kind, _ in output.messages if kind == "display_data")
    assert moment >= 0.25 and output.record.startswith("Done · ")


def test_header_comes_no_sooner_than_it_is_told_to(start_kernel: StartKernel) -> None:
    # Without being told it would come after two.
    output = start_kernel(header_after_seconds="60").run("import time; time.sleep(2.6)")
    assert not output.contents("display_data") and not output.contents("comm_open")


def test_header_that_is_off_never_comes(start_kernel: StartKernel) -> None:
    output = start_kernel(header="false", header_after_seconds="0.1").run("import time; time.sleep(0.6)")
    assert not output.contents("display_data") and not output.contents("comm_open")


def test_messages_are_printed_where_bars_are_off(start_kernel: StartKernel) -> None:
    output = start_kernel(progress="off", header="off").run(
        "for i in range(9): progress('loading', i)\nprogress('reading')"
    )
    assert output.text == "loading\nreading\n" and not output.contents("display_data")


def test_text_line_is_drawn_where_it_was_chosen(start_kernel: StartKernel) -> None:
    output = start_kernel(progress="text").run("for i in track(range(3), 'work'): pass")
    assert not output.contents("display_data") and not output.contents("comm_open")
    assert "\x1b[K" in output.text and output.text.rstrip().splitlines()[-1].startswith("✓ work")


def test_tqdm_and_rich_print_what_they_always_print_where_adapting_is_off(start_kernel: StartKernel) -> None:
    kernel = start_kernel(adapt_progress_bars="false")
    output = kernel.run("from tqdm import tqdm\nfor i in tqdm(range(3), desc='work'): pass")
    assert "work: 100%" in output.text and "3/3" in output.text and "FloatProgressModel" not in opened(output)
    output = kernel.run("from rich.progress import track as rich_track\nfor i in rich_track(range(3)): pass")
    shown = output.text + "".join(str(content["data"]) for content in output.contents("display_data"))
    assert "100%" in shown and WIDGET not in shown
