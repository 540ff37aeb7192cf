"""What a designer measures on a page: where things stand, and whether their texts can be read."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Locator

__all__ = ["box", "columns", "faint_texts", "measure", "overflowing"]

#: Texts whose contrast with what is behind them is below a bound, each with its contrast. Signs (one character that is
#: neither letter nor digit) need three to one, as everything that is no text; letters four and a half.
#: What pulses and JupyterLab's own tree of JSON are left out.
_FAINT = """
(root) => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const parse = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent.trim(), element = node.parentElement, style = getComputedStyle(element);
    if (!text || parseFloat(style.fontSize) === 0 || element.closest("style, script, summary ~ *, .jp-RenderedJSON")) continue;
    if (element.getAnimations().length) continue;
    if (!element.getClientRects().length || style.visibility === "hidden") continue;
    const chain = [];
    for (let each = element; each; each = each.parentElement) chain.push(getComputedStyle(each));
    const ground = chain.reverse().reduce((below, one) => over(parse(one.backgroundColor), below), [255, 255, 255]);
    const opacity = chain.reduce((product, one) => product * parseFloat(one.opacity), 1);
    const ink = parse(style.color);
    const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * opacity], ground)), light(ground)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    const isSign = [...text].length === 1 && !/[\\p{L}\\p{N}]/u.test(text) && text !== "·";
    if (contrast < (isSign ? 3 : 4.5)) faint.push([text.slice(0, 40), Math.round(contrast * 100) / 100]);
  }
  return faint;
}
"""

_OVERFLOWING = """
(root) => [...root.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  return element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && style.display !== "inline"
    && !(style.textOverflow === "ellipsis" && (element.title || element.querySelector("[title]")));
}).map((element) => `${element.className} ${element.textContent.slice(0, 40)}`)
"""

_COLUMNS = """
([root, rows]) => {
  const result = {};
  for (const [label, bar, detail] of rows(root)) {
    const [a, b, c] = [label, bar, detail].map((element) => element.getBoundingClientRect());
    const name = label.textContent.replace(/^\\S+\\s/u, "").trim();
    if (b.width) result[name] = [a.left, b.left, b.right, c.left, b.top - a.top].map(Math.round);
  }
  return result;
}
"""
_LIVE_ROWS = """
(root) => {
  const cells = [...root.querySelector(".widget-gridbox").children];
  return cells.filter((_, i) => i % 3 === 0).map((label, i) => [label, ...[cells[3 * i + 1].querySelector(".progress"), cells[3 * i + 2]]]);
}
"""
_RECORD_ROWS = """
(root) => [...root.querySelectorAll("tr")].filter((row) => row.children.length === 3)
  .map((row) => [row.children[0], row.children[1].firstElementChild, row.children[2]])
"""


def measure(root: Locator, script: str) -> Any:
    """What a function of the element gives while the element is in the page.

    JupyterLab renders an output twice in succession: an element that was found may be out of the page before it is
    looked at, where it has neither size nor colour.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = root.evaluate(f"(root) => root.isConnected ? [({script.strip()})(root)] : []")
        if found:
            return found[0]
    raise TimeoutError(f"{root} did not stay in the page")


def box(root: Locator) -> dict[str, float]:
    """Where an element stands: ``left``, ``right``, ``top``, ``bottom``, ``width`` and ``height`` in pixels."""
    found: dict[str, float] = measure(root, "(root) => root.getBoundingClientRect().toJSON()")
    return found


def faint_texts(root: Locator) -> list[list[Any]]:
    """Texts that WCAG's level AA calls too faint, with their contrasts."""
    found: list[list[Any]] = measure(root, _FAINT)
    return found


def overflowing(root: Locator) -> list[str]:
    """Elements whose content is wider than they are and that do not say so by a tooltip."""
    found: list[str] = measure(root, _OVERFLOWING)
    return found


def columns(root: Locator, *, live: bool) -> dict[str, list[int]]:
    """By task: where message, bar (left and right end) and numbers stand, and how far the bar is below the message."""
    rows = _LIVE_ROWS if live else _RECORD_ROWS
    found: dict[str, list[int]] = measure(root, f"(root) => ({_COLUMNS.strip()})([root, {rows.strip()}])")
    return found
