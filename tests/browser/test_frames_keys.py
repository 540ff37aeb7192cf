"""Who gets the keys that a person presses beside a frame, and in it: nobody in it, before they have clicked there."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from hopx_kernel.trust.frames import frame

pytestmark = pytest.mark.browser

_SPY = (
    "var n = []; for (const kind of ['keydown', 'keypress', 'keyup', 'beforeinput', 'input']) for (const t of [window, document])"
    "t.addEventListener(kind, e => { n.push(e.key || e.data); p.textContent = n.join(''); }, true);"
)
_BODY = f"""<input id=i><label id=l for=i>label</label><form id=g><input required><button id=b>x</button></form>
  <div id=c contenteditable>e</div><div id=o popover><input autofocus></div><p id=p>nothing</p><script>{_SPY}</script>"""
_WRITTEN = (
    f"<input id=i><p id=p>nothing</p><p>written</p><script>{_SPY} setInterval(() => {{ i.focus(); }}, 100)<\\/script>"
)

#: What a script does again and again to have the keys.
_WAYS = {
    "focus": "i.focus()",
    "focus of another kind of element": "SVGElement.prototype.focus.call(i)",
    "window": "window.focus()",
    "select": "i.select()",
    "label": "l.click()",
    "event": "l.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))",
    "validity": "i.required = true; i.reportValidity(); g.reportValidity()",
    "submit": "g.requestSubmit()",
    "button": "b.click()",
    "dialog": "if (!window.d) { window.d = document.createElement('dialog'); d.innerHTML = '<input autofocus>';"
    "document.body.append(d); } d.close(); d.showModal()",
    "popover": "o.showPopover()",
    "selection": "getSelection().setBaseAndExtent(c, 0, c, 0)",
    "written": f"if (!window.done) {{ window.done = 1; document.write(`{_WRITTEN}`); }}",
    "opened": f"if (!window.done) {{ window.done = 1; document.open(); document.write(`{_WRITTEN}`); document.close(); }}",
}


def _show(chromium: Browser, way: str) -> Page:
    page = chromium.new_page()
    script = f"<script>window.rounds = 0; setInterval(() => {{ window.rounds += 1; try {{ {way} }} catch {{}} }}, 100)</script>"
    shown = frame(_BODY + script, 100).replace('loading="lazy"', "")
    page.set_content(f"<!doctype html><textarea id=mine></textarea>{shown}")
    return page


@pytest.mark.parametrize("name", _WAYS)
def test_keys_go_where_the_person_has_clicked(chromium: Browser, name: str) -> None:
    page = _show(chromium, _WAYS[name])
    document = page.frame_locator("iframe").frame_locator("iframe")
    document.locator("#p", has_text="nothing").wait_for()
    inner = page.frames[-1]
    if name in ("written", "opened"):
        document.get_by_text("written").wait_for()
    page.locator("#mine").click()
    rounds = inner.evaluate("window.rounds")
    inner.wait_for_function("before => window.rounds > before + 5", arg=rounds)
    page.keyboard.type("secret")
    assert page.locator("#mine").input_value() == "secret"
    assert inner.evaluate("p.textContent + '|' + i.value") == "nothing|"
    page.close()


def test_frame_takes_the_keys_after_a_click(chromium: Browser) -> None:
    page = _show(chromium, "")
    document = page.frame_locator("iframe").frame_locator("iframe")
    document.locator("#i").click()
    page.keyboard.type("mine")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("!")
    assert document.locator("#i").input_value().replace("mine", "") == "!"
    assert "m" in (document.locator("#p").text_content() or "")
    page.locator("#mine").click()
    page.keyboard.type("and here")
    assert page.locator("#mine").input_value() == "and here" and " " not in document.locator("#i").input_value()
    page.close()
