"""Plots of the packages that people use for them are drawn in a real JupyterLab, of which each is trusted with nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .lab import LabPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLOTLY = """
import plotly.graph_objects as go
go.Figure(go.Bar(y=[2, 1, 3]), layout={"title": "a plain figure"}).show(renderer="plotly_mimetype")
go.Figure(go.Choropleth(locations=["FRA"], z=[1])).show(renderer="plotly_mimetype")
"""

FIGURE_WIDGETS = """
import plotly.graph_objects as go
from IPython.display import display
figure = go.FigureWidget(go.Bar(y=[2, 1, 3]))
display(figure, go.FigureWidget(go.Scattergeo(lat=[1], lon=[1])))
"""

LATER = "figure.add_bar(y=[1, 1])\nfigure.add_choropleth(locations=['FRA'], z=[1])"

MATPLOTLIB = """
%matplotlib widget
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(4, 2))
axes.plot([1, 3, 2], color=(1, 0, 0), linewidth=8)
plt.show()
"""

BQPLOT = """
import bqplot
scales = {"x": bqplot.LinearScale(), "y": bqplot.LinearScale()}
bqplot.Figure(marks=[bqplot.Bars(x=[0, 1, 2], y=[2, 1, 3], scales=scales)], title="bars of bqplot")
"""

#: How many pixels of a canvas are red.
_RED = """
canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) count += data[at] > 200 && data[at + 1] < 50 && data[at + 3] > 200;
  return count;
}
"""


def test_figure_of_plotly_is_drawn_and_one_with_a_map_says_why_not(lab_page: LabPage) -> None:
    lab_page.open_notebook(PLOTLY)
    lab_page.run_to_end(0)
    out = lab_page.output(0)
    expect(out.locator(".bars .point path")).to_have_count(3, timeout=60_000)
    expect(out).to_contain_text("a plain figure")
    expect(out).to_contain_text("A map, for which this page would fetch")
    expect(out).to_contain_text('c.HopxConfig.trust = "trusted"')
    expect(out.locator(".js-plotly-plot")).to_have_count(1)


@pytest.fixture
def plotly_named() -> Iterator[None]:
    """A configuration by which plotly's own module runs."""
    path = Path(os.environ["JUPYTER_CONFIG_DIR"]) / "jupyter_hopx_kernel_config.py"
    assert not path.exists()
    path.write_text('c.HopxConfig.widget_packages = ["plotly"]\n', encoding="utf-8")
    yield
    path.unlink()


@pytest.mark.usefixtures("plotly_named")
def test_figure_widget_of_plotly_is_drawn_and_one_with_a_map_says_why_not(lab_page: LabPage) -> None:
    lab_page.open_notebook(FIGURE_WIDGETS, LATER)
    lab_page.run_to_end(0)
    out = lab_page.output(0)
    expect(out.locator(".bars .point path")).to_have_count(3, timeout=60_000)
    expect(out.locator(".legend")).to_have_count(1)
    expect(out.locator(".legend")).to_contain_text('c.HopxConfig.trust = "trusted"')
    lab_page.run_to_end(1)
    expect(out.locator(".bars .point path")).to_have_count(5)
    expect(out.locator(".legend").get_by_text("A map, for which this page would fetch")).to_have_count(2)
    expect(out.locator(".geo .countries, .geo .land, .choroplethlayer path")).to_have_count(0)


def test_canvas_of_matplotlib_is_drawn(lab_page: LabPage) -> None:
    lab_page.open_notebook(MATPLOTLIB)
    lab_page.run_to_end(0)
    canvas = lab_page.output(0).locator(".jupyter-matplotlib-canvas-div canvas").first
    expect(canvas).to_be_visible()
    lab_page.page.wait_for_function(f"canvas => ({_RED})(canvas) > 100", arg=canvas.element_handle())


def test_figure_of_bqplot_is_drawn(lab_page: LabPage) -> None:
    lab_page.open_notebook(BQPLOT)
    lab_page.run_to_end(0)
    out = lab_page.output(0)
    expect(out.locator(".bqplot rect.bar")).to_have_count(3, timeout=60_000)
    expect(out).to_contain_text("bars of bqplot")
    heights = [box["height"] for bar in out.locator(".bqplot rect.bar").all() if (box := bar.bounding_box())]
    assert heights[2] > heights[0] > heights[1] > 20
