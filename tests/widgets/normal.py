"""What must not differ between two runs of one notebook, once what always differs is taken away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

__all__ = ["normalise"]

_STATE = "application/vnd.jupyter.widget-state+json"

#: Ids of widgets (32 hex digits) and of displays and comms (UUIDs with dashes).
_ID = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])")

_ALWAYS_DIFFERENT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bat 0x[0-9a-f]+"), "at 0xADDRESS"),
    # tqdm: elapsed and left, rate.
    (re.compile(r"\d+:\d\d(?:<|&lt;)(?:\d+:\d\d|\?)(?:,\s*(?:[\d.]+k?|\?)\s?(?:it/s|s/it))?"), "TIME"),
    # Where a kernel keeps the text of a cell for tracebacks.
    (re.compile(r"/tmp/ipykernel_\d+/\d+\.py|<ipython-input-\d+-[0-9a-f]+>"), "CELL"),
    # Colours, as they are and as a `repr` of them: how source is coloured is a matter of taste.
    (re.compile(r"(?:\x1b|\\x1b)\[[0-9;]*m"), ""),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+(?:Z|\+00:00)?"), "MOMENT"),
)

#: A traceback shortens it where the kernel knows it; a sandbox does not.
_HOME = str(Path.home())


class _Names:
    """Names ids by the order in which they are met."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def text(self, text: str) -> str:
        text = _ID.sub(lambda match: self._names.setdefault(match[0], f"<id {len(self._names)}>"), text)
        text = text.replace(_HOME, "~")
        for pattern, replacement in _ALWAYS_DIFFERENT:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value


def normalise(notebook: NotebookNode) -> dict[str, Any]:
    """Outputs cell by cell and the widgets' state, in a form that is equal for equal runs."""
    names = _Names()
    widgets = notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {})
    # In the order in which they were opened: that gives the ids their names.
    states = {names.text(model_id): names.value(model) for model_id, model in widgets.items()}
    outputs = [[names.value(_without_counts(output)) for output in cell.outputs] for cell in notebook.cells]
    return {"outputs": outputs, "states": states}


def _without_counts(output: NotebookNode) -> dict[str, Any]:
    return {key: value for key, value in output.items() if key != "execution_count"}
