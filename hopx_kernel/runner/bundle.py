"""The runner as one file, built from the package: a zip that any Python from 3.9 on runs as it is.

The package has another name in it, so that user code in the sandbox never meets a part of this package.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import marshal
import zipfile
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

__all__ = ["build_bundle"]

_NAME = "_hopx_runner"
_MAIN = f"import sys\nfrom {_NAME}.runner.main import main\nmain(sys.argv)\n"

#: No file's date goes in.
_DATE = (1980, 1, 1, 0, 0, 0)


@functools.lru_cache(maxsize=1)
def build_bundle() -> bytes:
    """The file's bytes, built once a process.

    Every module is in it twice, compiled for the Python that builds it and as source for any other.
    """
    package = Path(__file__).parent.parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__", _MAIN, compile(_MAIN, "__main__.py", "exec", dont_inherit=True))
        _add(archive, f"{_NAME}/__init__", "", compile("", "__init__.py", "exec", dont_inherit=True))
        for path in sorted(package.rglob("*.py")):
            name = path.relative_to(package).with_suffix("")
            if name.parts == ("errors",) or (name.parts[0] in ("runner", "protocol") and name.name != "bundle"):
                # Not compiled anew but from the module's own cached bytecode, as an import would take it: a kernel
                # waits for this.
                code = SourceFileLoader(name.name, str(path)).get_code(name.name)
                assert code is not None, path
                _add(archive, f"{_NAME}/{name.as_posix()}", path.read_text(encoding="utf-8"), code)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, source: str, code: CodeType) -> None:
    archive.writestr(zipfile.ZipInfo(f"{name}.py", _DATE), source)
    # An unchecked hash-based file: zipimport takes it as it is, and falls back to the source for another magic number.
    data = (
        importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(_rename(code, f"{name}.py"))
    )
    archive.writestr(zipfile.ZipInfo(f"{name}.pyc", _DATE), data)


def _rename(code: CodeType, filename: str) -> CodeType:
    """The same code with another file's name: where the package lies on the host is none of the sandbox's business."""
    constants = tuple(_rename(item, filename) if isinstance(item, CodeType) else item for item in code.co_consts)
    return code.replace(co_filename=filename, co_consts=constants)
