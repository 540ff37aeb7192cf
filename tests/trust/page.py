"""Policies, and what markup that has passed one would do to the page that holds it."""

from __future__ import annotations

from html.parser import HTMLParser

from hopx_kernel.trust import TrustPolicy

SAFE, TRUSTED = TrustPolicy(), TrustPolicy(trusted=True)

EVIL = "<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """What markup would do to the page that holds it; the content of frames is an attribute and not seen."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.acts: list[str] = []
        self.frames = 0
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "iframe":
            self.frames += 1
            if given.get("sandbox") != "allow-scripts" or "src" in given:
                self.acts.append("a frame that can reach the page")
            return
        if tag in ("script", "object", "embed", "form", "meta", "base", "link", "svg", "math", "input", "button"):
            self.acts.append(tag)
        for name, value in attrs:
            text = "".join((value or "").split()).lower()
            if name.startswith(("on", "data-")) or name in ("srcdoc", "formaction", "xlink:href"):
                self.acts.append(name)
            if text.startswith(("javascript:", "vbscript:")) or (name == "href" and text.startswith("data:")):
                self.acts.append(f"{name}={text[:20]}")
            if name == "style" and ("position" in text or "url(" in text):
                self.acts.append(text)
