"""Notebooks that use ipywidgets as its documentation does, each a list of cells.

Plain data: they are run on two kernels and compared, so they print what their callbacks saw.
"""

from __future__ import annotations

from .front_end import Code, Move

__all__ = ["NOTEBOOKS"]

Notebook = list["Code | str"]

NUMBERS: Notebook = [
    "import ipywidgets as w\nfrom IPython.display import display",
    "w.IntSlider(value=7, min=0, max=10, step=1, description='Test:', continuous_update=False, readout_format='d')",
    "w.FloatSlider(value=7.5, min=0, max=10.0, step=0.1, orientation='vertical', readout_format='.1f')",
    "w.FloatLogSlider(value=10, base=10, min=-10, max=10, step=0.2)",
    "w.IntRangeSlider(value=[5, 7], min=0, max=10)",
    "w.FloatRangeSlider(value=[5, 7.5], min=0, max=10.0)",
    "w.IntProgress(value=7, min=0, max=10, bar_style='success', style={'bar_color': 'maroon'})",
    "w.FloatProgress(value=7.5, min=0, max=10.0, orientation='horizontal')",
    "display(w.BoundedIntText(value=7, max=10), w.BoundedFloatText(value=7.5, max=10.0), w.IntText(7), w.FloatText(7.5))",
    "bad = w.BoundedIntText(value=70, max=10); bad.value",
    Code("w.IntSlider(min=3, max=1)", raises=True),
    "w.FloatText(float('1e300')).value",
]

CHOICES: Notebook = [
    "import ipywidgets as w, datetime\nfrom IPython.display import display",
    "display(w.ToggleButton(value=False, icon='check'), w.Checkbox(value=True), w.Valid(value=False))",
    "d = w.Dropdown(options=[('One', 1), ('Two', 2), ('Three', 3)], value=2); d.observe(print, 'value'); d",
    Code("d.value", (Move("DropdownModel", {"index": 2}), Move("DropdownModel", {"index": 0}))),
    "r = w.RadioButtons(options=['pepperoni', 'pineapple']); s = w.Select(options=['Linux', 'macOS']); display(r, s)",
    Code("(r.value, s.value)", (Move("RadioButtonsModel", {"index": 1}), Move("SelectModel", {"index": 1}))),
    "(r.value, s.value)",
    "display(w.SelectionSlider(options=['scrambled', 'poached'], value='poached'))",
    "dates = [datetime.date(2015, i, 1) for i in range(1, 13)]\n"
    "w.SelectionRangeSlider(options=[(i.strftime('%b'), i) for i in dates], index=(0, 11))",
    "display(w.ToggleButtons(options=['Slow', 'Fast'], tooltips=['a', 'b']), w.SelectMultiple(options=['A', 'B'], value=['B']))",
    "display(w.Combobox(options=['Paul', 'John']), w.TagsInput(value=['pizza'], allowed_tags=['pizza', 'fries']))",
    "display(w.ColorsInput(value=['red', '#2f6d30']), w.FloatsInput(value=[1.3]), w.IntsInput(value=[1, 4]))",
]

TEXTS_AND_TIMES: Notebook = [
    "import ipywidgets as w, datetime\nfrom IPython.display import display",
    "t = w.Text(value='Hello', placeholder='x'); t.on_submit(lambda s: print('submitted', s.value)); t",
    "a = w.Textarea('Ünï\\u2028code \U0001f600 <b>&amp;</b>'); p = w.Password('pw'); c = w.Combobox(); display(a, p, c)",
    Code(
        "t.observe(lambda ch: print(repr(ch.old), repr(ch.new)), 'value')",
        (Move("TextModel", {"value": "né \U0001f600"}),),
    ),
    Code("t.value", (Move("TextModel", custom={"event": "submit"}),)),
    "display(w.Label(value='$m$'), w.HTML('<b>bold</b>'), w.HTMLMath('$x^2$ <i>i</i>'))",
    "date = w.DatePicker(description='d'); date.observe(print, 'value'); date",
    Code("date.value", (Move("DatePickerModel", {"value": {"year": 2024, "month": 1, "date": 29}}),)),
    "date.value",
    "w.TimePicker(value=datetime.time(12, 30))",
    "w.NaiveDatetimePicker(value=datetime.datetime(2020, 2, 3, 4, 5))",
    "w.DatetimePicker(value=datetime.datetime(2020, 2, 3, 4, 5, tzinfo=datetime.timezone.utc))",
    "w.ColorPicker(concise=False, value='blue')",
]

