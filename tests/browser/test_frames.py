"""Frames in a real browser: a document in one reaches no server by any way, unless its sandbox has the network."""

from __future__ import annotations

import html
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from hopx_kernel.trust.frames import frame

pytestmark = pytest.mark.browser


class Canaries:
    """Servers on this computer that note what reaches them: by HTTP, by a bare connection, by a datagram."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        canaries = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                canaries.seen.add(self.path.partition("?")[0].removeprefix("/"))
                self.send_response(200)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(b"document.title = 'loaded'" if self.path.endswith(".js") else b"")

            do_POST = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._tcp, self._udp = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        self.connection = f"127.0.0.1:{self._tcp.getsockname()[1]}"
        self.datagram = f"127.0.0.1:{self._udp.getsockname()[1]}"
        for target in (self._http.serve_forever, self._accept, self._receive):
            threading.Thread(target=target, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                self._tcp.accept()[0].close()
                self.seen.add("a connection")
        except OSError:
            return

    def _receive(self) -> None:
        try:
            while self._udp.recvfrom(2000):
                self.seen.add("a datagram")
        except OSError:
            return

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        for each in (self._tcp, self._udp):
            each.shutdown(socket.SHUT_RDWR) if each is self._tcp else None
            each.close()


@pytest.fixture
def canaries() -> Iterator[Canaries]:
    canaries = Canaries()
    yield canaries
    canaries.close()


def _connect(canaries: Canaries) -> str:
    return (
        f"(async () => {{ const p = new RTCPeerConnection({{iceServers: [{{urls: 'stun:{canaries.datagram}'}}]}});"
        "p.createDataChannel('x'); await p.setLocalDescription(await p.createOffer()); })()"
    )


def _loading(at: str, bare: str) -> str:
    """Markup that loads by each element and each rule that can."""
    return f"""
      <img src={at}/img><img srcset="{at}/srcset 1x"><picture><source srcset={at}/source><img></picture>
      <script src={at}/script.js></script><script type=module src={at}/module.js></script>
      <link rel=stylesheet href={at}/css><link rel=icon href={at}/icon><link rel=manifest href={at}/manifest>
      <link rel=prefetch href={at}/prefetch><link rel=preload as=image href={at}/preload>
      <link rel=modulepreload href={at}/modulepreload><link rel=prerender href={at}/prerender>
      <link rel=preconnect href=http://{bare}><link rel=dns-prefetch href=http://{bare}>
      <iframe src={at}/iframe></iframe><object data={at}/object></object><embed src={at}/embed>
      <video poster={at}/poster src={at}/video></video><audio src={at}/audio></audio><track src={at}/track>
      <svg><image href={at}/svg-image /><use href="{at}/svg-use#a" /></svg><input type=image src={at}/input>
      <style>@import "{at}/css-import"; @font-face {{font-family: f; src: url({at}/font)}}
        body {{background: url({at}/css-url); font-family: f}} i::before {{content: url({at}/content)}}</style><i>x</i>
      <table background={at}/background><tr><td>x</table>
      <script type=speculationrules>{{"prefetch": [{{"urls": ["{at}/rule"]}}], "prerender": [{{"urls": ["{at}/rule2"]}}]}}</script>
      <meta http-equiv="Link" content="<{at}/meta-link>; rel=preload; as=image">"""


def _scripted(at: str, bare: str) -> str:
    """A script that tries each way that scripts have."""
    return f"""<body><a id=ping href="#x" ping={at}/ping>x</a><form id=far action={at}/form-top target=_top></form><a id=top2 target=_top href={at}/a-top>x</a>
      <a id=self href={at}/a-self>x</a><a id=load href={at}/download download>x</a><script>
      const tries = [
        () => fetch("{at}/fetch", {{mode: "no-cors"}}).catch(() => 0), () => navigator.sendBeacon("{at}/beacon", "x"),
        () => new WebSocket("ws://{bare}/socket"), () => new EventSource("{at}/events"), () => fetchLater("{at}/later"),
        () => {{ const x = new XMLHttpRequest(); x.open("GET", "{at}/xhr"); x.send(); }},
        () => {{ new Image().src = "{at}/image"; }}, () => import("{at}/import.js").catch(() => 0),
        () => new WebTransport("https://{bare}/"), () => new WebSocketStream("ws://{bare}/stream"), () => open("{at}/open"),
        () => new Worker(URL.createObjectURL(new Blob([`fetch("{at}/worker", {{mode: "no-cors"}}).catch(() => 0);
          try {{ importScripts("{at}/import-scripts.js") }} catch {{}} new WebSocket("ws://{bare}/w")`]))),
        () => new Worker("{at}/far-worker.js"), () => new SharedWorker("{at}/shared.js"),
        () => navigator.serviceWorker.register("{at}/service.js"), () => new FontFace("f", "url({at}/face)").load().catch(() => 0),
        () => document.fonts.add(new FontFace("g", "url({at}/face2)")), () => far.submit(),
        () => ping.click(), () => top2.click(), () => load.click(),
        () => {{ window.top.location = "{at}/top"; }}, () => {{ parent.location = "{at}/parent"; }},
        () => document.body.insertAdjacentHTML("beforeend", "<img src={at}/late>"),
        () => {{ const l = document.createElement("link"); l.rel = "preconnect"; l.href = "http://{bare}"; document.head.append(l); }},
        () => CSS.paintWorklet.addModule("{at}/paint.js").catch(() => 0),
        () => new Audio("{at}/sound").play().catch(() => 0),
        () => new Notification("x", {{icon: "{at}/notification"}}), () => history.pushState(0, "", "{at}/push"),
      ];
      for (const attempt of tries) try {{ attempt(); }} catch {{}}
      </script>"""


def _leaving(at: str) -> dict[str, str]:
    """Documents that lead themselves, or what they hold, to somewhere else."""
    return {
        "location": f"<script>location = '{at}/location'</script>",
        "location replaced": f"<script>location.replace('{at}/replace')</script>",
        "link of its own": f"<a id=a href='{at}/own'>x</a><script>a.click()</script>",
        "events": f"<script>new EventSource('{at}/events')</script>",
        "worker": f"<script>new Worker(URL.createObjectURL(new Blob([`fetch('{at}/worker', {{mode: 'no-cors'}})`])))</script>",
        "posted form": f"<form id=f action='{at}/form' method=post></form><script>f.submit()</script>",
        "form of its own": f"<form id=f action='{at}/get'></form><script>f.submit()</script>",
        "refresh": f"<meta http-equiv=refresh content='0;url={at}/refresh'>",
        "data location": f"<script>location = 'data:text/html,<img src={at}/data-location>'</script>",
        "blob location": f"<script>location = URL.createObjectURL(new Blob(['<img src={at}/blob>'], {{type: 'text/html'}}))</script>",
        "frames": f"<iframe srcdoc='<img src={at}/srcdoc-img><script>location=&quot;{at}/srcdoc-location&quot;</script>'></iframe>"
        f"<iframe src='data:text/html,<img src={at}/data-frame>'></iframe>"
        f"<script>const f = document.createElement('iframe'); document.documentElement.append(f); f.src = '{at}/late-frame'</script>",
    }


def _connecting(rtc: str) -> dict[str, str]:
    """Documents that hide a peer's connection from the script which guards them."""
    quoted = html.escape(f"<script>{rtc}</script>")
    literal = json.dumps(f"<script>{rtc}</script>").replace("</", "<\\/")
    nested = f"'<iframe srcdoc=\"' + {literal}.replace(/\"/g, '&quot;') + '\"></iframe>'"
    js_url = html.escape("javascript:" + rtc)
    return {
        "rtc": f"<script>{rtc}</script>",
        "rtc in a document": f'<iframe srcdoc="{quoted}"></iframe>',
        "rtc in a document of a document": f'<iframe srcdoc="{html.escape(f"<iframe srcdoc={chr(34)}{quoted}{chr(34)}></iframe>")}"></iframe>',
        "rtc in a document made": f"<body><script>const f = document.createElement('iframe'); f.srcdoc = {literal}; document.body.append(f)</script>",
        "rtc in markup made": f"<body><script>document.body.innerHTML = {nested}</script>",
        "rtc in a document written": f"<body><script>document.open(); document.write({nested}); document.close()</script>",
        "rtc in a document later": f"<iframe id=f srcdoc=x></iframe><script>f.onload = () => {{ f.onload = null; f.setAttribute('srcdoc', {literal}) }}</script>",
        "rtc in an empty document": f"<body><iframe id=f></iframe><script>new f.contentWindow.RTCPeerConnection(); {rtc}</script>",
        "rtc in a shadow": f"<body><div id=d></div><script>const f = document.createElement('iframe'); f.srcdoc = {literal}; d.attachShadow({{mode: 'closed'}}).append(f)</script>",
        "rtc in a declared shadow": f'<div><template ShadowRootMode=closed><iframe srcdoc="{quoted}"></iframe></template></div>',
        "rtc in a shadow written": f"<body><script>document.write('<div><template shadowroot'); document.write('mode=open>' + {nested} + '</template></div>')</script>",
        "rtc by addresses": f'<iframe src="{js_url}"></iframe><iframe name=q></iframe><a id=a target=q href="{js_url}">x</a><script>a.click()</script>',
        "rtc by an address later": f"<body><script>const f = document.createElement('iframe'); document.body.append(f); f.src = {json.dumps('javascript:' + rtc)}</script>",
        "rtc behind replaced methods": f"""<body><script>
          RegExp.prototype.test = RegExp.prototype.exec = String.prototype.startsWith = () => true;
          for (const name of ["length", "item"]) Object.defineProperty(NodeList.prototype, name, {{get: () => 0}});
          MutationObserver.prototype.observe = Element.prototype.getAttribute = Array.prototype[Symbol.iterator] = () => null;
          Document.prototype.querySelectorAll = () => []; Reflect.apply = Function.prototype.call = () => null;
          const d = document.createElement("div"), f = document.createElement("iframe"); document.body.append(d);
          f.srcdoc = {literal}; d.attachShadow({{mode: "closed"}}).append(f);
          const g = document.createElement("iframe"); g.srcdoc = {literal}; document.body.append(g)</script>""",
    }


