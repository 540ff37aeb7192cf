"""What code in a sandbox emits, against the page that shows it: nothing of it acts there, and all else is still shown.

The same attacks run on ipykernel, which lets everything through: that shows that they would have been seen.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator

import nbconvert
import pytest
from playwright.sync_api import Dialog, Page, expect

from . import canaries
from .attacks import ATTACKS, PRELUDE, Attack
from .attacks_comms import COMM_ATTACKS, COMM_PRELUDE
from .attacks_widgets import WIDGET_ATTACKS
from .lab import LabPage

pytestmark = pytest.mark.browser

#: JupyterLab shows no more than 50 outputs of a cell.
CELL_SIZE = 12

#: Waits until nothing changes any more, then clicks every link of the outputs, and waits again.
_PROVOKE = """
async () => {
  const quiet = () => new Promise(resolve => {
    let timer = setTimeout(done, 700);
    const observer = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, 700); });
    observer.observe(document.querySelector(".jp-Notebook"), {subtree: true, childList: true, attributes: true});
    const limit = setTimeout(done, 8000);
    function done() { observer.disconnect(); clearTimeout(limit); resolve(); }
  });
  await quiet();
  for (const link of document.querySelectorAll(".jp-OutputArea a, .jp-OutputArea [onclick]")) {
    if (!/^(https?|mailto):/.test(link.getAttribute("href") || "")) {
      link.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true, view: window}));
    }
  }
  await quiet();
}
"""

#: What in the page's own document could act, or load something from where it was told to.
SCAN = r"""
() => {
  const roots = [document, ...[...document.querySelectorAll("iframe")].map(frame => frame.contentDocument)];
  const elements = roots.filter(Boolean).flatMap(root => [...root.querySelectorAll(
    root === document ? ".jp-OutputArea *" : "body *"
  )]);
  return elements.flatMap(element => {
    const found = [];
    const tag = element.localName;
    // Where Voila will show an output, it writes its data into a script that is none.
    const isData = ["application/vnd.jupyter.widget-view+json", "application/vnd.voila.cell-output+json"].includes(element.type);
    if (["script", "object", "embed", "form", "base", "meta", "link"].includes(tag) && !isData) found.push(tag);
    // JupyterLab's own frame is seen through; all others must be closed.
    const closed = element.getAttribute("sandbox") === "allow-scripts" || element.matches(".jp-mod-isolated:not([src])");
    if (tag === "iframe" && !closed) found.push(element.outerHTML);
    for (const {name, value} of element.attributes) {
      if (name.startsWith("on") || /^\W*(javascript|vbscript):/i.test(value.replace(/\s/g, ""))) found.push(`${tag} ${name}=${value}`);
      if (name.startsWith("data-commandlinker")) found.push(name);
    }
    const position = getComputedStyle(element).position;
    if (position === "fixed" || position === "sticky") found.push(`${tag} ${position}`);
    return found;
  });
}
"""


class Watch:
    """Sees what the attacks on a page achieve."""

    def __init__(self, lab: LabPage) -> None:
        self._lab = lab
        self.dialogs: list[str] = []
        lab.page.on("dialog", self._dismiss)
        lab.page.context.on("page", self._close)
        self._ask("DELETE")

    def _close(self, page: Page) -> None:
        self.dialogs.append(f"a window: {page.url}")
        page.close()  # a dozen windows, some with a JupyterLab of their own, would keep a small machine busy

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def run(self, attacks: tuple[Attack, ...], kernel: str) -> None:
        """Let a notebook of attacks act, and everything in it be clicked."""
        prelude = PRELUDE % {"server": self._lab.url} + COMM_PRELUDE
        if kernel != "hopx":
            prelude += "\nprogress = result = error = lambda *_: None"
        cells = _batches(attacks)
        self._lab.open_notebook(prelude, *cells_of(attacks), kernel=kernel)
        self._lab.run_to_end(0)
        for index, cell in enumerate(cells, 1):
            self._lab.run_to_end(index)
            for attack in cell if kernel == "hopx" else ():
                expect(self._lab.output(index).get_by_text(f"calm {attack.name}.", exact=True)).to_be_attached()
        self.provoke()

    def provoke(self) -> None:
        """Wait until the page is quiet, and click everything that could be meant to be clicked."""
        self._lab.page.evaluate(_PROVOKE)

    def acted(self) -> set[str]:
        """The names of the attacks that ran something in the page, or used its session."""
        names = set(
            self._lab.page.evaluate("(window.pwned || []).concat('polluted' in {} ? ['prototype-buffers'] : [])")
        )
        return names | {name for name, has_session in self.asked() if has_session}

    def asked(self) -> list[tuple[str, bool]]:
        """What the server was asked for: the attack's name, and whether the request came with the session's cookie."""
        return [(name, has_session) for name, has_session in json.loads(self._ask("GET"))]

    def threats(self) -> list[str]:
        """What is in the page that could act, whether it did or not."""
        return list(self._lab.page.evaluate(SCAN))

    def _ask(self, method: str) -> bytes:
        request = urllib.request.Request(f"{self._lab.url}{canaries.LIST}", method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return bytes(response.read())


def _batches(attacks: tuple[Attack, ...]) -> list[tuple[Attack, ...]]:
    return [attacks[start : start + CELL_SIZE] for start in range(0, len(attacks), CELL_SIZE)]


def cells_of(attacks: tuple[Attack, ...]) -> list[str]:
    """The attacks as the source of cells, each with a word to tell that the page goes on behind it."""
    return list(map(_cell, _batches(attacks)))


def _cell(attacks: tuple[Attack, ...]) -> str:
    return "\n".join(f"{attack.code}\ndisplay(HTML('<b>calm {attack.name}.</b>'))" for attack in attacks)


@pytest.fixture
def watch(lab_page: LabPage) -> Iterator[Watch]:
    watch = Watch(lab_page)
    yield watch
    assert "/lab/tree/" in lab_page.page.url


@pytest.mark.parametrize("attacks", [(*ATTACKS, *WIDGET_ATTACKS), COMM_ATTACKS], ids=["outputs", "comms"])
def test_nothing_acts_in_the_page(watch: Watch, attacks: tuple[Attack, ...]) -> None:
    watch.run(attacks, "hopx")
    assert sorted(watch.acted()) == []
    assert watch.dialogs == []
    assert watch.threats() == []


@pytest.mark.parametrize("all_attacks", [(*ATTACKS, *WIDGET_ATTACKS), COMM_ATTACKS], ids=["outputs", "comms"])
def test_attacks_are_real_without_a_policy(watch: Watch, all_attacks: tuple[Attack, ...]) -> None:
    # A page whose prototypes are polluted answers no more, not even to the browser's driver.
    attacks = tuple(attack for attack in all_attacks if attack.name != "prototype-buffers")
    watch.run(attacks, "python3")
    missing, deadline = {attack.name for attack in attacks if attack.fires}, time.monotonic() + 30
    while missing and time.monotonic() < deadline:  # what an attack asks of the server comes when it comes
        missing -= watch.acted() | set(re.findall(r"push\('([^']+)'\)", " ".join(watch.threats())))
    assert sorted(missing) == []


# ---------------------------------------------------------------------- frames, and what lies over the page

_FRAMED = """
<p>a calm frame</p><a id="out" target="_top" href="/canary-top">out</a>
<form id="form" target="_top" method="post" action="/canary-form"></form>
<img src="/canary-picture">
<script>
const attempts = [
  () => top.pwned = ["window"],
  () => parent.document.title = "pwned",
  () => top.location = "/canary-location",
  () => top.open("/canary-open"),
  () => open("/canary-window"),
  () => alert("canary"),
  () => document.getElementById("out").click(),
  () => document.getElementById("form").submit(),
  () => fetch("/canary-fetch", {credentials: "include", mode: "no-cors"}),
  () => new WebSocket(location.ancestorOrigins[0].replace("http", "ws") + "/canary-socket"),
  () => navigator.sendBeacon("/canary-beacon", "x"),
  () => document.cookie = "canary=1",
  () => localStorage.setItem("canary", "1"),
  () => frameElement.removeAttribute("sandbox"),
];
let stopped = 0;
for (const attempt of attempts) {
  try { attempt(); } catch { stopped += 1; }
}
document.body.append(`tried ${attempts.length}, stopped at once ${stopped}`);
</script>
"""


def test_scripts_in_a_frame_do_not_get_out(watch: Watch, lab_page: LabPage) -> None:
    lab_page.open_notebook(f"from IPython.display import HTML, display\ndisplay(HTML({_FRAMED!r}))")
    title = lab_page.page.title()
    lab_page.run_to_end(0)
    frame = lab_page.output(0).frame_locator("iframe").frame_locator("iframe")
    expect(frame.locator("body")).to_contain_text("a calm frame")
    expect(frame.locator("body")).to_contain_text("tried 14")
    frame.locator("#out").click()
    lab_page.page.evaluate(_PROVOKE)
    assert sorted(watch.acted()) == []
    assert watch.asked() == []
    assert watch.dialogs == []
    assert lab_page.page.title().strip("● ") == title.strip("● ")
    assert lab_page.page.evaluate("localStorage.getItem('canary')") is None


_COVERS = """
from IPython.display import HTML, display
import ipywidgets as W
for style in (
    "position:fixed;inset:0;z-index:99999", "pos\\\\69tion:fixed;top:0;left:0;width:100vw;height:100vh",
    "margin:-900px;width:300vw;height:300vh;display:block", "position:absolute;top:-900px;height:2000px;width:3000px",
    "transform:scale(99)", "scale:99", "zoom:99", "rotate:5deg;translate:-500px -500px", "float:left;margin-left:-900px",
):
    display(HTML(f'<div class="cover" style="{style}"><a href="https://example.com/">log in</a></div>'))
