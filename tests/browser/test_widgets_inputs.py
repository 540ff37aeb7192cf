"""What a person gives to the sandbox's widgets in a real JupyterLab arrives there as it was given."""

from __future__ import annotations

import hashlib
import re

import pytest
from playwright.sync_api import FilePayload, expect

from .lab import LabPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

UPLOAD = """
import hashlib
import ipywidgets as W
upload, seen = W.FileUpload(multiple=True), W.Output()

def uploaded(change):
    with seen:
        for file in change["new"]:
            print(hashlib.sha256(file["content"]).hexdigest(), file["size"], ascii(file["name"]))
        print("all are here")

upload.observe(uploaded, "value")
W.VBox([upload, seen])
"""

#: Bytes of every kind, none, and more than fits into one message of a websocket's usual size.
FILES = {
    "plain.bin": bytes(range(256)) * 3,
    "nothing": b"",
    "<img src=x onerror=alert(1)>.html": b"<script>alert(1)</script>",
    "../../etc/passwd\u202e\u0007.txt": "äöü\r\n".encode(),
    "large.bin": bytes(range(251)) * 20_000,
}


def test_uploaded_files_arrive_byte_by_byte(lab_page: LabPage) -> None:
    lab_page.open_notebook(UPLOAD)
    lab_page.run_to_end(0)
    out = lab_page.output(0)
    payloads = [
        FilePayload(name=name, mimeType="application/octet-stream", buffer=data) for name, data in FILES.items()
    ]
    with lab_page.page.expect_file_chooser() as chooser:
        out.get_by_role("button", name="Upload").click()
    chooser.value.set_files(payloads)
    expect(out).to_contain_text("all are here", timeout=60_000)
    text = out.inner_text()
    for data in FILES.values():
        assert f"{hashlib.sha256(data).hexdigest()} {len(data)} " in text
    assert "<img src=x onerror=alert(1)>.html" in text
    expect(out.locator("button", has_text="Upload")).to_contain_text(f"({len(FILES)})")


GALLERY = """
import datetime
import ipywidgets as W
from IPython.display import display
picker, date, tags = W.ColorPicker(value="#ff0000"), W.DatePicker(), W.TagsInput(value=["one", "two"])
play, number, seen = W.Play(max=3, interval=50), W.IntText(), W.Output()
keep = W.jslink((play, "value"), (number, "value"))
for widget in (picker, date, tags, number):
    widget.observe(lambda change: seen.append_stdout(f"{change['new']!r}\\n"), "value")
tabs = W.Tab([W.Label("inside the first"), W.Label("inside the second")], titles=["First", "Second"])
folds = W.Accordion([W.Label("folded")], titles=["Fold"])
stack = W.Stack([W.Label("on top"), W.Label("below")], selected_index=0)
grid = W.GridBox([W.Button(description=str(i)) for i in range(4)], layout=W.Layout(grid_template_columns="80px 80px"))
display(picker, date, tags, W.HBox([play, number]), tabs, folds, stack, grid, W.Controller(), seen)
"""


def test_widgets_of_every_kind_work(lab_page: LabPage) -> None:
    lab_page.open_notebook(GALLERY)
    lab_page.run_to_end(0)
    out = lab_page.output(0)
    out.locator("input[type=color]").fill("#00ff00")
    expect(out).to_contain_text("'#00ff00'")
    out.locator("input[type=date]").fill("2024-02-29")
    expect(out).to_contain_text("datetime.date(2024, 2, 29)")
    out.locator(".jupyter-widget-tag-close").last.click()
    expect(out).to_contain_text("['one']")
    out.locator(".widget-play button").first.click()
    expect(out.locator(".widget-text input[type=number]")).to_have_value("3")
    expect(out.get_by_text("inside the first")).to_be_visible()
    out.get_by_role("tab", name="Second").click()
    expect(out.get_by_text("inside the second")).to_be_visible()
    out.get_by_text("Fold", exact=True).click()
    expect(out.get_by_text("folded")).to_be_visible()
    expect(out.get_by_text("on top")).to_be_visible()
    expect(out.get_by_text("below")).to_have_count(0)
    boxes = [out.get_by_role("button", name=str(index), exact=True).bounding_box() for index in range(4)]
    first, second, third = (box or {"x": 0.0, "y": 0.0} for box in boxes[:3])
    assert first["y"] == second["y"] and first["x"] == third["x"] and first["x"] < second["x"]
    expect(out.get_by_text(re.compile("gamepad", re.IGNORECASE)).first).to_be_visible()