def _attempts(canaries: Canaries) -> dict[str, str]:
    """Documents, each of which tries to reach a canary by its own way."""
    at, bare = canaries.address, canaries.connection
    return {
        "loads": _loading(at, bare),
        "scripts": _scripted(at, bare),
        **_leaving(at),
        **_connecting(_connect(canaries)),
    }


def _show(page: Page, canaries: Canaries, documents: dict[str, str], network: bool) -> None:
    """Show documents in frames of one page, and wait until each has had its time to act."""
    page.goto(f"{canaries.address}/page")
    canaries.seen.clear()
    for name, document in documents.items():
        page.evaluate(
            "markup => document.body.insertAdjacentHTML('beforeend', markup)",
            frame(f"<!--{name}-->{document}", 100, network).replace('loading="lazy"', ""),
        )
    page.wait_for_load_state("networkidle")
    # What takes its time: a peer's candidates, a navigation, a prefetch. Nothing tells of what does not happen.
    page.wait_for_timeout(4000)


def test_document_in_a_frame_reaches_nobody(chromium: Browser, canaries: Canaries) -> None:
    page = chromium.new_page()
    _show(page, canaries, _attempts(canaries), network=False)
    assert canaries.seen - {"favicon.ico"} == set()
    assert page.url == f"{canaries.address}/page"
    page.close()


