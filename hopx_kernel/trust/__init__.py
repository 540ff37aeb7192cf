"""What output may do to the page it is shown in.

A script in a cell's output runs in the Jupyter page with the person's session, from where it can open a terminal on the
host. So under the policy "safe" nothing active reaches the page itself: markup is sanitised by nh3, markup with scripts
lives in a frame of its own origin, and what cannot be made harmless is replaced by a note.

Messages in, messages out; `worker` alone starts a process, for markup that takes long. Imports nothing of the package
but itself; parsers only when there is markup.
"""

from .outputs import clean_transient
from .policy import WIDGET_TARGET, TrustPolicy
from .text import TextFilter, clean_line, clean_text

__all__ = ["WIDGET_TARGET", "TextFilter", "TrustPolicy", "clean_line", "clean_text", "clean_transient"]
