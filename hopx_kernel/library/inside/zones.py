"""Time zones by kind and name, so that each is found as itself on the other side. Standard library, pytz, Python 3.9."""

from __future__ import annotations

import datetime
import re
import sys
import zoneinfo
from typing import Any, Dict

from .plain import Malformed, Refused, need

__all__ = ["dump_zone", "load_zone"]

#: What names of the zone database look like; a library takes another for the path of a file.
_NAME = re.compile(r"[A-Za-z0-9_+\-]{1,40}(/[A-Za-z0-9_+\-]{1,40}){0,3}\Z")

_MICROSECOND = datetime.timedelta(microseconds=1)
_DAY_MICROSECONDS = 86_400_000_000


def dump_zone(zone: Any) -> Dict[str, Any]:
    """What tells a zone from all others. Raises `Refused` for one that others cannot have by its name."""
    kind = type(zone)
    if kind is datetime.timezone:
        offset = zone.utcoffset(None)
        if zone is datetime.timezone.utc:
            return {"utc": True}
        if repr(zone) == repr(datetime.timezone(offset)):  # it has no name of its own
            return {"offset": offset // _MICROSECOND}
    elif kind is zoneinfo.ZoneInfo:
        if type(zone.key) is str and _NAME.match(zone.key) and zone is zoneinfo.ZoneInfo(zone.key):
            return {"zoneinfo": zone.key}
    elif kind.__module__.partition(".")[0] == "pytz":
        spec = _dump_pytz(sys.modules["pytz"], zone)
        if spec:
            return spec
    raise Refused("its time zone %r has no name that others know; convert it with tz_convert('UTC')" % (zone,))


def _dump_pytz(pytz: Any, zone: Any) -> Dict[str, Any]:
    name = getattr(zone, "zone", None)
    if type(name) is str and _NAME.match(name):
        # A moment's zone is one of a family, by the offset that it has then.
        known = pytz.timezone(name)
        if zone is known or zone in getattr(known, "_tzinfos", {}).values():
            return {"pytz": name}
    if name is None and zone is not pytz.UTC and hasattr(zone, "_minutes"):
        return {"pytz_minutes": zone._minutes}
    return {}


def load_zone(spec: Any) -> Any:
    """The zone of `dump_zone`'s words. Raises `Malformed`, and `Refused` where it is not known here."""
    (kind, what), *rest = spec.items()
    if rest:
        raise Malformed("its time zone has two kinds")
    if kind == "utc" and what is True:
        return datetime.timezone.utc
    if kind in ("offset", "pytz_minutes"):
        limit = _DAY_MICROSECONDS if kind == "offset" else 24 * 60
        if type(what) is not int or abs(what) >= limit:
            raise Malformed("its time zone's offset is none")
        return datetime.timezone(what * _MICROSECOND) if kind == "offset" else need("pytz").FixedOffset(what)
    if kind not in ("zoneinfo", "pytz") or type(what) is not str or not _NAME.match(what):
        raise Malformed("its time zone is no name")
    try:
        return zoneinfo.ZoneInfo(what) if kind == "zoneinfo" else need("pytz").timezone(what)
    except (KeyError, ValueError, OSError):
        raise Refused("its time zone %r is not known where it goes; install tzdata there" % (what,)) from None