def test_attempts_are_real_without_a_policy(chromium: Browser, canaries: Canaries) -> None:
    page = chromium.new_page()
    page.goto(f"{canaries.address}/page")
    canaries.seen.clear()
    wanted = (
        "img script.js css iframe video css-url fetch beacon events xhr image location refresh form srcdoc-img worker"
    )
    missing, deadline = {*wanted.split(), "a datagram", "a connection"}, time.monotonic() + 60
    # All at once are more connections than a browser makes to one server: what did not get through tries again.
    while (missing := missing - canaries.seen) and time.monotonic() < deadline:
        for document in _attempts(canaries).values():
            page.evaluate(
                "document_ => { const f = document.createElement('iframe');"
                "f.sandbox = 'allow-scripts allow-popups allow-forms'; f.srcdoc = document_; document.body.append(f) }",
                document,
            )
        page.wait_for_timeout(3000)
        page.evaluate("document.body.replaceChildren()")
    page.close()
    assert missing == set()


def test_frame_of_a_sandbox_with_the_network_loads_what_is_there(chromium: Browser, canaries: Canaries) -> None:
    page = chromium.new_page()
    _show(page, canaries, _attempts(canaries), network=True)
    wanted = {"img", "script.js", "css", "poster", "font", "image", "import.js"}
    deadline = time.monotonic() + 60
    while not wanted <= canaries.seen and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    page.close()
    assert wanted <= canaries.seen
    assert not canaries.seen & {
        "location",
        "refresh",
        "own",
        "form",
        "form-top",
        "top",
        "iframe",
        "beacon",
        "a datagram",
        "object",
    }


def _inner(page: Page) -> Frame:
    return page.frames[-1]


