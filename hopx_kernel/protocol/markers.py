r"""Progress markers in a text stream, as bash, Node and child processes print them.

``__PROGRESS__{"message": "Loading", "percent": 40}`` and likewise ``__RESULT__{"data": ...}`` and
``__ERROR__{"message": ...}``: a marker, one JSON object, and the newline that ended it. They are found in the middle of
a line and split over any number of chunks. What only looks like one is the text that it is.

This module imports the standard library, `messages` and `marker_runs` only, and runs on Python 3.9.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from .marker_runs import last_of_run
from .messages import Message, make_event

__all__ = ["HOLD_SECONDS", "MAX_PAYLOAD_CHARS", "SURE_HOLD_SECONDS", "MarkerParser", "Merge", "payload_event"]

#: How long to wait for the rest of what may become a marker, in seconds: a prompt can end in ``_``, too. What cannot well
#: be anything else waits longer, as whoever prints it may be slow, and so may the way.
HOLD_SECONDS = 0.2
SURE_HOLD_SECONDS = 5.0

#: A payload longer than this is text: it bounds what a marker without an end may hold back.
MAX_PAYLOAD_CHARS = 1 << 20

_MARKERS = ("__PROGRESS__", "__RESULT__", "__ERROR__")
_MARKER = re.compile("__(PROGRESS|RESULT|ERROR)__")
#: A marker, and where an object follows it the blanks between them.
_WHOLE = re.compile(r"__(PROGRESS|RESULT|ERROR)__(?:([ \t]{0,4})(?=\{))?")
#: Reads one JSON value at a place of a text, and gives it with its end.
_SCAN = json.JSONDecoder(parse_constant=str).scan_once  # type: ignore[attr-defined]  # typeshed has its arguments only
#: How most markers begin.
_NEXT = "__PROGRESS__{"
_PARTIALS = frozenset(marker[:length] for marker in _MARKERS for length in range(1, len(marker)))
_LONGEST = max(map(len, _MARKERS))
_INTEREST = re.compile(r'["{}\n\r]')
_IN_STRING = re.compile(r'["\\\n\r]')
#: Markers without a payload on one line, after which the rest of it is text: each is looked at to the line's end.
_MAX_FAILURES = 16
#: Reports of one text that are given though they could be merged, so that what is drawn from them has a shape.
_MAX_KEPT = 32
#: After so many that were merged, it is tried whether many more like them follow.
_TRY_EVERY = 8
_BLANKS = 4  # `__PROGRESS__ {...}`, from a shell's echo of two words, is meant as one


#: ``merge(old, new, must)``: see `MarkerParser.merge`.
Merge = Callable[[Dict[str, Any], Dict[str, Any], bool], bool]


class MarkerParser:
    """Takes the markers out of one stream of one run.

    Parameters
    ----------
    parent_id : str
        The run's id, for the events.

    Attributes
    ----------
    merge : callable, optional
        ``merge(old, new, must)`` takes the content of a report into that of an earlier one of the same task, which has
        not left yet; False where both are to be given, which it should not be when it `must`.

    Notes
    -----
    Between two calls at most an unfinished marker is held back: a part of its name, or a payload whose end has not come.
    """

    def __init__(self, parent_id: str = "") -> None:
        self.merge: Optional[Merge] = None
        self._parent_id = parent_id
        self._held = ""
        self._scan: Optional[_PayloadScan] = None
        self._eats_newline = False
        self._failures = 0

    @property
    def is_holding(self) -> bool:
        """Whether text waits for what comes next."""
        return bool(self._held) or self._scan is not None

    @property
    def hold_seconds(self) -> float:
        """How long what is held may wait for what comes next, before `flush` gives it."""
        is_sure = self._scan is not None or len(self._held) > len("__")
        return SURE_HOLD_SECONDS if is_sure else HOLD_SECONDS

    def feed(self, text: str) -> List[Union[str, Message]]:
        """Give texts and events in the order in which they were printed; never an empty text."""
        is_fresh = not (self._held or self._scan is not None or self._eats_newline)
        if is_fresh and ("_" not in text or ("__" not in text and not text.endswith("_"))):
            # What nearly all text is: no marker in it and none begun at its end. One character is found much faster.
            return [text] if text else []
        parts: List[Union[str, Message]] = []
        if self._scan is None:
            text, self._held = self._held + text, ""
        while text:
            if self._scan is not None:
                text = self._go_on(text, parts)
            elif self._eats_newline:
                text = self._eat_newline(text)
            else:
                if not self._failures:
                    text = self._take_whole(text, parts)
                text = self._look(text, parts) if text else ""
        return _joined(parts)

    def flush(self) -> List[Union[str, Message]]:
        """Give what is held back: at the end of the run, or when a prompt that ends in ``_`` has waited enough."""
        held = self._scan.text if self._scan is not None else self._held
        self._scan, self._held = None, ""
        return [held] if held else []

    def _take_whole(self, text: str, parts: List[Union[str, Message]]) -> str:
        """Markers that are whole, with the end of their line; gives what follows the last, for `_look`.

        A program may print a million of them: each costs its JSON, and no copy of what comes after it.
        """
        position, kept, merged = 0, 0, 0
        reports: Dict[Any, Message] = {}
        while True:
            if text.startswith(_NEXT, position):  # what mostly follows one; looking there is much faster than searching
                found, kind, start = position, "PROGRESS", position + len(_NEXT) - 1
            else:
                match = _WHOLE.search(text, position)
                if match is None or match.lastindex != 2:
                    return text[position:]
                found, kind, start = match.start(), match.group(1), match.end()
            whole = _read_whole(text, kind, start)
            if whole is None:
                return text[position:]
            content, end = whole
            if found > position:
                parts.append(text[position:found])
            position = end
            msg_type, is_merged = _MSG_TYPES[kind], False
            if self.merge is None or msg_type != "progress":
                reports.clear()
            else:
                last = reports.get(content.get("task"))
                is_merged = last is not None and self.merge(last.content, content, kept >= _MAX_KEPT)
            if is_merged:
                merged += 1
                if not merged % _TRY_EVERY:
                    position = last_of_run(text, position, content)
            else:
                event = make_event(msg_type, content, self._parent_id)
                parts.append(event)
                kept += 1
                if msg_type == "progress":
                    reports[content.get("task")] = event

    def _eat_newline(self, text: str) -> str:
        if text == "\r":
            self._held = text
            return ""
        self._eats_newline = False
        return text[2:] if text.startswith("\r\n") else text[text.startswith("\n") :]

    def _look(self, text: str, parts: List[Union[str, Message]]) -> str:
        """Text up to the next marker; gives what follows the marker."""
        if self._failures >= _MAX_FAILURES:
            end = text.find("\n") + 1
            self._failures = 0 if end else self._failures
            parts.append(text[: end or len(text)])
            return text[end:] if end else ""
        match = _MARKER.search(text)
        if match is None or "\n" in text[: match.start()]:
            self._failures = 0
        if match is not None:
            parts.append(text[: match.start()])
            self._scan = _PayloadScan(match.group(), match.group(1))
            return text[match.end() :]
        length = _partial_length(text)
        parts.append(text[: len(text) - length])
        self._held = text[len(text) - length :]
        return ""

    def _go_on(self, text: str, parts: List[Union[str, Message]]) -> str:
        """Text into the open payload; gives what follows its end."""
        scan = self._scan
        assert scan is not None
        rest = scan.feed(text)
        if rest is None:
            return ""
        self._scan = None
        event = scan.event(self._parent_id)
        if event is None:
            self._failures += 1
            # Not one. Its marker is text, and what follows the marker may hold another.
            parts.append(scan.marker)
            return scan.text[len(scan.marker) :] + rest
        parts.append(event)
        self._eats_newline = True
        return rest


def _read_whole(text: str, kind: str, start: int) -> Optional[Tuple[Dict[str, Any], int]]:
    """The content of a marker whose payload is whole on its line, and where what follows it begins; None for all others."""
    try:
        payload, end = _SCAN(text, start)
    except (StopIteration, ValueError, RecursionError):
        return None
    newline = text.find("\n", start, end + 1)
    if end - start >= MAX_PAYLOAD_CHARS or 0 <= newline < end or text.find("\r", start, end) >= 0:
        return None
    content = _payload_content(kind, payload)
    if content is None:
        return None
    if newline == end:
        return content, end + 1
    if text.startswith("\r", end) or end == len(text):
        return None  # whether what comes next belongs to it is for `_eat_newline` to see
    return content, end


class _PayloadScan:
    """Finds where the JSON object behind a marker ends, looking at each character once."""

    def __init__(self, marker: str, kind: str) -> None:
        self.marker = marker
        self.kind = kind
        self._pieces: List[str] = []
        self._size = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._is_whole = False

    @property
    def text(self) -> str:
        """Marker and payload, as printed."""
        return self.marker + "".join(self._pieces)

    def feed(self, text: str) -> Optional[str]:
        """Take text; gives what follows the payload's end, or None when it goes on."""
        position = 0
        if not self._depth:
            position = self._skip_blanks(text)
            if position < 0:
                return text
            if position == len(text):
                return self._keep(text)
            self._depth, position = 1, position + 1
        end = self._find_end(text, position)
        if end is None:
            return self._keep(text)
        self._pieces.append(text[:end])
        return text[end:]

    def event(self, parent_id: str) -> Optional[Message]:
        """The event of a payload that has ended, or None where it is none."""
        if not self._is_whole:
            return None
        try:
            payload = json.loads("".join(self._pieces), parse_constant=str)
        except (ValueError, RecursionError):
            return None
        return payload_event(self.kind, payload, parent_id)

    def _skip_blanks(self, text: str) -> int:
        """Where the object begins; the text's length when it does not yet, -1 when it never will."""
        stripped = text.lstrip(" \t")
        blanks = len(text) - len(stripped)
        if self._size + blanks > _BLANKS or (stripped and stripped[0] != "{"):
            return -1
        return blanks

    def _keep(self, text: str) -> Optional[str]:
        if self._size + len(text) > MAX_PAYLOAD_CHARS:
            return text
        self._pieces.append(text)
        self._size += len(text)
        return None

    def _find_end(self, text: str, position: int) -> Optional[int]:
        if self._escaped and position < len(text):
            position, self._escaped = position + 1, False
        while True:
            match = (_IN_STRING if self._in_string else _INTEREST).search(text, position)
            if match is None:
                return None
            char, position = match.group(), match.end()
            if char in "\r\n":
                return match.start()  # json.dumps writes one line: this one has no end
            if char == '"':
                self._in_string = not self._in_string
            elif char == "\\":
                self._escaped = position >= len(text)
                position += 1
            else:
                self._depth += 1 if char == "{" else -1
                if not self._depth:
                    self._is_whole = self._size + position <= MAX_PAYLOAD_CHARS
                    return position