LAYOUTS: Notebook = [
    "import ipywidgets as w\nfrom IPython.display import display",
    "items = [w.Label(str(i)) for i in range(4)]\nw.HBox([w.VBox(items[:2]), w.VBox(items[2:])])",
    "tab = w.Tab(children=[w.Text(description=n) for n in 'ab'], titles=['A', 'B']); tab",
    Code("tab.observe(print, 'selected_index')", (Move("TabModel", {"selected_index": 1}),)),
    "w.Accordion(children=[w.IntSlider(), w.Text()], titles=('Slider', 'Text'))",
    "w.Stack([w.Button(description='Click here'), w.IntSlider()], selected_index=0)",
    "w.GridBox(children=[w.Button() for _ in range(4)], layout=w.Layout(grid_template_columns='repeat(2, 50%)'))",
    "w.AppLayout(header=w.Label('h'), left_sidebar=w.Button(description='L'), center=w.Text(), footer=w.Label('f'))",
    "w.TwoByTwoLayout(top_left=w.Button(), top_right=w.Button(), bottom_left=w.Button())",
    "g = w.GridspecLayout(3, 3); g[:, 0] = w.Button(description='side'); g[1, 2] = w.Text(); g",
    "b = w.Button(description='x', style=dict(button_color='red')); b.layout.width = '50%'; b.add_class('wide'); b",
    "b.layout.keys[:5], b.close()",
]

EVENTS: Notebook = [
    "import ipywidgets as w, traitlets\nfrom IPython.display import display",
    "button = w.Button(description='Click Me!'); out = w.Output(); display(button, out)",
    "def on_button_clicked(b):\n    with out:\n        print('Button clicked.')\nbutton.on_click(on_button_clicked)",
    Code("1", (Move("ButtonModel", custom={"event": "click"}), Move("ButtonModel", custom={"event": "click"}))),
    "slider = w.IntSlider(); slider.observe(lambda change: print(change), names='value'); slider.value = 3",
    Code("slider", tuple(Move("IntSliderModel", {"value": value}) for value in (5, 9, 9, 2))),
    "slider.unobserve_all(); slider.value = 4",
    "caption = w.Label(); a, b = w.IntSlider(), w.IntSlider()\n"
    "link = traitlets.link((a, 'value'), (b, 'value')); d = traitlets.dlink((a, 'value'), (caption, 'value'), str)\n"
    "display(caption, a, b)",
    Code("0", (Move("IntSliderModel", {"value": 42}, nth=1),)),
    "(a.value, b.value, caption.value)",
    "j = w.jslink((a, 'value'), (b, 'value')); k = w.jsdlink((a, 'value'), (b, 'max')); j, k",
    "j.unlink(); k.unlink()",
    "with slider.hold_trait_notifications():\n    slider.min, slider.max, slider.value = 10, 20, 15\nslider.value",
    "with slider.hold_sync():\n    slider.value = 11; slider.value = 12",
    "def broken(change):\n    raise ValueError('in a callback')\nslider.observe(broken, 'value')",
    Code("1", (Move("IntSliderModel", {"value": 17}),)),
    "slider.value",
    Code("slider.value = 18", raises=True),
    "play = w.Play(value=50, step=1, interval=500); s = w.IntSlider(); w.jslink((play, 'value'), (s, 'value')); w.HBox([play, s])",
    Code("play.value", (Move("PlayModel", {"value": 51}),)),
    "w.Controller(index=0)",
]

