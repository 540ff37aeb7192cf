"""How much of a run's printed output is shown, and how often: text in, fewer and larger texts out.

Pure: time is passed in, in seconds of any monotonic clock. Order is kept; nothing but text waits here, and whoever
sends something else calls `flush` first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

__all__ = ["MESSAGE_BYTES", "RateLimiter", "StreamShaper", "collapse_carriage_returns"]

#: The largest text in one message: it bounds what the queues to the front ends hold.
MESSAGE_BYTES = 128 * 1024

#: Seconds between two messages of a burst: short at first, longer while it lasts.
FIRST_INTERVAL_SECONDS = 0.01
LAST_INTERVAL_SECONDS = 0.1

#: What is kept of the end of output that is omitted: the lines before an error are the ones that matter.
TAIL_BYTES = 4096

#: After the end of a run, seconds between two notices about what its threads print beyond the limit.
NOTICE_SECONDS = 10.0

Text = tuple[str, str]


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def collapse_carriage_returns(text: str, at_line_start: bool) -> str:
    r"""Drop what ``\r`` overwrites at once.

    Parameters
    ----------
    text : str
        Printed text.
    at_line_start : bool
        Whether it begins a line; what stood on the line before it is not known here and is left to the front end.

    Returns
    -------
    str
        A text that looks the same when it is printed. Lines with terminal escapes that move the cursor stay as they are.
    """
    if "\r" not in text:
        return text
    *lines, last = text.split("\n")
    ended = [_collapse_line(line, at_line_start or index > 0, ended=True) for index, line in enumerate(lines)]
    return "\n".join([*ended, _collapse_line(last, at_line_start or bool(lines), ended=False)])


def _collapse_line(line: str, whole: bool, ended: bool) -> str:
    segments = line.split("\r")
    if len(segments) == 1:
        return line
    head = "" if whole else segments.pop(0) + "\r"
    shown = segments[0]
    for segment in segments[1:]:
        if segment:
            shown = _overwrite(shown, segment)
    # The cursor is at the start of the line, and what comes next overwrites it.
    return head + shown + ("\r" if shown and not segments[-1] and not ended else "")


def _overwrite(below: str, above: str) -> str:
    if "\x1b" not in above and "\x1b" not in below:
        return above + below[len(above) :]
    if "\x1b[K" in above or "\x1b[2K" in above or _columns(above) >= _columns(below):
        return above
    return below + "\r" + above


def _columns(text: str) -> int:
    """How many columns a text with colour escapes takes; escapes of other kinds count as wide, which is cautious."""
    count, position = 0, 0
    while (start := text.find("\x1b[", position)) >= 0:
        count += start - position
        end = start + 2
        while end < len(text) and text[end] in "0123456789;":
            end += 1
        position = end + 1 if text[end : end + 1] == "m" else start + 2
    return count + len(text) - position


class StreamShaper:
    """One run's printed output on its way to the front ends.

    The first text after quiet leaves at once. A burst is joined into one message per interval, and the interval grows
    while the burst lasts. What goes over the limit is counted and its end kept.

    Parameters
    ----------
    limit_bytes : int, optional
        Bytes that are shown. None: all.

    Attributes
    ----------
    deadline : float or None
        When `flush` is due by itself; None while nothing waits.
    omitted_bytes, omitted_lines : int
        What was not shown so far.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.deadline: float | None = None
        self.omitted_bytes = 0
        self.omitted_lines = 0
        self._room = limit_bytes
        self._omitting = False
        self._is_over = False
        self._has_shown = False
        self._told_bytes = 0
        self._ended = False
        self._name = ""
        self._parts: list[str] = []
        self._parts_bytes = 0
        self._at_line_start = {"stdout": True, "stderr": True}
        self._interval = FIRST_INTERVAL_SECONDS
        self._sent_at = -1e9
        self._tail = _Tail()

    def feed(self, name: str, text: str, now: float) -> list[Text]:
        """Take a text of the stream `name`; gives the ``(name, text)`` messages to send now."""
        messages: list[Text] = []
        if self._parts and name != self._name:
            messages += self._take(now)
        text = self._within_limit(name, text, now)
        if not text:
            return messages
        self._name = name
        self._parts.append(text)
        self._parts_bytes += _size(text)
        if self._parts_bytes >= MESSAGE_BYTES or now >= self._sent_at + self._interval:
            messages += self._take(now)
        elif self.deadline is None:
            self.deadline = self._sent_at + self._interval
        return messages

    def flush(self, now: float) -> list[Text]:
        """What waits: because its deadline has come, or because something else is about to be sent."""
        messages = self._take(now) if self._parts else []
        if self._ended and self.deadline is not None and now >= self.deadline:
            self.deadline = None
        return messages

    def omit_rest(self) -> None:
        """Show no more of this run than its end: the person has asked it to stop."""
        self._omitting = True

    def end(self, where: str, now: float) -> list[Text]:
        """The last messages of a run: what waits, the end of what was omitted, and one line that counts it.

        Parameters
        ----------
        where : str
            Where the whole output can be had; may be empty.
        """
        messages = self._take(now) if self._parts else []
        self._ended = True
        self.deadline = None
        if self.omitted_bytes == self._told_bytes:
            return messages
        self._told_bytes = self.omitted_bytes
        name, tail = self._tail.take()
        cause = " (option output_limit)" if self._is_over else ""
        told = f"{self.omitted_lines:,} lines ({self.omitted_bytes:,} bytes) of output were not shown above{cause}."
        text = f"{told} All of it: {where}" if where else told
        return [*messages, (name, f"\n[...]\n{tail}"), ("stderr", f"\n{text}\n")]

    @property
    def has_ended(self) -> bool:
        """Whether `end` was called: the texts that come now are from threads and tasks that the run left behind."""
        return self._ended

    @property
    def owes_notice(self) -> bool:
        """Whether something was omitted that no notice has counted."""
        return self.omitted_bytes != self._told_bytes

    def _within_limit(self, name: str, text: str, now: float) -> str:
        if self._room is None and not self._omitting:
            return text
        size = _size(text)
        shown = "" if self._omitting else text
        if not self._omitting and self._room is not None:
            if size <= self._room:
                self._room -= size
                self._has_shown = True
                return text
            self._omitting = self._is_over = True
            fits = text.encode("utf-8", "surrogatepass")[: self._room].decode("utf-8", "ignore")
            # At the end of a line; inside of one only where there is nothing else to show.
            shown = fits[: fits.rfind("\n") + 1] or ("" if self._has_shown else fits)
        omitted = text[len(shown) :]
        self.omitted_bytes += _size(omitted)
        self.omitted_lines += omitted.count("\n")
        self._tail.feed(name, omitted)
        if self._ended and self.deadline is None:
            self.deadline = now + NOTICE_SECONDS
        return shown

    def _take(self, now: float) -> list[Text]:
        text = "".join(self._parts)
        burst = now < self._sent_at + 2 * self._interval
        self._interval = min(self._interval * 2, LAST_INTERVAL_SECONDS) if burst else FIRST_INTERVAL_SECONDS
        self._parts, self._parts_bytes, self.deadline, self._sent_at = [], 0, None, now
        text = collapse_carriage_returns(text, self._at_line_start.get(self._name, False))
        self._at_line_start[self._name] = text.endswith("\n")
        return [(self._name, text[i : i + MESSAGE_BYTES]) for i in range(0, len(text), MESSAGE_BYTES)]


