"""What output may do to the page it is shown in."""

from __future__ import annotations


class TextFilter:
    def feed(self, text: str) -> str:
        return text


class TrustPolicy:
    def __init__(self, trusted=False):
        pass

    def text_filter(self) -> TextFilter:
        return TextFilter()

    def text(self, text):
        return text

    def bundle(self, data, metadata):
        return data, metadata

    def comm(self, msg_type, comm_id, data, buffers):
        return data, buffers