INTERACT: Notebook = [
    "from ipywidgets import interact, interactive, fixed, interact_manual, interactive_output\nimport ipywidgets as w\n"
    "from IPython.display import display\nimport numpy as np",
    "def f(x):\n    return x\ninteract(f, x=10);",
    Code("0", (Move("IntSliderModel", {"value": 20}), Move("IntSliderModel", {"value": 21}))),
    "interact(f, x=True); interact(f, x='Hi there!');",
    "@interact(x=True, y=1.0)\ndef g(x, y):\n    return (x, y)",
    Code("0", (Move("FloatSliderModel", {"value": 2.5}), Move("CheckboxModel", {"value": False}, nth=1))),
    "def h(p, q):\n    return (p, q)\ninteract(h, p=5, q=fixed(20));",
    "interact(f, x=['apples', 'oranges']); interact(f, x=[('one', 10), ('two', 20)]); interact(f, x=(0.0, 8.0, 0.25));",
    "def p(a, b):\n    display(a + b)\n    print('printed')\n    return a + b\nwid = interactive(p, a=10, b=20); display(wid)",
    Code("(wid.kwargs, wid.result)", (Move("IntSliderModel", {"value": 3}, nth=3),)),
    "(wid.kwargs, wid.result, wid.children[0].description)",
    "interact_manual(f, x=(0, 10));",
    Code("0", (Move("ButtonModel", custom={"event": "click"}),)),
    "a, b = w.IntSlider(1), w.IntSlider(2)\ndef q(a, b):\n    print((a, b, a * b))\no = interactive_output(q, {'a': a, 'b': b})\n"
    "display(w.VBox([a, b]), o)",
    "a.value = 7",
    # It says when the making of its list of fonts takes long, which the first start of all may.
    "import logging; logging.getLogger('matplotlib').setLevel('ERROR')",
    "import matplotlib.pyplot as plt\ndef plot(m, b):\n    plt.figure(2, figsize=(2, 1)); x = np.linspace(-10, 10, 5)\n"
    "    plt.plot(x, m * x + b); plt.ylim(-5, 5); plt.show()\niplot = interactive(plot, m=(-2.0, 2.0), b=(-3, 3, 0.5)); iplot",
    "iplot.children[0].value = 1.0",
    "def fails(x):\n    1 / x\ninteract(fails, x=(0, 3));",
    Code("0", (Move("IntSliderModel", {"value": 0}, nth=7),)),
]

# What an Output has captured is compared as the front end keeps it, in the widgets' state: it comes back to the code at a
# moment of nbclient's choosing.
OUTPUT: Notebook = [
    "import ipywidgets as w, sys, threading, logging\nfrom IPython.display import display, clear_output, HTML, Image",
    "out = w.Output(layout={'border': '1px solid black'}); out",
    "with out:\n    for i in range(10):\n        print(i, 'Hello world!')",
    "with out: print('to stderr', file=sys.stderr); display(HTML('<b>rich</b>')); 1 / 0",
    "out.outputs",
    # An Output of its own: nbclient sends what it has captured over what the code has appended.
    "app = w.Output(); display(app)",
    "app.append_stdout('appended\\n'); app.append_stderr('err\\n'); app.append_display_data(HTML('<em>All done!</em>'))",
    "app.outputs",
    "out.clear_output()",
    "@out.capture()\ndef function_with_captured_output():\n    print('This goes into the output widget')\n"
    "    raise Exception('As does this')\nfunction_with_captured_output()",
    "out2 = w.Output(); display(out2)\n@out2.capture(clear_output=True, wait=True)\ndef again(n):\n    print('again', n)\n"
    "again(1); again(2)\nprint('outside')",
    "inner, outer = w.Output(), w.Output(); display(outer, inner)\nwith outer:\n    print('outer 1')\n"
    "    with inner:\n        print('inner')\n    print('outer 2')\nprint('cell')",
    "with outer:\n    with outer:\n        print('twice')\n    print('still')\nprint('cell')",
    "for i in range(5):\n    clear_output(wait=True); print('only the last', i)",
    "print('gone'); clear_output(); print('kept')",
    "with out2:\n    clear_output(wait=True); print('replaced')",
    "thread_out = w.Output(); display(thread_out)\ndef work():\n    thread_out.append_stdout('from a thread\\n')\n"
    "t = threading.Thread(target=work); t.start(); t.join()",
    "b = w.Button(); ob = w.Output(); display(b, ob)\n@ob.capture()\ndef clicked(_):\n    print('clicked'); 1 / 0\nb.on_click(clicked)",
    Code("1", (Move("ButtonModel", custom={"event": "click"}), Move("ButtonModel", custom={"event": "click"}))),
    "ob.outputs",
    "import os, subprocess\nwith out2:\n    print('python'); sys.stdout.flush()\n    display('shown')\nprint('end')",
]

