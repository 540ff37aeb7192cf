"""The runner as one file, built from the package: a zip that any Python from 3.9 on runs as it is.

The package has another name in it, so that user code in the sandbox never meets a part of this package.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import marshal
import zipfile
from pathlib import Path

__all__ = ["build_bundle"]

_NAME = "_hopx_runner"
_MAIN = f"import sys\nfrom {_NAME}.runner.main import main\nmain(sys.argv)\n"

#: No file's date goes in: the same package always makes the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


@functools.lru_cache(maxsize=1)
def build_bundle() -> bytes:
    """The file's bytes, built once a process.

    Every module is in it twice, compiled for the Python that builds it and as source for any other.
    """
    package = Path(__file__).parent.parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__", _MAIN)
        _add(archive, f"{_NAME}/__init__", "")
        for path in sorted(package.rglob("*.py")):
            name = path.relative_to(package).with_suffix("")
            if name.parts == ("errors",) or (name.parts[0] in ("runner", "protocol") and name.name != "bundle"):
                _add(archive, f"{_NAME}/{name.as_posix()}", path.read_text(encoding="utf-8"))
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, source: str) -> None:
    archive.writestr(zipfile.ZipInfo(f"{name}.py", _DATE), source)
    code = compile(source, f"{name}.py", "exec", dont_inherit=True)
    # An unchecked hash-based file: zipimport takes it as it is, and falls back to the source for another magic number.
    data = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)
    archive.writestr(zipfile.ZipInfo(f"{name}.pyc", _DATE), data)
