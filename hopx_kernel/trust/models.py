"""Every widget that passes to the page, with the kind of each of its keys.

What is not written here is not passed. A line is a model, its view where that has another name, and its keys; what
begins with ``@`` is a group of keys. A key's kind is the one that its package gives to the name, or what stands behind
``=``. `values` tells what each kind lets through. ``tests/trust/test_models.py`` compares it with the packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

__all__ = ["ANYWIDGET", "BASE", "CONTROLS", "LABEL", "PLAIN", "Model", "find_model"]

BASE = "@jupyter-widgets/base"
CONTROLS = "@jupyter-widgets/controls"
OUTPUT = "@jupyter-widgets/output"


@dataclass(frozen=True)
class Model:
    """A widget as the front end knows it: its names there, and what its keys may be."""

    module: str
    name: str
    view_module: str
    view: str | None
    keys: dict[str, str]

    @property
    def has_element(self) -> bool:
        """Whether it is shown as an element of the page, and not only talks to others."""
        return "layout" in self.keys


_GROUPS = {
    "@dom": "_dom_classes layout tabbable tooltip",
    "@described": "@dom description description_allow_html style",
    "@tags": "@described allow_duplicates allowed_tags placeholder",
    "@typed": "@described continuous_update disabled",
    "@slider": "@typed behavior orientation readout",
    "@number": "@slider max min readout_format step value",
    "@chosen": "@described _options_labels disabled",
    "@font": "font_family font_size font_style font_variant font_weight text_decoration",
    "@string": "background description_width font_size text_color",
    "@mark": """apply_clip display_legend enable_hover interactions labels preserve_domain scales scales_metadata
        selected selected_style tooltip tooltip_location tooltip_style unselected_style visible""",
    "@points": """enable_delete enable_move hovered_point hovered_style opacities opacity=array restrict_x
        restrict_y rotation size=array unhovered_style update_on_move""",
    "@axis": """color grid_color grid_lines label label_color label_location label_offset num_ticks offset scale side
        tick_format tick_labels tick_rotate tick_style tick_values visible""",
    "@scale": "allow_padding reverse",
    "@colours": "@scale colors extrapolation max mid min scale_type scheme",
}

_CONTROLS_KINDS = {
    "bool": """allow_duplicates autoplay concise connected continuous_update controls disabled ensure_option indent loop
        multiple playing pressed readout repeat show_repeat tabbable""",
    "number": "base index interval max min rows selected_index step timestamp value",
    "word": "bar_style behavior box_style button_style icon mapping msg_id orientation tag_style",
    "icons": "icons",
    "text": "accept description error name placeholder tooltip",
    "pattern": "readout_format",
    "texts": "_options_labels allowed_tags options titles tooltips",
    "css": """align_content align_items align_self background bar_color border_bottom border_left border_right
        border_top bottom button_color button_width description_width display flex flex_flow font_family font_size
        font_style font_variant font_weight grid_area grid_auto_columns grid_auto_flow grid_auto_rows grid_column
        grid_gap grid_row grid_template_areas grid_template_columns grid_template_rows handle_color height
        justify_content justify_items left margin max_height max_width min_height min_width object_fit object_position
        order overflow padding right text_color text_decoration top visibility width""",
    "format": "format",
    "ref": "layout style",
    "refs": "axes buttons children",
    "end": "source target",
    "classes": "_dom_classes",
    "false": "description_allow_html",
    "outputs": "outputs",
}

_BASE_MODELS = """
Widget -:
DOMWidget -: @dom
Style:
Layout: align_content align_items align_self border_bottom border_left border_right border_top bottom display flex
  flex_flow grid_area grid_auto_columns grid_auto_flow grid_auto_rows grid_column grid_gap grid_row grid_template_areas
  grid_template_columns grid_template_rows height justify_content justify_items left margin max_height max_width
  min_height min_width object_fit object_position order overflow padding right top visibility width
