"""What hostile code in a sandbox may emit as output, as a table of cells; its widgets are in `attacks_widgets`.

Each attack calls ``canary(name)`` as JavaScript, or asks the Jupyter server for a path that holds ``canary-<name>``.
`fires` says whether it does so under a kernel that lets everything through: that proves that the attack is real.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ATTACKS", "PRELUDE", "Attack"]

#: Runs before the attacks, in the sandbox.
PRELUDE = r"""
import base64, html, json
import ipywidgets as W, traitlets as T, anywidget
from comm import create_comm
from IPython import get_ipython
from IPython.display import HTML, SVG, Javascript, Latex, Markdown, display

SERVER = %(server)r

def js(name):
    return f"(top.pwned=top.pwned||[]).push('{name}')"

def url(name):
    return f"{SERVER}canary-{name}"

def img(name):
    return f'<img src=x onerror="{js(name)}">'

def link(name):
    return rf"$\href{{javascript:{js(name)}}}{{click}}$"

def emit(mime, value, **metadata):
    display({mime: value, "text/plain": "instead"}, raw=True, metadata=metadata)

def svg(inner, head=""):
    emit("image/svg+xml", f'{head}<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{inner}</svg>')

def update(widget, state, **more):
    widget.comm.send({"method": "update", "state": state, "buffer_paths": [], **more})
