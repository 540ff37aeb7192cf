"""What hostile code in a sandbox may send to the page as comm messages, without asking ipywidgets."""

from __future__ import annotations

from .attacks import Attack

__all__ = ["COMM_ATTACKS", "COMM_PRELUDE"]

#: Runs after the prelude of all attacks.
COMM_PRELUDE = r"""
CONTROLS = "@jupyter-widgets/controls"

def named(name, view=..., module=CONTROLS, **state):
    view = f"{name}View" if view is ... else view
    names = {"_model_name": f"{name}Model", "_view_name": view, "_model_module": module, "_view_module": module}
    versions = dict.fromkeys(("_model_module_version", "_view_module_version"), "2.0.0" if module == CONTROLS else "*")
    return {**names, **versions, **state}

def show(comm_id):
    view = {"model_id": comm_id, "version_major": 2, "version_minor": 0}
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": "instead"}, raw=True)

def raw(data, buffers=(), target="jupyter.widget", **names):
    comm = create_comm(target_name=target, data=data, metadata={"version": "2.1.0"}, buffers=list(buffers), **names)
    show(comm.comm_id)
    return comm

def html(name):
    return named("HTML", value=img(name), layout=None, style=None, description="")

def esm(name):
    return "export default {render() {" + js(name) + "}}"

def output(name):
    what = {"output_type": "display_data", "data": {"application/javascript": js(name)}, "metadata": {}}
    return named("Output", module="@jupyter-widgets/output", outputs=[what], msg_id="", layout=None) | {
        "_model_module_version": "1.0.0", "_view_module_version": "1.0.0"}

def listed(cls, *keys):
    "A class of widgets of which some names are lists."
    found = {key: getattr(cls(), key) if key != "_model_name" else cls._model_name.default_value for key in keys}
    return type(cls.__name__, (cls,), {key: T.List([value]).tag(sync=True) for key, value in found.items()})
"""


def _raw(name: str, data: str, fires: bool = True) -> Attack:
    return Attack(name, f"raw({data.replace('NAME', repr(name))})", fires)


_RAW = (
    _raw("raw-open", "{'state': html(NAME), 'buffer_paths': []}"),
    _raw("raw-both", "{'method': 'update_states', 'states': {}, 'state': html(NAME)}"),
    _raw("raw-both-esm", "{'method': 'update_states', 'states': {}, 'state': named('Any', module='anywidget', _esm=esm(NAME))}"),
    _raw("raw-both-output", "{'method': 'update_states', 'states': {}, 'state': output(NAME)}"),
    _raw("raw-method-list", "{'method': ['update_states'], 'states': {}, 'state': html(NAME)}"),
    _raw("raw-no-view-module", "{'state': {**html(NAME), '_view_module': None}}", fires=False),
    _raw("raw-list-model", "{'state': {**html(NAME), '_model_name': ['HTMLModel']}}"),
    _raw("raw-list-view", "{'state': {**html(NAME), '_view_name': ['HTMLView']}}"),
    _raw("raw-list-module", "{'state': {**html(NAME), '_model_module': [CONTROLS], '_view_module': [CONTROLS]}}", fires=False),
    _raw("raw-list-value", "{'state': {**html(NAME), 'value': [[img(NAME)]]}}"),
    _raw("raw-list-output", "{'state': {**output(NAME), '_model_name': ['OutputModel']}}"),
    _raw("raw-deep-output", "{'state': {**output(NAME), 'outputs': [{**output(NAME)['outputs'][0], 'output_type': ['display_data']}]}}", fires=False),
    _raw("raw-text-as-html", "{'state': {**html(NAME), '_model_name': 'TextModel'}}"),
Attack("raw-update-both", """
w = raw({'state': named('HTML', value='x', layout=None, style=None)})
w.send({'method': 'update', 'states': {}, 'state': {'value': img('raw-update-both')}, 'content': {}})"""),
    Attack("raw-echo", """
w = raw({'state': named('HTML', value='x', layout=None, style=None)})
w.send({'method': 'echo_update', 'state': {'value': img('raw-echo')}})"""),
    Attack("raw-reopened", """
w = raw({'state': named('Text', value=img('raw-reopened'), layout=None, style=None)}, comm_id='0f' * 16)
raw({'state': html('raw-reopened')}, comm_id=w.comm_id)""", False),
    Attack("raw-closed", """
t = raw({'state': named('Text', value=img('raw-closed'), layout=None, style=None)}, comm_id='0a' * 16)
b = raw({'state': named('Text', value='x', layout=None, style=None)}, comm_id='0b' * 16)
ends = {'source': ['IPY_MODEL_' + t.comm_id, 'value'], 'target': ['IPY_MODEL_' + b.comm_id, 'value']}
create_comm(target_name='jupyter.widget', data={'state': named('DirectionalLink', None, **ends)}, metadata={'version': '2.1.0'})
b.close()
raw({'state': named('HTML', value='x', layout=None, style=None)}, comm_id=b.comm_id)""", False),
)  # fmt: skip