for sheet in (
    ":not(.z){visibility:hidden}", ":has(.z),:is(div){display:none}", "button:not(.z){display:none}",
    ".z, .jp-Toolbar{display:none}", ".z{}*{display:none}", "body:not(.z) *{display:none}",
    "@layer a{.jp-Toolbar{display:none}}", ":root{--jp-layout-color1:red}", "[class*=jp-T]{display:none}",
    "/*.z{*/.jp-Toolbar{display:none}", ".z:hover,#jp-top-panel{display:none}", "#main{display:none}",
):
    display(HTML(f'<style>{sheet}</style><i class="z">z</i>'))
for name in ("jp-Dialog", "jp-mod-fullscreen", "lm-Menu", "jp-Spinner", "jp-HoverBox", "lm-DockPanel-overlay"):
    display(HTML(f'<div class="cover {name}">over</div>'))
    display(W.HTML("over").add_class(name))
display(W.HTML("over", layout=W.Layout(width="300vw", height="300vh", margin="-900px", top="-900px")))
print("all are there")
"""

#: What lies on top at points of the page outside of outputs.
_ON_TOP = """
() => [...document.querySelectorAll("#jp-top-panel, .jp-NotebookPanel-toolbar, .jp-InputArea-editor, .jp-SideBar")]
  .map(element => {
    const box = element.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + Math.min(box.width, 500) / 2, box.y + 5);
    return [element.id, box.width > 0, getComputedStyle(element).visibility, !!top?.closest(".jp-OutputArea")];
  })