def payload_event(kind: str, payload: Any, parent_id: str = "") -> Optional[Message]:
    """Make an event of a marker's payload, or None when it does not hold what its kind needs.

    Parameters
    ----------
    kind : {"PROGRESS", "RESULT", "ERROR"}
    payload : any JSON value
    """
    content = _payload_content(kind, payload)
    return None if content is None else Message(_MSG_TYPES[kind], content, parent_id=parent_id)


def _payload_content(kind: str, payload: Any) -> Optional[Dict[str, Any]]:
    if not isinstance(payload, dict) or ("type" in payload and payload["type"] != _TYPES[kind]):
        return None
    return _CONTENTS[kind](payload)


def _progress(payload: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    if payload.keys() <= _PROGRESS_KEYS and None not in payload.values():
        content = payload
    else:
        content = {key: value for key, value in payload.items() if value is not None and key in _PROGRESS_KEYS}
    if not content:
        return None
    if type(content.get("message")) is not str:
        content["message"] = _as_text(content.get("message", ""))
    for key in _NAMES:
        if key in content and type(content[key]) is not str:
            content[key] = _as_text(content[key])
    return content


def _result(payload: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    return {"data": payload["data"]} if "data" in payload else None


def _error(payload: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    return {"message": _as_text(payload["message"])} if "message" in payload else None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _partial_length(text: str) -> int:
    """How many characters at the end of a text may begin a marker."""
    start = text.rfind("_", max(0, len(text) - _LONGEST))
    if start < 0:
        return 0
    for length in range(min(_LONGEST - 1, len(text)), 0, -1):
        if text[-length:] in _PARTIALS:
            return length
    return 0


def _joined(parts: List[Union[str, Message]]) -> List[Union[str, Message]]:
    result: List[Union[str, Message]] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        elif part:
            result.append(part)
    return result


_NAMES = ("task", "parent")
_TYPES = {"PROGRESS": "progress", "RESULT": "result", "ERROR": "error"}
_PROGRESS_KEYS = frozenset(
    ("message", "percent", "data", "task", "current", "total", "unit", "state", "parent", "omitted")
)
_MSG_TYPES = {"PROGRESS": "progress", "RESULT": "result", "ERROR": "alert"}
_CONTENTS: Dict[str, Callable[[Dict[str, Any]], Optional[Dict[str, Any]]]] = {
    "PROGRESS": _progress,
    "RESULT": _result,
    "ERROR": _error,
}
