"""The runner as one file, built from the package: a zip that any Python from 3.9 on runs as it is.

The package has another name in it, so that user code in the sandbox never meets a part of this package.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zipfile import ZipFile

__all__ = ["build_bundle"]

_NAME = "_hopx_runner"
_MAIN = f"import sys\nfrom {_NAME}.runner.main import main\nmain(sys.argv)\n"
_PACKAGE = Path(__file__).parent.parent

#: What goes in beside the errors. The library's own face is not among it, only what lies inside of sandboxes.
_FOLDERS = ("protocol", "runner", "library/inside")

#: This module, and a program that the host hands to a sandbox as text.
_LEFT_OUT = (Path(__file__), _PACKAGE / "library" / "inside" / "files.py")

#: No file's date goes in.
_DATE = (1980, 1, 1, 0, 0, 0)


#: The bytes that could not be kept in a file, and their stamp. Those that could are not held: they are much of what a
#: kernel at rest has in memory.
_unkept = (b"", b"")


def build_bundle() -> bytes:
    """The file's bytes.

    Every module is in it twice, compiled for the Python that builds it and as source for any other. It is kept beside
    this module's bytecode and under the same rule, by dates and sizes, since a kernel that starts waits for it.
    """
    global _unkept
    paths = [_PACKAGE / "errors.py", *(path for folder in _FOLDERS for path in sorted(_PACKAGE.glob(f"{folder}/*.py")))]
    paths = [path for path in paths if path not in _LEFT_OUT]
    cache = Path(importlib.util.cache_from_source(__file__)).with_suffix(".zip")
    stamp = _stamp(paths)
    try:
        kept = cache.read_bytes()
    except OSError:
        kept = b""
    if kept.startswith(stamp):
        return kept[len(stamp) :]
    if _unkept[0] != stamp:
        bundle = _build(paths)
        if not sys.dont_write_bytecode and _keep(cache, stamp + bundle):
            return bundle
        _unkept = stamp, bundle
    return _unkept[1]


def _stamp(paths: list[Path]) -> bytes:
    stats = [(path.name, status.st_mtime_ns, status.st_size) for path in paths for status in [path.stat()]]
    return hashlib.sha256(repr((importlib.util.MAGIC_NUMBER, stats)).encode()).digest()


def _keep(cache: Path, data: bytes) -> bool:
    """Write the file as a whole or not at all, and tell which: other kernels may be reading it, or writing it too."""
    temporary = cache.with_suffix(f".{os.getpid()}")
    try:
        cache.parent.mkdir(exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(cache)
    except OSError:
        return False  # an installation that its user cannot write to
    return True


def _build(paths: list[Path]) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__", _MAIN, compile(_MAIN, "__main__.py", "exec", dont_inherit=True))
        for package in (_NAME, f"{_NAME}/library"):
            _add(archive, f"{package}/__init__", "", compile("", "__init__.py", "exec", dont_inherit=True))
        for path in paths:
            # Not compiled anew but from the module's own cached bytecode, as an import would take it.
            code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
            assert code is not None, path
            name = path.relative_to(_PACKAGE).with_suffix("").as_posix()
            _add(archive, f"{_NAME}/{name}", path.read_text(encoding="utf-8"), code)
    return buffer.getvalue()


def _add(archive: ZipFile, name: str, source: str, code: CodeType) -> None:
    import marshal
    from zipfile import ZIP_DEFLATED, ZipInfo

    # Mostly not read at all; what is compiled is not compressed, since a start waits for it.
    archive.writestr(ZipInfo(f"{name}.py", _DATE), source, ZIP_DEFLATED, 6)
    # An unchecked hash-based file: zipimport takes it as it is, and falls back to the source for another magic number.
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    archive.writestr(ZipInfo(f"{name}.pyc", _DATE), head + marshal.dumps(_rename(code, f"{name}.py")))


def _rename(code: CodeType, filename: str) -> CodeType:
    """The same code with another file's name: where the package lies on the host is none of the sandbox's business."""
    constants = tuple(_rename(item, filename) if isinstance(item, CodeType) else item for item in code.co_consts)
    return code.replace(co_filename=filename, co_consts=constants)
