"""The front-end files of packages that are installed beside the kernel, by which a sandbox's copy of one is told."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Iterable
from pathlib import Path

__all__ = ["FrontEndFiles"]

_SUFFIXES = frozenset({".js", ".mjs", ".css"})

_log = logging.getLogger(__name__)


class FrontEndFiles:
    """The texts of the JavaScript and CSS files of some packages; they are read when the first text is asked for.

    Parameters
    ----------
    packages : iterable of str
        Import names of packages of the environment that the kernel itself runs in. They are not imported.
    """

    def __init__(self, packages: Iterable[str]) -> None:
        self._packages = tuple(packages)
        self._digests: frozenset[bytes] | None = None

    def __contains__(self, text: object) -> bool:
        """Whether a text is, to the byte, one of the files."""
        if not self._packages or not isinstance(text, str):
            return False
        if self._digests is None:
            self._digests = frozenset(digest for name in self._packages for digest in _digests(name))
        return hashlib.sha256(text.encode("utf-8", "replace")).digest() in self._digests


def _digests(package: str) -> Iterable[bytes]:
    try:
        spec = importlib.util.find_spec(package.partition(".")[0])
    except ValueError:
        spec = None
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        _log.warning("widget_packages names %.80r, which is not installed beside the kernel", package)
    for folder in folders or ():
        for path in Path(folder).rglob("*"):
            if path.suffix in _SUFFIXES and path.is_file():
                yield hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).digest()
