"""The run header's module by itself, in a real browser: a model of the test's own, and a clock that the test sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

SOURCES = Path(__file__).resolve().parent.parent.parent / "widgets" / "src"

START = 1_700_000_000_000

#: What the host sends for a run that began five seconds ago, by a host's clock that is an hour behind the browser's.
RUN: dict[str, Any] = {
    "state": "running",
    "word": "Running",
    "place": "local sandbox",
    "is_isolated": True,
    "usage": ["120 MB", "98 % CPU"],
    "alerts": 0,
    "note": "",
    "can_stop": True,
    "ended_seconds": None,
    "at": START - 3_600_000,
    "started": START - 3_605_000,
    "heard": START - 3_601_000,
}

_MOUNT = """
async ([source, css, run]) => {
  const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  const widget = (await import(url)).default;
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const listeners = new Set();
  window.sent = [];
  window.model = {
    get: () => run,
    send: (content) => window.sent.push(content.type),
    on: (_, callback) => listeners.add(callback),
    off: (_, callback) => listeners.delete(callback),
  };
  window.receive = (changes) => { run = {...run, ...changes}; for (const listener of [...listeners]) listener(); };
  window.listening = () => listeners.size;
  widget.initialize({model: window.model});
  const el = document.createElement("div");
  document.body.append(el);
  window.cleanup = widget.render({model: window.model, el});
}
"""


class Header:
    """The header on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".hopx-header-root")
        self.stop = page.get_by_role("button")

    def part(self, name: str) -> Any:
        return self.page.locator(f".hopx-header-{name}")

    def receive(self, **changes: Any) -> None:
        self.page.evaluate("changes => window.receive(changes)", changes)

    @property
    def sent(self) -> list[str]:
        result: list[str] = self.page.evaluate("window.sent")
        return result


@pytest.fixture
def header(chromium: Browser) -> Iterator[Header]:
    page = chromium.new_page()
    page.clock.install(time=START / 1000 - 60)
    page.goto("about:blank")
    page.clock.pause_at(START / 1000)
    source, css = ((SOURCES / f"run_header.{end}").read_text("utf-8") for end in ("js", "css"))
    page.evaluate(_MOUNT, [source, css, RUN])
    yield Header(page)
    page.close()


def test_everything_that_is_known_is_shown(header: Header) -> None:
    expect(header.part("word")).to_have_text("Running")
    expect(header.part("place")).to_have_text("local sandbox")
    expect(header.part("usage")).to_have_text("120 MB · 98 % CPU")
    for name in ("quiet", "alerts", "note"):
        expect(header.part(name)).to_be_hidden()
    assert header.sent == ["ready"]


def test_clock_counts_by_the_hosts_time_and_ticks_by_itself(header: Header) -> None:
    expect(header.part("clock")).to_have_text("5 s")
    header.page.clock.run_for(1000)
    expect(header.part("clock")).to_have_text("6 s")
    header.page.clock.run_for(60_000)
    expect(header.part("clock")).to_have_text("1:06")
    header.page.clock.run_for(3_600_000)
    expect(header.part("clock")).to_have_text("1:01:06")
    assert header.sent == ["ready"]


def test_message_that_was_long_on_its_way_does_not_set_the_clock_back(header: Header) -> None:
    header.page.clock.run_for(10_000)
    expect(header.part("clock")).to_have_text("15 s")
    header.receive(at=RUN["at"] + 2_000)  # eight seconds late
    expect(header.part("clock")).to_have_text("15 s")


def test_silence_is_said_when_it_lasts(header: Header) -> None:
    expect(header.part("quiet")).to_be_hidden()
    header.page.clock.run_for(29_000)
    expect(header.part("quiet")).to_have_text("last sign of life 30 s ago")
    header.receive(at=RUN["at"] + 29_000, heard=RUN["at"] + 29_000)
    expect(header.part("quiet")).to_be_hidden()


@pytest.mark.parametrize("way", ["click", "Enter", "Space"])
def test_stop_is_sent_once_and_shown_at_once(header: Header, way: str) -> None:
    if way == "click":
        header.stop.click()
    else:
        header.stop.focus()
        header.page.keyboard.press(way)
    expect(header.part("word")).to_have_text("Stopping")
    expect(header.stop).to_have_attribute("aria-disabled", "true")
    header.stop.dispatch_event("click")
    assert header.sent == ["ready", "stop"]