BINARY: Notebook = [
    "import ipywidgets as w, zlib\nfrom IPython.display import display",
    "def png(n):\n    import struct\n    def chunk(t, d):\n        return struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))\n"
    "    raw = b''.join(b'\\0' + bytes([n, x, 0] * 4) for x in range(4))\n"
    "    return b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b'')",
    "image = w.Image(value=png(1), format='png', width=300); image",
    "image.value = png(2)",
    "w.Video(value=bytes(range(256)) * 40, format='mp4')",
    "w.Audio(value=memoryview(b'audio' * 10), format='wav', autoplay=False)",
    "up = w.FileUpload(accept='.csv', multiple=True); up.observe(lambda c: print([(f.name, f.size, bytes(f.content)) for f in c.new]), 'value'); up",
    Code(
        "0",
        (
            Move(
                "FileUploadModel",
                {
                    "value": [
                        {"name": "a.csv", "type": "text/csv", "size": 4, "last_modified": 1700000000000},
                        {"name": "b.bin", "type": "", "size": 256, "last_modified": 1700000000001},
                    ]
                },
                buffers=(b"a,b\n", bytes(range(256))),
                buffer_paths=(("value", 0, "content"), ("value", 1, "content")),
            ),
        ),
    ),
    "[(f['name'], len(f['content'])) for f in up.value]",
    "w.Image.from_file",
    "out = w.Output(); display(out)\nwith out:\n    display(image)",
]

DISPLAYS: Notebook = [
    "from IPython.display import display, update_display, clear_output, HTML, Javascript, JSON, Latex, Markdown, SVG\n"
    "import ipywidgets as w",
    "handle = display('first', display_id=True)",
    "button = w.Button(); display(button)\nbutton.on_click(lambda b: handle.update('from a callback'))",
    Code("1", (Move("ButtonModel", custom={"event": "click"}),)),
    "h2 = display(HTML('<b>0</b>'), display_id='named')\nslider = w.IntSlider(); display(slider)\n"
    "slider.observe(lambda c: update_display(HTML(f'<b>{c.new}</b>'), display_id='named'), 'value')",
    Code("slider", tuple(Move("IntSliderModel", {"value": value}) for value in (1, 2, 3))),
    "display(Markdown('# x'), Latex('$x$'), JSON({'a': 1}), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))",
    "import threading\nh3 = display('thread', display_id=True)\nt = threading.Thread(target=lambda: h3.update('done')); t.start(); t.join()",
    Code(
        "b2 = w.Button(); display(b2)\nb2.on_click(lambda b: (print('printed'), display('displayed'), clear_output(wait=True), print('cleared')))",
        (Move("ButtonModel", custom={"event": "click"}, nth=1),),
    ),
]

COMMS: Notebook = [
    "import ipywidgets as w\nfrom comm import create_comm, get_comm_manager\nfrom IPython.display import display",
    "c = create_comm(target_name='mine', data={'a': [1, None, 'x']}, metadata={'m': 1}, buffers=[b'one', memoryview(b'two')])\n"
    "c.send({'n': 1}, buffers=[b'\\x00\\xff']); c.target_name, c.primary",
    "seen = []\nwidget = w.DOMWidget(); widget.on_msg(lambda *args: print('custom', args[1], [bytes(b) for b in args[2]])); widget.send({'hello': 1}, buffers=[b'b'])",
    Code("0", (Move("DOMWidgetModel", custom={"x": [1, {"y": None}]}, buffers=(b"abc", b"", bytes(1000))),)),
    "get_ipython().kernel.comm_manager is get_comm_manager(), c.comm_id in get_comm_manager().comms",
    "c.close(); c.comm_id in get_comm_manager().comms",
    "w.Widget.widgets if hasattr(w.Widget, 'widgets') else None; len(w.Widget.get_manager_state()['state'])",
    "w.Widget.close_all(); len(w.Widget.get_manager_state()['state'])",
]