"""

_CONTROLS_MODELS = """
Accordion: @dom box_style children selected_index titles
Audio: @dom autoplay controls format loop value=media
Bool -: @described disabled value=bool
BoundedFloatText FloatText: @typed max min step value
BoundedIntText IntText: @typed max min step value
Box: @dom box_style children selected_index titles
Button: @dom button_style description disabled icon style
ButtonStyle Style: @font button_color text_color
Checkbox: @described disabled indent value=bool
CheckboxStyle Style: background description_width
ColorPicker: @described concise disabled value=colour
ColorsInput: @tags value=hues
Combobox: @typed ensure_option options placeholder value=raw
ControllerAxis: @dom value
ControllerButton: @dom pressed value
Controller: @dom axes buttons connected index mapping name timestamp
DOMWidget -: @dom value=media
DatePicker: @described disabled max=moment min=moment step=step value=moment
Datetime: @described disabled max=moment min=moment value=moment
Description -: @chosen base index=numbers max min step value=numbers
DescriptionStyle Style: description_width
DirectionalLink -: source target
Dropdown: @chosen index
FileUpload: @described accept button_style disabled error icon multiple value=array
FloatLogSlider: @number base
FloatProgress Progress: @described bar_style max min orientation value
FloatRangeSlider: @number value=numbers
FloatSlider: @number
FloatText: @typed step value
FloatsInput: @tags format=text max min tag_style value=numbers
GridBox: @dom box_style children
HBox: @dom box_style children
HTMLMath: @described placeholder value=html
HTMLMathStyle Style: @string
HTML: @described placeholder value=html
HTMLStyle Style: @string
Image: @dom format height value=media width
IntProgress Progress: @described bar_style max min orientation value
IntRangeSlider: @number value=numbers
IntSlider: @number
IntText: @typed step value
IntsInput: @tags format=text max min tag_style value=numbers
Label: @described placeholder value=text
LabelStyle Style: @font background description_width text_color
Link -: source target
NaiveDatetime Datetime: @described disabled max=moment min=moment value=moment
NumbersInputBase TagsInput: @tags max min tag_style value=numbers
Password: @typed placeholder value=raw
Play: @described disabled interval max min playing repeat show_repeat step value
ProgressStyle Style: bar_color description_width
RadioButtons: @chosen index orientation
Select: @chosen index rows
SelectMultiple: @chosen index=numbers rows
SelectionRangeSlider: @slider _options_labels index=numbers
SelectionSlider: @slider _options_labels index
SliderStyle Style: description_width handle_color
Stack: @dom box_style children selected_index titles
String -: @described placeholder value=text
StringStyle Style: @string
Tab: @dom box_style children selected_index titles
TagsInputBase -: @tags value=raws
TagsInput: @tags tag_style value=raws
Text: @typed placeholder value=raw
TextStyle Style: @string
Textarea: @typed placeholder rows value=raw
Time: @described disabled max=moment min=moment step=step value=moment
ToggleButton: @described button_style disabled icon value=bool
ToggleButtonStyle Style: @font description_width text_color
ToggleButtons: @chosen button_style icons index tooltips
ToggleButtonsStyle Style: button_width description_width font_weight
VBox: @dom box_style children
Valid: @described disabled readout=text value=bool
Video: @dom autoplay controls format height loop value=media width
Widget -:
"""

_OUTPUT_MODELS = "Output: @dom msg_id outputs"

_BQPLOT_KINDS = {
    "bool": """_panning allow_pan allow_zoom apply_clip auto_detect_outliers auto_layout brushing clear close_path
        density directed display_legend display_names display_toolbar display_values enable_delete enable_hover
        enable_move highlight_links hover_highlight label_display names_unique normalized pixelated restrict_x
        restrict_y show_labels show_names sort static tabbable update_on_move visible""",
    "number": """animation_duration base box_width charge default_size default_skew drag_size end_angle hovered_point
        inner_radius label_display_horizontal_offset label_display_vertical_offset line_index line_width link_distance
        marker_size max_aspect_ratio min_aspect_ratio opacity padding padding_x padding_y
        radius rotate_angle size start_angle stroke_width tick_rotate x_offset y_offset""",
    "numbers": "curves_subset data_range",
    "word": """align band_type color_mode column_align display_labels fill font_unit font_weight format grid_lines
        interpolation label_location labels_visibility legend_location line_style link_type marker opacity_mode
        orientation row_align side tooltip_location type""",
    "theme": "theme",
    "count": "bins num_bands num_ticks pixel_ratio",
    "text": "label label_offset title tooltip",
    "pattern": "display_format label_display_format tick_format values_format",
    "texts": "fields",
    "patterns": "formats",
    "array": """_selected column count fig_margin fill_opacities interactions labels link_data link_matrix map_data
        max max_x midpoints min min_x names offset opacities preserve_domain rotation row sample scales_metadata selected
        selected_x selected_y sizes skew text tick_labels tick_values width x y""",
    "hues": "color colors fill_colors link_color",
    "nodes": "node_data",
    "css": """box_fill_color drag_color font_size grid_color label_color null_color outlier_fill_color stroke
        stroke_color""",
    "styles": """anchor_style background_style font_style hovered_style hovered_styles label_font_style legend_style
        legend_text selected_style selected_styles tick_style title_style tooltip_style unhovered_style
        unselected_style""",
    "ref": "_panzoom figure image interaction layout lines scale scale_x scale_y x_scale y_scale",
    "refs": "axes marks",
    "refmap": "scales",
    "classes": "_dom_classes",
}

_BQPLOT_MODELS = """
Axis .: @axis color=css
Bars .: @mark align base bins color color_mode colors density fill=bool label_display label_display_format
  label_display_horizontal_offset label_display_vertical_offset label_font_style max min opacities opacity_mode
  orientation padding stroke stroke_width type x y
