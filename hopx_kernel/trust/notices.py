"""What is said in place of what was not shown."""

from __future__ import annotations

__all__ = ["CONFIG_FILE", "MAPS_LEFT_OUT", "NO_NETWORK", "REMEDY", "TRUST_LINE", "note", "size"]

#: How to have what was left out, where nobody knows better.
REMEDY = "See the option trust."
#: How to have what a widget does not show by default; where to put it.
TRUST_LINE = 'c.HopxConfig.trust = "trusted"'
CONFIG_FILE = "jupyter_hopx_kernel_config.py"
#: Why a frame does not load what it wants from elsewhere, and how to have it.
NO_NETWORK = "The sandbox has no network (option network; it opens the host's)."

#: Why a figure with a map is not shown, or a map of it.
MAPS_LEFT_OUT = "A map, for which this page would fetch tiles or the outlines of countries, was not shown"


def size(count: int) -> str:
    """A number of characters, for a person."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000  # type: ignore[assignment]  # three digits are said
    return f"{count:.3g} GB"


def note(reasons: list[str], remedy: str) -> str:
    """One note of what was left out, and how to have it."""
    said = "; ".join(reasons)
    return f"[{said}.\n{remedy}]" if "\n" in remedy else f"[{said}. {remedy}]"