def test_stop_that_did_not_help_can_be_pressed_again(header: Header) -> None:
    header.stop.click()
    header.receive(state="running", note="still running 2.0 s after Stop: it holds the interpreter")
    expect(header.part("note")).to_contain_text("still running 2.0 s after Stop")
    expect(header.part("word")).to_have_text("Running")
    header.stop.click()
    assert header.sent == ["ready", "stop", "stop"]


def test_stop_that_nobody_answers_can_be_pressed_again(header: Header) -> None:
    header.stop.click()
    header.page.clock.run_for(10_000)
    expect(header.stop).to_have_attribute("aria-disabled", "false")
    header.stop.click()
    assert header.sent.count("stop") == 2


def test_end_stops_the_clock_and_takes_stop_away(header: Header) -> None:
    header.receive(
        state="stopped", word="Stopped", ended_seconds=7.25, can_stop=False, note="stopped after 0.2 s, variables kept"
    )
    expect(header.part("clock")).to_have_text("7.3 s")
    header.page.clock.run_for(60_000)
    expect(header.part("clock")).to_have_text("7.3 s")
    expect(header.part("note")).to_have_text("stopped after 0.2 s, variables kept")
    expect(header.page.locator(".hopx-header-stop")).to_be_hidden()
    expect(header.part("quiet")).to_be_hidden()


def test_alerts_turn_it_red(header: Header) -> None:
    header.receive(alerts=2)
    expect(header.part("alerts")).to_have_text("2 alerts")
    expect(header.root).to_have_attribute("data-state", "failed")


def test_roles_and_names_are_there_for_a_screen_reader(header: Header) -> None:
    expect(header.page.get_by_role("group", name="Run")).to_be_visible()
    expect(header.page.get_by_role("timer", name="Elapsed time")).to_be_visible()
    expect(header.page.get_by_role("status").filter(has_text="Running")).to_be_visible()
    expect(header.page.get_by_role("button", name="Stop")).to_be_visible()


def test_missing_isolation_is_a_warning(header: Header) -> None:
    plain = header.part("place").evaluate("element => getComputedStyle(element).color")
    header.receive(place="process, not isolated", is_isolated=False)
    expect(header.part("place")).to_have_text("process, not isolated")
    assert header.part("place").evaluate("element => getComputedStyle(element).color") != plain


def test_markup_is_text(header: Header) -> None:
    evil = '<img src=x onerror="window.owned = true"><script>window.owned = true</script>'
    header.receive(note=evil, place=evil, word=evil, usage=[evil])
    expect(header.part("note")).to_have_text(evil)
    assert header.page.locator("img, script").count() == 0
    assert header.page.evaluate("window.owned") is None


def test_text_follows_jupyterlabs_theme(header: Header) -> None:
    header.page.evaluate("document.body.style.setProperty('--jp-content-font-color1', 'rgb(1, 2, 3)')")
    assert header.part("word").evaluate("element => getComputedStyle(element).color") == "rgb(1, 2, 3)"


def test_sign_pulses_unless_less_motion_is_asked_for(header: Header) -> None:
    animation = "element => getComputedStyle(element).animationName"
    assert header.part("glyph").evaluate(animation) == "hopx-header-pulse"
    header.page.emulate_media(reduced_motion="reduce")
    assert header.part("glyph").evaluate(animation) == "none"


def test_focus_is_seen(header: Header) -> None:
    header.page.keyboard.press("Tab")
    expect(header.stop).to_be_focused()
    assert header.stop.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"


def test_long_texts_stay_within_a_narrow_page(header: Header) -> None:
    header.page.set_viewport_size({"width": 360, "height": 400})
    header.receive(note="still running 2.0 s after Stop: " + "x" * 300, place="a" * 40, usage=["120 MB", "98 % CPU"])
    width = header.root.evaluate("element => [element.scrollWidth, element.clientWidth]")
    assert width[0] <= width[1]
    box = header.stop.bounding_box()
    assert box and box["x"] + box["width"] <= 360 and box["height"] <= 30


def test_cleanup_leaves_no_element_listener_or_timer(header: Header) -> None:
    header.page.evaluate("window.cleanup()")
    assert header.root.count() == 0
    assert header.page.evaluate("window.listening()") == 0
    calls = "window.ticks = 0; window.model.get = () => { window.ticks += 1; return {} }"
    header.page.evaluate(f"() => {{ {calls} }}")
    header.page.clock.run_for(5000)
    assert header.page.evaluate("window.ticks") == 0
