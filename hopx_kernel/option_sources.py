"""Where options are looked for: names only, so that it costs next to nothing to ask whether any is set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["ARGUMENT_PREFIX", "FILE_ENDINGS", "FILE_NAME", "VARIABLE_PREFIX", "option_files"]

#: Configuration files in Jupyter's configuration directories; of two in one directory the later one wins.
FILE_NAME, FILE_ENDINGS = "jupyter_hopx_kernel_config", (".json", ".py")

#: How environment variables and command line arguments with options begin.
VARIABLE_PREFIX, ARGUMENT_PREFIX = "HOPX_", "--HopxConfig."


def option_files() -> Iterator[Path]:
    """The configuration files that there are, the later over the earlier: the user's over the system's."""
    from jupyter_core.paths import jupyter_config_path

    for directory in reversed(jupyter_config_path()):
        for ending in FILE_ENDINGS:
            path = Path(directory, FILE_NAME + ending)
            if path.exists():
                yield path