class _Tail:
    """The last lines of what is omitted, of whichever stream printed last."""

    def __init__(self) -> None:
        self._name = "stdout"
        self._parts: deque[str] = deque()
        self._length = 0

    def feed(self, name: str, text: str) -> None:
        if name != self._name:
            self._parts.clear()
            self._length = 0
        self._name = name
        self._parts.append(text[-TAIL_BYTES:])
        self._length += len(self._parts[-1])
        while self._length - len(self._parts[0]) >= TAIL_BYTES:
            self._length -= len(self._parts.popleft())

    def take(self) -> Text:
        text = "".join(self._parts)
        self._parts.clear()
        self._length = 0
        if len(text) > TAIL_BYTES:
            text = text[-TAIL_BYTES:]
            text = text[text.find("\n") + 1 :]
        return self._name, text


@dataclass
class RateLimiter:
    """Tells how long to wait, so that a front end's server never counts too much within its window.

    Two token buckets, which together stay under ``rate * window`` in any window: a burst of 0.6 seconds' worth, and
    seven tenths of the rate from then on. The rest is for one message that is larger than what was left.

    Parameters
    ----------
    messages_per_second, bytes_per_second : float or None
        The server's limits. None: none.
    """

    messages_per_second: float | None
    bytes_per_second: float | None
    _messages: float = field(default=0.0, init=False)
    _bytes: float = field(default=0.0, init=False)
    _at: float = field(default=0.0, init=False)

    SUSTAINED = 0.7
    BURST_SECONDS = 0.6

    def count(self, now: float, stream_bytes: int) -> None:
        """Note that a message was sent; `stream_bytes` is its size where it is printed output, else 0."""
        self._drain(now)
        self._messages += 1
        self._bytes += stream_bytes

    def delay(self, now: float) -> float:
        """Seconds to wait before the next message."""
        self._drain(now)
        waits = [0.0]
        if self.messages_per_second:
            over = self._messages - self.BURST_SECONDS * self.messages_per_second
            waits.append(over / (self.SUSTAINED * self.messages_per_second))
        if self.bytes_per_second:
            over = self._bytes - self.BURST_SECONDS * self.bytes_per_second
            waits.append(over / (self.SUSTAINED * self.bytes_per_second))
        return max(waits)

    def _drain(self, now: float) -> None:
        elapsed = max(0.0, now - self._at)
        self._at = now
        if self.messages_per_second:
            self._messages = max(0.0, self._messages - elapsed * self.SUSTAINED * self.messages_per_second)
        if self.bytes_per_second:
            self._bytes = max(0.0, self._bytes - elapsed * self.SUSTAINED * self.bytes_per_second)