"""


def test_outputs_neither_cover_nor_change_the_page(watch: Watch, lab_page: LabPage) -> None:
    lab_page.open_notebook(_COVERS)
    before = lab_page.page.evaluate(_ON_TOP)
    assert len(before) >= 3
    lab_page.run_to_end(0)
    expect(lab_page.output(0)).to_contain_text("all are there")
    lab_page.page.evaluate(_PROVOKE)
    lab_page.page.locator(".jp-WindowedPanel-outer").first.evaluate("element => element.scrollTop = 0")
    assert lab_page.page.evaluate(_ON_TOP) == before
    assert not any(name in threat for threat in watch.threats() for name in ("fixed", "sticky"))


# ---------------------------------------------------------------------- what people want to see

_LOOKS = (
    "import pandas as pd, numpy as np\nframe = pd.DataFrame({'a': [1, 2], 'b': ['x < y', 'z']}); frame",
    "frame.style.highlight_max(subset=['a'], color='yellow').format({'a': '{:.2f}'}).bar(subset=['a'])",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.figure(figsize=(3, 1.5)); plt.plot([1, 3, 2]); plt.show()",
    "from matplotlib_inline.backend_inline import set_matplotlib_formats\nset_matplotlib_formats('svg')\n"
    "plt.figure(figsize=(3, 1.5)); plt.plot([1, 3, 2]); plt.show()",
    "from IPython.display import *\n"
    'display(HTML(\'<div id="plot" style="height:60px"></div><script>plot.textContent="drawn by a script"</script>\'))',
    "display(Markdown('# Title\\n\\n| a | b |\\n|---|---|\\n| *1* | `x < y` |\\n\\n$e^{i\\\\pi} < 3$'), "
    "Latex(r'$\\frac{a}{b}$'), HTML('<table><tr><td bgcolor=\"pink\"><b>cell</b> $x^2$</td></tr></table>'))",
    "import ipywidgets as W\nwidth = W.IntSlider(description='Width', value=3)\n"
    "play = W.Play(); link = W.jslink((play, 'value'), (width, 'value'))\n"
    "W.VBox([width, play, W.HTML('<b>bold</b> text'), W.Label(r'a < b: $\\alpha$'), W.Text('<i>as it is</i>'), "
    "W.Dropdown(options=['one', 'two']), W.Button(description='Go', button_style='success')])",
)


def test_what_people_show_looks_as_it_should(lab_page: LabPage) -> None:
    lab_page.open_notebook(*_LOOKS)
    for index in range(len(_LOOKS)):
        lab_page.run_to_end(index)
    page, out = lab_page.page, lab_page.output
    page.evaluate(_PROVOKE)
    expect(out(0).locator("table.dataframe td").nth(1)).to_have_text("x < y")
    yellow = (
        out(1)
        .get_by_text("2.00")
        .evaluate("cell => getComputedStyle(cell).backgroundImage + getComputedStyle(cell).backgroundColor")
    )
    assert "255, 255, 0" in yellow or "gradient" in yellow
    for index in (2, 3):
        expect(out(index).locator("img, svg").first).to_be_visible()
    expect(out(4).frame_locator("iframe").frame_locator("iframe").locator("#plot")).to_have_text("drawn by a script")
    expect(out(5).locator("h1")).to_contain_text("Title")
    expect(out(5).locator("mjx-container")).to_have_count(3)
    expect(out(5).locator("code")).to_have_text("x < y")
    expect(out(6).locator(".widget-html b")).to_have_text("bold")
    expect(out(6).locator("input[type=text]").first).to_have_value("<i>as it is</i>")
    expect(out(6).locator("mjx-container")).to_have_count(1)
    page.set_viewport_size({"width": 1200, "height": 2400})
    out(0).scroll_into_view_if_needed()


def test_looks_stay_in_a_saved_notebook_and_in_its_export(lab_page: LabPage) -> None:
    path = lab_page.open_notebook(*_LOOKS[:2])
    for index in range(2):
        lab_page.run_to_end(index)
    looks = lab_page.page.evaluate(_LOOK_OF_TABLE)
    assert any("gradient" in look for look in looks)
    lab_page.page.keyboard.press("Control+s")
    expect(lab_page.page.locator(".jp-mod-dirty")).to_have_count(0)
    lab_page.page.goto(f"{lab_page.url}lab/tree/{path.name}?reset")
    expect(lab_page.output(1).locator("td").first).to_be_visible(timeout=60_000)
    assert lab_page.page.evaluate(_LOOK_OF_TABLE) == looks
    exporter = nbconvert.HTMLExporter(mathjax_url="", require_js_url="")
    lab_page.page.set_content(exporter.from_filename(str(path))[0], wait_until="domcontentloaded")
    assert lab_page.page.evaluate(_LOOK_OF_TABLE) == looks


_LOOK_OF_TABLE = """
() => [...document.querySelectorAll(".jp-OutputArea table:not(.dataframe) td")].map(cell => {
  const style = getComputedStyle(cell);
  return [style.backgroundColor, style.backgroundImage, style.color].join(" ");
})
"""