Base Interaction.: marks
Boxplot .: @mark auto_detect_outliers box_fill_color box_width opacities outlier_fill_color stroke x y
BrushIntervalSelector .: brushing color=css marks orientation scale selected
BrushSelector .: brushing clear color=css marks selected_x selected_y x_scale y_scale
ColorAxis .: @axis color=css
FastIntervalSelector .: color=css marks scale selected size
Figure .: @dom animation_duration auto_layout axes background_style band_type colors data_range display_toolbar
  fig_margin fill=bool interaction legend_location legend_style legend_text marks max_aspect_ratio min_aspect_ratio
  num_bands padding_x padding_y pixel_ratio scale_x scale_y theme title title_style
FlexLine .: @mark color colors stroke_width width x y
Graph .: @mark charge color colors directed highlight_links hovered_point hovered_style link_color link_data
  link_distance link_matrix link_type node_data static unhovered_style x y
GridHeatMap .: @mark anchor_style color column column_align display_format font_style null_color opacity row row_align
  stroke
HandDraw .: line_index lines max_x min_x
HeatMap .: @mark color null_color x y
Hist .: @mark bins colors count midpoints normalized opacities sample stroke
Image .: @mark image pixelated x y
IndexSelector .: color=css line_width marks scale selected
Label .: @mark @points align color colors default_size drag_size font_unit font_weight rotate_angle text x
  x_offset y y_offset
LassoSelector .: color=css marks x_scale y_scale
Lines .: @mark close_path color colors curves_subset fill fill_colors fill_opacities interpolation labels_visibility
  line_style marker marker_size opacities stroke_width x y
Map .: @mark color colors hover_highlight hovered_styles map_data selected_styles stroke_color
Mark -: @mark @points color x y
MultiSelector .: _selected brushing color=css marks names orientation scale selected show_names
OHLC .: @mark colors format marker opacities stroke stroke_width x y
OneDSelector Interaction.: marks scale
PanZoom .: allow_pan allow_zoom scales=refsmap
Pie .: @mark color colors display_labels display_values end_angle font_size font_weight inner_radius label_color
  opacities radius sizes sort start_angle stroke values_format x y
Scatter .: @mark @points color colors default_size default_skew display_names drag_color drag_size fill=bool
  label_display_horizontal_offset label_display_vertical_offset marker names names_unique skew stroke stroke_width
  x y