_NAMES = (
    Attack("list-link", """
a, b = W.Text(img('list-link')), W.HTML('x')
display(b)
keep5 = listed(W.widgets.widget_link.DirectionalLink, '_model_name')((a, 'value'), (b, 'value'))""", False),
    Attack("raw-list-link", """
a, b = W.Text(img('raw-list-link')), W.HTML('x')
display(a, b)
ends = {'source': ['IPY_MODEL_' + a.model_id, 'value'], 'target': ['IPY_MODEL_' + b.model_id, 'value']}
raw({'state': {**named('DirectionalLink', None, **ends), '_model_name': ['DirectionalLinkModel']}})"""),
    Attack("raw-list-link-ends", """
a, b = W.Text(img('raw-list-link-ends')), W.HTML('x')
display(a, b)
ends = {'source': ['IPY_MODEL_' + a.model_id, ['value']], 'target': ['IPY_MODEL_' + b.model_id, ['value']]}
raw({'state': named('DirectionalLink', None, **ends)})"""),
    Attack("raw-list-image", """
state = {**named('Image', format='url', layout=None), '_model_name': ['ImageModel']}
raw({'state': state, 'buffer_paths': [['value']]}, [url('raw-list-image').encode()])"""),
    Attack("raw-list-format", """
state = named('Image', format=['url'], layout=None)
raw({'state': state, 'buffer_paths': [['value']]}, [url('raw-list-format').encode()])""", False),
    Attack("raw-list-style", """
w = W.HTML('x')
style = create_comm(target_name='jupyter.widget', metadata={'version': '2.1.0'}, data={'state': {
    **named('HTMLStyle', 'StyleView', background='url(/canary-raw-list-style)'), '_model_name': ['HTMLStyleModel'],
    '_view_module': '@jupyter-widgets/base'}})
raw({'state': named('HTML', value='x', layout=None, style='IPY_MODEL_' + style.comm_id)})"""),
)  # fmt: skip

_FETCHES = (
    Attack("sheet-import", "display(W.HTML('<style>@import url(/canary-sheet-import);</style>x'))"),
    Attack("sheet-image", "display(W.HTML('<style>.jp-Notebook{background:url(/canary-sheet-image)}</style>x'))"),
    Attack("sheet-math", "display(W.HTMLMath('<style>@import \"/canary-sheet-math\";</style>x'))"),
    Attack("layout-url", "display(W.Button(layout=W.Layout(border_top='1px solid url(/canary-layout-url)', grid_area='url(/canary-layout-url)')))", False),
    Attack("bqplot-background", """
import bqplot
x, y = bqplot.LinearScale(), bqplot.LinearScale()
line = bqplot.Lines(x=[0, 1], y=[0, 1], scales={'x': x, 'y': y})
display(bqplot.Figure(marks=[line], background_style={'background': 'url(/canary-bqplot-background)',
    'fill': 'url(/canary-bqplot-background)', 'mask-image': 'url(/canary-bqplot-background)'}))""", False),
    Attack("bqplot-title", """
display(bqplot.Figure(marks=[line], title='x', title_style={'cursor': 'url(/canary-bqplot-title), auto',
    'background-image': 'url(/canary-bqplot-title)', 'mask-image': 'url(/canary-bqplot-title)'}))""", False),
    Attack("bqplot-node", """
node = {'label': 'x', 'shape': 'rect', 'shape_attrs': {'width': 30, 'height': 30, 'onclick': js('bqplot-node')}}
display(bqplot.Figure(marks=[bqplot.Graph(node_data=[node, node], link_data=[{'source': 0, 'target': 1}])]))""", False),
    Attack("bqplot-image", """
where = W.Image(value=url('bqplot-image').encode(), format='url')
display(bqplot.Figure(marks=[bqplot.Image(image=where, scales={'x': x, 'y': y})]))"""),
    Attack("plotly-image", """
picture = {'source': url('plotly-image'), 'x': 0, 'y': 1, 'sizex': 1, 'sizey': 1, 'xref': 'paper', 'yref': 'paper'}
figure = {'data': [{'x': [1], 'y': [1]}], 'layout': {'images': [picture]}}
emit('application/vnd.plotly.v1+json', figure)"""),
    Attack("ipympl-picture", """
state = named('MPLCanvas', module='jupyter-matplotlib', _data_url='/canary-ipympl-picture', _cursor='auto', _size=[9, 9], layout=None)
raw({'state': state})"""),
)  # fmt: skip

COMM_ATTACKS = (*_RAW, *_NAMES, *_FETCHES)
