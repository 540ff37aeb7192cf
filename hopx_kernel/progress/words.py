"""Durations, counts, rates and bytes as people read them. Pure."""

from __future__ import annotations

__all__ = ["amount", "byte_size", "duration", "rate"]


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``1:05``, ``2:03:04``, ``3 d 2:03:04``."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}:{minutes:02}:{rest:02}"
    days, hours = divmod(hours, 24)
    return f"{days:,} d {hours}:{minutes:02}:{rest:02}"


def byte_size(count: float) -> str:
    """``512 B``, ``1.5 MB``: powers of 1000, as the unit says."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or abs(count) >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} PB"


def amount(count: float, unit: str = "") -> str:
    """A count in its unit: ``1,200 rows``; bytes as sizes; no decimals that say nothing."""
    if unit == "B":
        return byte_size(count)
    if count == int(count):
        text = f"{int(count):,}" if abs(count) < 1e15 else f"{count:.3g}"
    else:
        text = f"{count:,.2f}" if 0.01 <= abs(count) < 1e6 else f"{count:.3g}"
    return f"{text} {unit}" if unit else text


def rate(per_second: float, unit: str = "") -> str:
    """``20/s``, ``1.5 MB/s``; below one in a second the time of one: ``4.0 s each``."""
    if unit == "B":
        return f"{byte_size(per_second)}/s"
    if per_second < 1:
        return f"{duration(1 / per_second)} each" if per_second > 1e-9 else ""
    if per_second < 9.95:
        return f"{per_second:.1f}/s"
    return f"{per_second:,.0f}/s" if per_second < 1e12 else f"{per_second:.3g}/s"
