"""The policy: which content of a message passes, which is changed, and which is replaced by a note.

The parsers for markup are imported with the first markup: a kernel starts without them.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any

from .buffers import pair, without_prototypes
from .kinds import MAX_DEPTH, LeftOut, Outcome, clean_value, is_heavy, is_record
from .metadata import safe_metadata
from .notices import REMEDY, note
from .text import TextFilter, clean_line, clean_text
from .values import plain_word
from .widgets import MAX_ID, WidgetFilter
from .worker import Cleaner

__all__ = ["TrustPolicy"]

Bundle = dict[str, Any]

#: The comm target of ipywidgets, whose messages are known well enough to be made harmless one by one.
WIDGET_TARGET = "jupyter.widget"

#: How IPython describes an object in text that it could not show.
_OBJECT = ("<IPython.core.display.", "<IPython.display.", "<IPython.lib.display.")


class TrustPolicy:
    """What output may do to the page.

    Parameters
    ----------
    trusted : bool
        Let everything through as it is. Code in the sandbox can then act in the page as the person.
    comm_targets : collection of str
        Targets of the page's, beside the widgets', that comms of the sandbox may write to as they like. What goes to any
        other is cleaned as if it were for a widget: a program that keeps widgets may not look at the target.
    front_end_files : container of str
        Texts that an anywidget may bring as its module or its style sheet.
    network : bool
        Whether what runs in a frame may load something from the network.
    remedy : str
        A sentence that says how to have what was left out.
    """

    def __init__(
        self,
        trusted: bool = False,
        comm_targets: Collection[str] = (),
        front_end_files: Container[str] = (),
        *,
        network: bool = False,
        remedy: str = REMEDY,
    ) -> None:
        self.trusted = trusted
        self.network = network
        #: Where what is heavy is cleaned.
        self.cleaner = Cleaner(network)
        self._remedy = remedy
        self._comm_targets = frozenset(comm_targets)
        self._widgets = WidgetFilter(self.bundle, front_end_files)

    def text_filter(self) -> TextFilter:
        """A filter for one stream of text."""
        return _PassingFilter() if self.trusted else TextFilter()

    def text(self, text: str) -> str:
        """One whole text."""
        return text if self.trusted else clean_text(text)

    def error(self, content: Bundle) -> Bundle:
        """The content of an ``error`` or of a reply that tells one; its name is one line, also in logs."""
        if self.trusted:
            return content
        traceback = content.get("traceback")
        return {
            **content,
            "ename": clean_line(content.get("ename", ""), 200),
            "evalue": clean_text(str(content.get("evalue", ""))),
            "traceback": [clean_text(str(line)) for line in traceback] if isinstance(traceback, list) else [],
        }

    def heavy(self, data: Bundle) -> dict[str, str]:
        """What of a bundle is better cleaned elsewhere (`worker`) than where others wait for it; its type, and its text."""
        if self.trusted:
            return {}
        return {mime: text for mime, value in data.items() if (text := is_heavy(mime, value)) is not None}

    def bundle(
        self, data: Bundle, metadata: Bundle, done: Mapping[str, Outcome] | None = None
    ) -> tuple[Bundle, Bundle]:
        """A MIME bundle and its metadata; of what is in `done`, that is taken instead of cleaning it here."""
        if self.trusted:
            return data, metadata
        safe: Bundle = {}
        reasons: list[str] = []
        for mime, value in data.items():
            outcome = done[mime] if done and mime in done else clean_value(str(mime), value, self.network, at_once=True)
            if isinstance(outcome, LeftOut):
                reasons.append(outcome.reason)
            else:
                for name, replacement in outcome.items():
                    # What the code itself gave for a type is preferred to what was made of another.
                    if name == mime or (name not in data and name not in safe):
                        safe[name] = replacement
        if reasons and not any(_shows(mime) for mime in safe):
            plain = str(safe.get("text/plain", ""))
            rest = "" if plain.startswith(_OBJECT) and plain.endswith(">") else plain
            safe["text/plain"] = clean_text(note(reasons, self._remedy)) + (f"\n{rest}" if rest else "")
        return safe, safe_metadata(metadata)

    def comm(
        self, msg_type: str, comm_id: str, data: Bundle, buffers: Sequence[Any], target_name: str = WIDGET_TARGET
    ) -> tuple[Bundle, Sequence[Any]] | None:
        """The data and buffers of a comm message of the sandbox's; None where it is not to be passed."""
        if self.trusted or target_name in self._comm_targets:
            return data, buffers
        if target_name == WIDGET_TARGET:
            return self._widgets.clean(msg_type, comm_id, data, buffers)
        return _other(data, buffers)

    def comm_metadata(self, metadata: Bundle, target_name: str) -> Bundle:
        """The metadata of a comm message of the sandbox's."""
        if self.trusted or target_name in self._comm_targets:
            return metadata
        if target_name != WIDGET_TARGET:
            return metadata if without_prototypes(metadata, MAX_DEPTH) else {}
        version = metadata.get("version")
        return {"version": version} if isinstance(version, str) and plain_word(version) else {}

    def comm_states(self, data: Bundle, buffers: Sequence[Any]) -> tuple[Bundle, Sequence[Any]]:
        """The sandbox's answer to a page that asks for the states of all widgets."""
        return (data, buffers) if self.trusted else self._widgets.states(data, buffers)

    def comm_opened_by_page(self, comm_id: str, data: Bundle) -> None:
        """Note a widget that the page has made itself."""
        if not self.trusted and len(comm_id) <= MAX_ID:
            self._widgets.opened_by_page(comm_id, data)

    def comm_closed(self, comm_id: str | None = None) -> None:
        """Note that a comm has been closed, whoever closed it; without an id, that all have."""
        if comm_id is None:
            self._widgets.close_all()
        else:
            self._widgets.close(comm_id)


def _other(data: Bundle, buffers: Sequence[Any]) -> tuple[Bundle, Sequence[Any]] | None:
    """A message to an extension of the page's own, which is not known here: data, and nothing that a widget is made of.

    Programs that keep a notebook's widgets take what stands under these keys for a widget's state, whatever the target.
    """
    if not without_prototypes(data, MAX_DEPTH):
        return None
    clean = {key: value for key, value in data.items() if key not in ("state", "states")}
    if "buffer_paths" not in data:
        return clean, buffers
    pairs = pair(data, buffers)
    return {**clean, "buffer_paths": [path for path, _ in pairs]}, [buffer for _, buffer in pairs]


class _PassingFilter(TextFilter):
    def feed(self, text: str) -> str:
        return text


def _shows(mime: str) -> bool:
    """Whether a front end shows a type as more than a text that may stand for something else."""
    kind = mime.lower()
    return kind != "text/plain" and not is_record(kind)