Toolbar .: @dom _panning _panzoom figure
Tooltip .: @dom fields formats labels=texts show_labels
TwoDSelector Interaction.: marks x_scale y_scale
Widget -:
"""

_BQSCALES_KINDS = {
    "bool": "allow_padding reverse stabilized",
    "number": "clip_angle mid_range min_range scale_factor",
    "precision": "precision",
    "numbers": "center parallels rotate translate",
    "word": "extrapolation scale_type scheme",
    "array": "domain max mid min",
    "hues": "colors",
}

_BQSCALES_MODELS = """
Albers .: @scale center parallels precision rotate scale_factor
AlbersUSA .: @scale scale_factor translate
ColorScale .: @colours
DateColorScale .: @colours
DateScale .: @scale max min
EquiRectangular .: @scale center scale_factor
GeoScale .: @scale
Gnomonic .: @scale center clip_angle precision scale_factor
LinearScale .: @scale max mid_range min min_range stabilized
LogScale .: @scale max min
Mercator .: @scale center rotate scale_factor
OrdinalColorScale .: @colours domain
OrdinalScale .: @scale domain
Orthographic .: @scale center clip_angle precision rotate scale_factor
Scale .: @scale
Stereographic .: @scale center clip_angle precision rotate scale_factor
"""

_IPYMPL_KINDS = {
    "bool": "capture_scroll collapsed footer_visible header_visible resizable tabbable",
    "number": "_rubberband_height _rubberband_width _rubberband_x _rubberband_y pan_zoom_throttle",
    "numbers": "_size",
    "word": "_current_action _image_mode button_style orientation toolbar_position",
    "flag": "toolbar_visible",
    "text": "_message tooltip",
    "filename": "_figure_label",
    "css": "_cursor",
    "picture": "_data_url",
    "ref": "layout toolbar",
    "classes": "_dom_classes",
    "texts": "toolitems",
}

_IPYMPL_MODELS = """
MPLCanvas: @dom _cursor _data_url _figure_label _image_mode _message _rubberband_height _rubberband_width _rubberband_x
  _rubberband_y _size capture_scroll footer_visible header_visible pan_zoom_throttle resizable toolbar
  toolbar_position toolbar_visible
Toolbar: @dom _current_action button_style collapsed orientation toolitems
"""

_ANYWIDGET_KINDS = {
    "module": "_esm",
    "sheet": "_css",
    "word": "_anywidget_id",
    "text": "tooltip",
    "bool": "tabbable",
    "ref": "layout",
    "classes": "_dom_classes",
}
_ANYWIDGET_MODELS = "Any: @dom _anywidget_id _css _esm"


def _models(module: str, kinds: dict[str, str], text: str) -> dict[tuple[str, str], Model]:
    kind_of = {key: kind for kind, keys in kinds.items() for key in keys.split()}
    models = {}
    for line in text.strip().replace("\n  ", " ").splitlines():
        head, _, keys = line.partition(":")
        name, _, view = head.partition(" ")
        shown = _view(name, view)
        # The styles of the controls are shown, where at all, by the base.
        view_module = BASE if shown == "StyleView" else module
        model = Model(module, f"{name}Model", view_module, shown, dict(_key(key, kind_of) for key in _flat(keys)))
        models[module, model.name] = model
    return models


def _view(name: str, view: str) -> str | None:
    if view == "-":
        return None
    # A dot stands for the packages that do not say "View".
    return (view[:-1] or name) if view.endswith(".") else f"{view or name}View"


def _flat(keys: str) -> list[str]:
    return [each for key in keys.split() for each in (_flat(_GROUPS[key]) if key.startswith("@") else [key])]


def _key(key: str, kind_of: dict[str, str]) -> tuple[str, str]:
    name, _, kind = key.partition("=")
    return name, kind or kind_of[name]


@cache
def _all_models() -> dict[tuple[str, str], Model]:
    """Every model by its module and its name; made when the first widget comes."""
    return {
        **_models(BASE, _CONTROLS_KINDS, _BASE_MODELS),
        **_models(CONTROLS, _CONTROLS_KINDS, _CONTROLS_MODELS),
        **_models(OUTPUT, _CONTROLS_KINDS, _OUTPUT_MODELS),
        **_models("bqplot", _BQPLOT_KINDS, _BQPLOT_MODELS),
        **_models("bqscales", _BQSCALES_KINDS, _BQSCALES_MODELS),
        **_models("jupyter-matplotlib", _IPYMPL_KINDS, _IPYMPL_MODELS),
        **_models("anywidget", _ANYWIDGET_KINDS, _ANYWIDGET_MODELS),
    }


def find_model(module: object, name: object) -> Model | None:
    """The model of a name, which must be one: a list with a name in it is a name to JavaScript too."""
    return _all_models().get((module, name)) if type(module) is str and type(name) is str else None


#: The names of what stands in for others.
LABEL = (CONTROLS, "LabelModel")
PLAIN = (BASE, "WidgetModel")
ANYWIDGET = ("anywidget", "AnyModel")
