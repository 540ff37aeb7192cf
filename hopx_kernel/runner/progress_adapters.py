"""Unmodified tqdm and rich.progress as our bars: their classes are adapted when somebody imports them."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any, Callable, Dict, Optional, Sequence

from .progress_rich import adapt_rich
from .progress_tqdm import adapt_tqdm, adapt_tqdm_notebook

__all__ = ["install_hooks"]


def install_hooks() -> None:
    """Adapt what is imported already, and the rest when it is imported."""
    for name, adapt in _ADAPTERS.items():
        module = sys.modules.get(name)
        if module is not None:
            adapt(module)
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing by itself: asks the others, and adapts what their loaders load."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname not in _ADAPTERS:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, _ADAPTERS[fullname])
                return spec
        return None


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: Any, adapt: Callable[[Any], None]) -> None:
        self._loader = loader
        self._adapt = adapt

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[types.ModuleType]:
        module: Optional[types.ModuleType] = self._loader.create_module(spec)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        try:
            self._adapt(module)
        except AttributeError:
            return  # a version that is built otherwise: its own bars go to stdout as they always have

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


_ADAPTERS: Dict[str, Callable[[Any], None]] = {
    "tqdm.std": adapt_tqdm,
    "tqdm.notebook": adapt_tqdm_notebook,
    "rich.progress": adapt_rich,
}
