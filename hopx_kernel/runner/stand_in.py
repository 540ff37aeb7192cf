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

__all__ = ["make_error", "offer", "refuse"]

_NAME = "hopx_kernel"
_DOC = "The errors of ``%sandbox``. The rest of this package is not in the sandbox: its environment does not have it."

#: What somebody needs to know who writes in a cell what a program would.
_ELSEWHERE = "it is for programs on your own computer, and this code runs in a sandbox"
_INSTEAD = ". To run a cell in another sandbox, begin it with %%sandbox; a cell can import the errors alone: "


def offer() -> None:
    """Let the package be imported where nobody else finds one."""
    # Not as the last: where there is no package, a folder of its name would be found as a namespace.
    sys.meta_path.insert(0, _stand_in)


def refuse() -> None:
    """Where no ``%sandbox`` is either, say to whoever imports the package why it is not there."""
    sys.meta_path.insert(0, _refusal)


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


def _elsewhere() -> str:
    return _ELSEWHERE + _INSTEAD + ", ".join(errors.__all__)


class _StandIn:
    """Finds the package, and is what loads it where nobody else does."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        is_part = name.startswith(f"{_NAME}.") and getattr(sys.modules.get(_NAME), "__loader__", None) is self
        if name != _NAME and not is_part:
            return None
        found = _find_elsewhere(self, name, path, target)
        if is_part and found is None:
            raise ModuleNotFoundError(f"No module named {name!r} here: {_elsewhere()}", name=name)
        if is_part or (found is not None and found.loader is not None):
            return found
        spec = ModuleSpec(name, _stand_in, is_package=True)
        spec.submodule_search_locations = [] if found is None else found.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """As any module."""

    def exec_module(self, module: ModuleType) -> None:
        def missing(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(f"module {_NAME!r} has no attribute {name!r}")
            # No AttributeError: of that, ``from hopx_kernel import ...`` would tell nothing.
            raise ImportError(f"{name!r} of {_NAME!r} is not here: {_elsewhere()}", name=_NAME)

        names = {name: getattr(errors, name) for name in errors.__all__}
        module.__dict__.update(names, __doc__=_DOC, __all__=[*names], __getattr__=missing, errors=errors)
        sys.modules[f"{_NAME}.errors"] = errors


class _Refusal:
    """Finds the package where there is one, and else says why not."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _NAME:
            return None
        found = _find_elsewhere(self, name, path, target)
        if found is None or found.loader is None:
            raise ModuleNotFoundError(f"No module named {name!r} here: {_ELSEWHERE}.", name=name)
        return found


def _find_elsewhere(finder: object, name: str, path: Any, target: Any) -> Any:
    """What the other finders find."""
    others = [each.find_spec for each in sys.meta_path if each is not finder]
    return next(filter(None, (find(name, path, target) for find in others)), None)


_stand_in: Any = _StandIn()
_refusal: Any = _Refusal()
