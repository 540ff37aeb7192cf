"""Widgets whose code runs in the sandbox, in a real JupyterLab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLOT = """
import io
import ipywidgets as widgets
from matplotlib.figure import Figure

slider = widgets.IntSlider(description="Points", min=2, max=50)
image = widgets.Image(format="png")

def draw(change=None):
    figure = Figure(figsize=(4, 2))
    figure.subplots().plot(range(slider.value))
    png = io.BytesIO()
    figure.savefig(png)
    image.value = png.getvalue()

slider.observe(draw, "value")
draw()
widgets.VBox([slider, image])
"""

INTERACT = """
from ipywidgets import interact

@interact(x=(0, 10))
def square(x=3):
    print("the square is", x * x)
"""

OUTPUT = """
import ipywidgets as widgets
button, out = widgets.Button(description="Press"), widgets.Output()
count = 0

@out.capture()
def pressed(_):
    global count
    count += 1
    print("pressed", count)

button.on_click(pressed)
widgets.VBox([button, out])
"""

LONG_CALLBACK = """
import time
import ipywidgets as widgets
button, out = widgets.Button(description="Work"), widgets.Output()
steps = 0

@out.capture()
def work(_):
    global steps
    print("started")
    for steps in track(range(6000), description="Work"):
        time.sleep(0.1)

button.on_click(work)
widgets.VBox([button, out])
"""


def move(cell: Locator, key: str) -> None:
    handle = cell.locator(".noUi-handle").first
    handle.focus()
    handle.press(key)


def wait_picture_other_than(cell: Locator, before: str | None) -> str:
    image = cell.locator("img.widget-image")
    expect(image).not_to_have_attribute("src", before or "")
    source = image.get_attribute("src")
    assert source is not None
    return source


def test_slider_drives_a_plot_in_the_sandbox(lab_page: LabPage) -> None:
    lab_page.open_notebook(PLOT)
    lab_page.run_to_end(0)
    cell = lab_page.output(0)
    expect(cell.locator("img.widget-image")).to_be_visible()
    seen = [cell.locator("img.widget-image").get_attribute("src")]
    for _ in range(3):
        move(cell, "ArrowRight")
        seen.append(wait_picture_other_than(cell, seen[-1]))
    assert len(set(seen)) == 4
    expect(cell.locator(".widget-readout")).to_have_text("5")


def test_interact_shows_what_the_function_prints(lab_page: LabPage) -> None:
    lab_page.open_notebook(INTERACT)
    lab_page.run_to_end(0)
    cell = lab_page.output(0)
    expect(cell.get_by_text("the square is 9")).to_be_visible()
    move(cell, "ArrowRight")
    expect(cell.get_by_text("the square is 16")).to_be_visible()
    expect(cell.get_by_text("the square is 9")).to_have_count(0)


def test_output_widget_takes_what_a_callback_prints(lab_page: LabPage) -> None:
    lab_page.open_notebook(OUTPUT, "count")
    lab_page.run_to_end(0)
    cell = lab_page.output(0)
    for number in (1, 2):
        cell.get_by_role("button", name="Press").click()
        expect(cell.get_by_text(f"pressed {number}")).to_be_visible()
    lab_page.run_to_end(1)
    expect(lab_page.output(1)).to_contain_text("2")


def test_reload_brings_every_widget_back(lab_page: LabPage) -> None:
    lab_page.open_notebook(PLOT, OUTPUT)
    lab_page.run_to_end(0)
    lab_page.run_to_end(1)
    first, second = lab_page.output(0), lab_page.output(1)
    before = first.locator("img.widget-image").get_attribute("src")
    move(first, "End")
    wait_picture_other_than(first, before)
    second.get_by_role("button", name="Press").click()
    expect(second.get_by_text("pressed 1")).to_be_visible()
    lab_page.save()
    lab_page.reload()
    expect(first.locator(".widget-readout")).to_have_text("50")
    expect(first.locator("img.widget-image")).to_be_visible()
    expect(second.get_by_text("pressed 1")).to_be_visible()
    second.get_by_role("button", name="Press").click()
    expect(second.get_by_text("pressed 2")).to_be_visible()
    before = first.locator("img.widget-image").get_attribute("src")
    move(first, "Home")
    wait_picture_other_than(first, before)


def test_reload_brings_widgets_back_while_a_cell_runs(lab_page: LabPage) -> None:
    lab_page.open_notebook(OUTPUT, "import time\nfor i in track(range(6000)): time.sleep(0.1)")
    lab_page.run_to_end(0)
    lab_page.save()
    lab_page.run(1)
    lab_page.wait_running(1)
    lab_page.page.reload()
    expect(lab_page.output(0).get_by_role("button", name="Press")).to_be_visible(timeout=60_000)
    lab_page.press_stop()
    lab_page.output(0).get_by_role("button", name="Press").click()
    expect(lab_page.output(0).get_by_text("pressed 1")).to_be_visible()


@pytest.mark.parametrize("where", ["toolbar", "header"])
def test_stop_ends_a_callback_and_keeps_variables(lab_page: LabPage, where: str) -> None:
    lab_page.open_notebook(LONG_CALLBACK, "0 < steps < 5999")
    lab_page.run_to_end(0)
    cell = lab_page.output(0)
    cell.get_by_role("button", name="Work").click()
    expect(cell.get_by_text("started")).to_be_visible()
    expect(cell.locator(".hopx-run .progress-bar").first).to_be_visible()
    if where == "toolbar":
        lab_page.press_stop()
    else:
        cell.get_by_role("button", name="Stop").click()
    expect(cell.get_by_text(re.compile("KeyboardInterrupt")).first).to_be_visible()
    lab_page.run_to_end(1)
    expect(lab_page.output(1)).to_contain_text("True")


SCRIPT_WIDGET = """
import anywidget
class Evil(anywidget.AnyWidget):
    _esm = "export default { render({ el }) { document.title = 'taken over'; el.textContent = 'script ran'; } }"
Evil()
"""


def test_script_of_a_widget_is_refused_with_a_notice(lab_page: LabPage) -> None:
    lab_page.open_notebook(SCRIPT_WIDGET)
    lab_page.run_to_end(0)
    expect(lab_page.output(0)).to_contain_text("comes from the sandbox and was not run")
    assert "taken over" not in lab_page.page.title()
