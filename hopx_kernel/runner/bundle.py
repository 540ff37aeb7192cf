"""The runner as one file, built from the package: a zip that any Python from 3.9 on runs as it is."""

from __future__ import annotations

__all__ = ["build_bundle"]


def build_bundle() -> bytes:
    """The file's bytes, built once a process."""
    raise NotImplementedError
