"""Progress: a run's events in, live bars and then a record that stays out.

The ladder, each module importing only those above it::

    values, words       hostile values made safe; durations, counts and rates in words      pure
    series, model       tasks, their metrics, caps                                          pure
    rows                what is to be seen of a model: which rows, what each says            pure
    snapshot, text      rows as script-free HTML, as plain text, as one updating line        pure
    results             bundles for ``result`` and ``alert``                                pure
    merging             reports that come too fast to be seen                               pure
    options             what can be configured
    display             `RunDisplay`: one run's events into Jupyter messages                no widgets itself
    view                the live view: the only importer of ipywidgets and anywidget, imported when first needed

Nothing here is imported by the sandbox, and nothing imports zmq.
"""

from .display import RunDisplay
from .merging import merge_report
from .options import ProgressOptions, find_front_end
from .results import alert_bundle, result_bundle

__all__ = ["ProgressOptions", "RunDisplay", "alert_bundle", "find_front_end", "merge_report", "result_bundle"]
