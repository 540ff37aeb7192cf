"""``hopx_kernel`` in the sandbox: the errors that ``%sandbox`` raises are caught by that package's names.

Where the sandbox has the package, they are its own. Where it has none, importing it gives the errors, and them alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .. import errors

__all__ = ["make_error", "offer"]

_NAME = "hopx_kernel"
_DOC = "The errors of ``%sandbox``. The rest of this package is not in the sandbox: its environment does not have it."


def offer() -> None:
    """Let the package be imported where nobody else finds one."""
    # Not as the last: where there is no package, a folder of its name would be found as a namespace.
    sys.meta_path.insert(0, _stand_in)


def make_error(name: str, *args: Any) -> Any:
    """One of the errors, of the class that code here knows by this name."""
    kind = getattr(_find_errors(), name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            return kind(*args)
        except Exception:
            pass  # it is another version's, and wants something else
    return getattr(errors, name)(*args)


def _find_errors() -> ModuleType:
    """The errors of the sandbox's own package, whether or not that has been imported yet; else ours."""
    try:
        spec = importlib.util.find_spec(_NAME)
        if spec is None or spec.loader is _stand_in or spec.submodule_search_locations is None:
            return errors
        return importlib.import_module(f"{_NAME}.errors")
    except Exception:
        return errors  # whatever it is that the sandbox has under this name


class _StandIn:
    """Finds the package, and is what loads it where nobody else does."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _NAME:
            return None
        finders = [finder.find_spec for finder in sys.meta_path if finder is not self]
        found = next(filter(None, (find(name, path, target) for find in finders)), None)
        if found is not None and found.loader is not None:
            return found
        spec = ModuleSpec(name, _stand_in, is_package=True)
        spec.submodule_search_locations = [] if found is None else found.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """As any module."""

    def exec_module(self, module: ModuleType) -> None:
        def missing(name: str) -> Any:
            raise AttributeError(f"module {_NAME!r} has no attribute {name!r} here. {_DOC}")

        names = {name: getattr(errors, name) for name in errors.__all__}
        module.__dict__.update(names, __doc__=_DOC, __all__=[*names], __getattr__=missing, errors=errors)
        sys.modules[f"{_NAME}.errors"] = errors


_stand_in: Any = _StandIn()