"""


@dataclass(frozen=True)
class Attack:
    """One attack: `code` emits it, under a `name` of its own."""

    name: str
    code: str
    fires: bool = True


def _html(name: str, markup: str, fires: bool = True) -> Attack:
    return Attack(name, f"emit('text/html', f'''{markup}'''.replace('JS', js('{name}')))", fires)


_HTML = (
    _html("script", "<script>JS</script>"),
    _html("img-onerror", '<img src=x onerror="JS">'),
    _html("svg-onload", '<svg onload="JS"></svg>'),
    _html("details-ontoggle", '<details open ontoggle="JS">x</details>'),
    _html("autofocus", '<input autofocus onfocus="JS">', fires=False),
    _html("video-onerror", '<video><source onerror="JS"></video>'),
    _html("style-onload", '<style onload="JS">.a{{}}</style>'),
    _html("animation", '<style>@keyframes x{{}}</style><b style="animation:x 1s" onanimationstart="JS">x</b>'),
    _html("svg-animate", '<svg><animate onbegin="JS" attributeName="x" dur="1s"/></svg>'),
    _html("a-javascript", '<a href="javascript:JS">click</a>'),
    _html("a-entities", '<a href="java&Tab;script&colon;JS">click</a>', fires=False),
    _html("svg-a", '<svg><a href="javascript:JS"><text y="9">click</text></a></svg>'),
    _html("iframe-javascript", '<iframe src="javascript:JS"></iframe>'),
    _html("iframe-srcdoc", '<iframe srcdoc="<script>JS</script>"></iframe>'),
    _html(
        "iframe-same-origin", '<iframe sandbox="allow-scripts allow-same-origin" srcdoc="<script>JS</script>"></iframe>'
    ),
    _html("object", '<object data="javascript:JS"></object><embed src="javascript:JS">', fires=False),
    _html("form", '<form action="javascript:JS"><button>x</button></form>', fires=False),
    _html("noscript", '<noscript><p title="</noscript><img src=x onerror=JS>"></noscript>'),
    _html("style-mutation", '<svg><style><img src=x onerror="JS"></style></svg>'),
    _html("title-mutation", '<svg><title><img src=x onerror="JS"></title></svg>'),
    _html(
        "math-mutation",
        '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=JS&gt;">',
        fires=False,
    ),
    _html(
        "math-mutation-2", '<form><math><mtext></form><form><mglyph><style></math><img src onerror="JS">', fires=False
    ),
    _html("nested", "<div>" * 600 + '<img src=x onerror="JS">'),
    _html("mathjax-in-html", r"<p>$\\href{{javascript:JS}}{{click}}$</p>", fires=False),
    _html("mathjax-entity", r"<p>$&#92;href{{javascript:JS}}{{click}}$</p>", fires=False),
    _html("mathjax-wbr", r"<p>$\\hr<wbr>ef{{javascript:JS}}{{click}}$</p>", fires=False),
    _html("mathjax-token", r"<p>$\\mmlToken{{mi}}[href=\"javascript:JS\"]{{click}}$</p>", fires=False),
    _html("mathjax-let", r"<p>$\\let\\q\\href\\q{{javascript:JS}}{{click}}$</p>", fires=False),
    _html("image-of-server", '<img src="{url("image-of-server")}">'),
    _html("image-relative", '<img src="/canary-image-relative">'),
    _html("image-srcset", '<img srcset="/canary-image-srcset 1x">'),
    _html("css-url", '<div style="background:url(/canary-css-url)">x</div>'),
    _html("css-sheet-url", '<style>.q{{background:url(/canary-css-sheet-url)}}</style><div class="q">x</div>'),
    _html(
        "command-link",
        '<a href="#" data-commandlinker-command="notebook:create-new" data-commandlinker-args="{{}}">x</a>',
        fires=False,
    ),
    _html("video-of-server", '<video src="/canary-video-of-server" poster="/canary-video-of-server"></video>'),
)

_MIME = (
    Attack("javascript", "emit('application/javascript', js('javascript'))"),
    Attack("javascript-case", "emit('Application/JavaScript', js('javascript-case'))", False),
    Attack("svg-script", "svg(f'<script>{js(\"svg-script\")}</script>')", False),
    Attack("svg-handler", 'svg(f\'<rect width="5" height="5" onload="{js("svg-handler")}"/>\')', False),
    Attack(
        "svg-foreign",
        "svg('<foreignObject><body xmlns=\"http://www.w3.org/1999/xhtml\">' + img('svg-foreign').replace('\">', '\"/>') + '</body></foreignObject>')",
        False,
    ),
    Attack("svg-upper", "svg('<p/><IFRAME srcdoc=\"&lt;script>' + js('svg-upper') + '&lt;/script>\"/>')", False),
    Attack("svg-instruction", "svg('<?x >' + img('svg-instruction') + '?>')", False),
    Attack("svg-doctype", "svg('', '<!DOCTYPE svg [<!NOTATION n SYSTEM \\'>' + img('svg-doctype') + '\\'>]>')", False),
    Attack(
        "svg-set",
        'svg(\'<a href="#"><set attributeName="href" to="javascript:\' + js(\'svg-set\') + \'"/><text y="9">x</text></a>\')',
        False,
    ),
    Attack("svg-loads", 'svg(\'<image href="/canary-svg-loads" width="5" height="5"/>\')', False),
    Attack("latex-href", "emit('text/latex', link('latex-href'))", fires=False),
    Attack(
        "latex-token",
        r"""emit('text/latex', rf'$\mmlToken{{mi}}[href="javascript:{js("latex-token")}"]{{click}}$')""",
        fires=False,
    ),
    Attack(
        "latex-unicode",
        r"""emit('text/latex', rf'$\unicode[serif;background:url({url("latex-unicode")})]{{65}}$')""",
    ),
    Attack("latex-html", "emit('text/latex', img('latex-html'))", False),
    Attack("markdown-html", "emit('text/markdown', 'x ' + img('markdown-html'))"),
    Attack(
        "markdown-block",
        "emit('text/markdown', '<details open ontoggle=\"' + js('markdown-block') + '\">\\n\\nx\\n</details>')",
    ),
    Attack("markdown-link", "emit('text/markdown', f'[click](<javascript:{js(\"markdown-link\")}>)')"),
    Attack("markdown-entity", "emit('text/markdown', f'[click](<java&#115;cript:{js(\"markdown-entity\")}>)')"),
    Attack(
        "markdown-reference", "emit('text/markdown', f'[click][r]\\n\\n[r]: <javascript:{js(\"markdown-reference\")}>')"
    ),
    Attack("markdown-math", "emit('text/markdown', link('markdown-math'))", fires=False),
    Attack(
        "markdown-token",
        r"""emit('text/markdown', rf'$\mmlToken{{mi}}[href="JavaScript:{js("markdown-token")}"]{{click}}$')""",
        fires=False,
    ),
    Attack(
        "markdown-entity-token",
        r"""emit('text/markdown', rf'$\mmlToken{{mi}}[href="java\kern0em script:{js("markdown-entity-token")}"]{{click}}$')""",
        False,
    ),
    Attack("markdown-image", "emit('text/markdown', f'![x]({url(\"markdown-image\")})')"),
    Attack("markdown-image-reference", "emit('text/markdown', f'![x]\\n\\n[x]: {url(\"markdown-image-reference\")}')"),
    Attack(
        "markdown-mermaid",
        "emit('text/markdown', '```mermaid\\n%%{init: {\"securityLevel\": \"loose\", \"htmlLabels\": true}}%%\\nflowchart LR\\n A[\"' + img('markdown-mermaid').replace('\"', '&quot;') + '\"]\\n click A href \"javascript:1\"\\n```')",
        False,
    ),
    Attack(
        "mermaid",
        "emit('text/vnd.mermaid', 'sequenceDiagram\\n participant A as $$\\\\text{' + img('mermaid') + '}$$\\n A->>A: hi')",
        False,
    ),
    Attack(
        "vega-data",
        "emit('application/vnd.vega.v5+json', {'$schema': 'https://vega.github.io/schema/vega/v5.json', 'width': 9, 'height': 9, 'data': [{'name': 'd', 'url': url('vega-data')}], 'marks': [{'type': 'image', 'from': {'data': 'd'}}]})",
    ),
    Attack(
        "vega-lite-data",
        "emit('application/vnd.vegalite.v5+json', {'data': {'url': url('vega-lite-data')}, 'mark': 'bar', 'encoding': {}})",
    ),
    Attack(
        "vega-lite-4-data",
        "emit('application/vnd.vegalite.v4+json', {'data': {'url': url('vega-lite-4-data')}, 'mark': 'bar', 'encoding': {}})",
        False,
    ),
    Attack(
        "plotly",
        "emit('application/vnd.plotly.v1+json', {'data': [{'x': [1], 'y': [1], 'text': ['<a href=\"javascript:' + js('plotly') + '\">click</a>' + img('plotly')], 'mode': 'text'}], 'layout': {'title': {'text': img('plotly')}}})",
        False,
    ),
    Attack("json", "emit('application/json', {img('json'): img('json'), '__proto__': {'pwned': ['json']}})", False),
    Attack(
        "stderr-mime",
        "emit('application/vnd.jupyter.stderr', img('stderr-mime') + chr(27) + '[31m' + img('stderr-mime'))",
        False,
    ),
    Attack(
        "error-mime",
        "emit('application/vnd.jupyter.error', {'ename': img('error-mime'), 'evalue': img('error-mime'), 'traceback': [img('error-mime')]})",
        False,
    ),
    Attack(
        "widget-view",
        "emit('application/vnd.jupyter.widget-view+json', {'model_id': img('widget-view'), 'version_major': 2, 'version_minor': 0})",
        False,
    ),
    Attack(
        "metadata",
        "display({'image/png': 'AAAA\" onerror=\"' + js('metadata'), 'text/html': img('metadata'), 'text/plain': 'x'}, raw=True, metadata={'isolated': True, 'trusted': True, 'text/html': {'isolated': True, 'trusted': True}, 'image/png': {'width': '1 onerror=' + js('metadata')}})",
    ),
    Attack("update-display", "h = display(HTML('before'), display_id=True); h.update(HTML(img('update-display')))"),
    Attack(
        "stream",
        "print(img('stream'), chr(27) + ']8;;javascript:' + js('stream') + chr(7) + 'click' + chr(27) + ']8;;' + chr(7), chr(27) + '[31m' + img('stream'), 'www.\"onclick=' + js('stream'), 'http://x/\"onmouseover=' + js('stream'))",
        False,
    ),
    Attack(
        "payload",
        "get_ipython().payload_manager.write_payload({'source': 'page', 'data': {'text/html': img('payload')}, 'start': 0})",
        False,
    ),
    Attack("progress", "progress(img('progress') + link('progress'), 40)", False),
    Attack("result", "result({img('result'): [img('result') + link('result')]})", False),
    Attack("alert", "error(img('alert') + link('alert'))", False),
)

ATTACKS = (*_HTML, *_MIME)
