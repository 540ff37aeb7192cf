"""The live view: ipywidgets for the bars, an anywidget or plain ipywidgets for the header.

The only importer of ipywidgets and anywidget. Imported in a thread, when the first bar or header is due.
"""

from .live import LiveView

__all__ = ["LiveView"]