def test_scripts_of_charts_run_in_a_frame(chromium: Browser) -> None:
    plotly = pytest.importorskip("plotly.graph_objects")
    chart = plotly.Figure(plotly.Bar(y=[2, 1, 3])).to_html(include_plotlyjs=True, full_html=False)
    page = chromium.new_page()
    page.set_content(f"<!doctype html><body>{frame(chart, 400).replace('loading=', 'data-x=')}")
    page.wait_for_function("frames.length > 0")
    _inner(page).wait_for_selector(".bars .point", state="attached", timeout=60_000)
    page.close()


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="https://nowhere.invalid/a.png">',
        '<iframe src="https://nowhere.invalid/a.png"></iframe>',
        '<link rel="stylesheet" href="https://nowhere.invalid/a.png">',
        "<script>fetch('https://nowhere.invalid/a.png').catch(() => 0)</script>",
    ],
)
def test_frame_says_what_it_did_not_load(chromium: Browser, markup: str) -> None:
    page = chromium.new_page()
    page.set_content(f"<!doctype html><body>{frame(markup).replace('loading=', 'data-x=')}")
    document = page.frame_locator("iframe").frame_locator("iframe").locator("html")
    expect(document).to_contain_text(re.compile(r"\[Not loaded: https://nowhere\.invalid.*network \(option network;"))
    page.close()


_MISSING = "<p>below</p><img src='https://nowhere.invalid/a.png'>"


@pytest.mark.parametrize(
    ("markup", "is_nested"),
    [
        (f'<iframe srcdoc="{_MISSING}"></iframe>', True),
        (f'<body onload="document.open(); document.write(`{_MISSING}`); document.close()">', False),
    ],
)
def test_documents_in_a_frame_and_in_place_of_it_say_it_too(chromium: Browser, markup: str, is_nested: bool) -> None:
    page = chromium.new_page()
    page.set_content(f"<!doctype html><body>{frame(markup).replace('loading=', 'data-x=')}")
    document = page.frame_locator("iframe").frame_locator("iframe")
    shown = (document.frame_locator("iframe") if is_nested else document).locator("html")
    expect(shown).to_contain_text("below")
    expect(shown).to_contain_text("[Not loaded: https://nowhere.invalid/a.png. The sandbox has no network")
    page.close()


def test_frame_counts_what_it_did_not_load(chromium: Browser) -> None:
    page = chromium.new_page()
    pictures = "".join(f'<img src="https://nowhere.invalid/{number}.png">' for number in range(3))
    page.set_content(f"<!doctype html><body>{frame(pictures + pictures).replace('loading=', 'data-x=')}")
    document = page.frame_locator("iframe").frame_locator("iframe").locator("html")
    expect(document).to_contain_text("and 2 more. The sandbox has no network")
    page.close()


@pytest.mark.parametrize("network", [False, True])
def test_frame_that_misses_nothing_says_nothing(chromium: Browser, network: bool) -> None:
    picture = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    markup = f"<p id=p>shown</p><img src='{picture}' onload=\"p.textContent='loaded'\"><object data='https://x.invalid'></object>"
    page = chromium.new_page()
    page.set_content(f"<!doctype html><body>{frame(markup, network=network).replace('loading=', 'data-x=')}")
    document = page.frame_locator("iframe").frame_locator("iframe").locator("html")
    expect(document).to_contain_text("loaded")
    assert "Not loaded" not in document.inner_text()
    page.close()


def test_documents_in_a_document_are_shown_and_kept_to_standards(chromium: Browser) -> None:
    page = chromium.new_page()
    inner = html.escape(
        "<!doctype html><p id=x>nested</p><script>x.textContent += document.compatMode + typeof RTCPeerConnection</script>"
    )
    page.set_content(
        f"<!doctype html><body>{frame(f'<iframe srcdoc={chr(34)}{inner}{chr(34)}></iframe>').replace('loading=', 'data-x=')}"
    )
    for _ in range(2):
        page.wait_for_function("frames.length > 0")
    page.frame_locator("iframe").frame_locator("iframe").frame_locator("iframe").get_by_text(
        "nestedCSS1Compatundefined"
    ).wait_for()
    page.close()


def test_what_is_written_into_a_document_is_all_there(chromium: Browser) -> None:
    page = chromium.new_page()
    written = "<body><script>for (const part of ['a < b ', '<b>x', '</b', '> y', '<i', '>z</i>', ' 1<2'])document.write(part)</script>"
    page.set_content(f"<!doctype html><body>{frame(written).replace('loading=', 'data-x=')}")
    body = page.frame_locator("iframe").frame_locator("iframe").locator("body")
    body.get_by_text("a < b x yz 1<2").wait_for()
    page.close()