TQDM: Notebook = [
    "from tqdm.notebook import tqdm, trange\nimport time",
    "for i in tqdm(range(30), desc='loop'):\n    time.sleep(0.001)",
    "for i in trange(3, desc='outer'):\n    for j in tqdm(range(5), desc='inner', leave=False):\n        pass",
    "bar = tqdm(total=10); bar.update(4); bar.set_postfix(loss=0.25); bar.close()",
    Code(
        "for i in tqdm(range(10), desc='fails', mininterval=60):\n    if i == 5:\n        raise RuntimeError('stop')",
        raises=True,
    ),
]

ANYWIDGET: Notebook = [
    "import anywidget, traitlets",
    "class Counter(anywidget.AnyWidget):\n    _esm = 'export default { render({ model, el }) { el.textContent = model.get(\"value\"); } }'\n"
    "    _css = '.c { color: red }'\n    value = traitlets.Int(0).tag(sync=True)\n    data = traitlets.Bytes(b'abc').tag(sync=True)\n"
    "counter = Counter(value=3); counter",
    "counter.observe(lambda c: print('now', c.new), 'value')",
    Code("0", (Move("AnyModel", {"value": 8}),)),
    "class Replies(anywidget.AnyWidget):\n    _esm = 'export default {}'\n    @anywidget.experimental.command\n"
    "    def double(self, msg, buffers):\n        return msg * 2, [bytes(b) for b in buffers]\nreplies = Replies(); replies",
    Code(
        "0",
        (
            Move(
                "AnyModel",
                custom={"id": "1", "kind": "anywidget-command", "name": "double", "msg": 21},
                nth=1,
                buffers=(b"b",),
            ),
        ),
    ),
]

MATPLOTLIB: Notebook = [
    "import logging; logging.getLogger('matplotlib').setLevel('ERROR')",
    "%matplotlib widget\nimport matplotlib.pyplot as plt, numpy as np",
    "fig, ax = plt.subplots(figsize=(2, 1)); ax.plot([1, 2, 3]); plt.show()",
    "fig.canvas.toolbar_visible = False; fig.canvas.header_visible = False",
    "line = ax.lines[0]; line.set_ydata([3, 2, 1]); fig.canvas.draw()",
    "type(fig.canvas).__module__",
    "plt.close(fig)",
]

PLOTLY: Notebook = [
    "import plotly.graph_objects as go",
    "f = go.FigureWidget(data=[go.Scatter(x=[1, 2, 3], y=[4, 1, 2], mode='markers', uid='one')]); f",
    "f.data[0].y = [1, 2, 3]; f.layout.title = 'moved'",
    "with f.batch_update():\n    f.data[0].marker.color = 'red'; f.layout.xaxis.title = 'x'",
    "f.to_dict()['data'][0]['y']",
]

OTHERS: Notebook = [
    "import bqplot.pyplot as plt, numpy as np, bqplot",
    "fig = plt.figure(title='a'); line = plt.plot(np.arange(5), np.arange(5) ** 2); plt.show()",
    "line.y = np.arange(5) * 2.0",
    "from ipytree import Node, Tree\nt = Tree([Node('a', [Node('b')])]); t.observe(lambda c: print(len(c.new)), 'selected_nodes'); t",
    "t.nodes[0].selected = True",
    "from ipycanvas import Canvas\nc = Canvas(width=20, height=20); c.fill_style = 'green'; c.fill_rect(1, 1, 5, 5); c",
]

NOTEBOOKS: dict[str, Notebook] = {
    "numbers": NUMBERS,
    "choices": CHOICES,
    "texts and times": TEXTS_AND_TIMES,
    "layouts": LAYOUTS,
    "events and links": EVENTS,
    "interact": INTERACT,
    "output": OUTPUT,
    "binary": BINARY,
    "displays": DISPLAYS,
    "comms": COMMS,
    "tqdm": TQDM,
    "anywidget": ANYWIDGET,
    "ipympl": MATPLOTLIB,
    "plotly": PLOTLY,
    "bqplot, ipytree, ipycanvas": OTHERS,
}
