"""`progress`, `result`, `error` and `track`, for editors and linters: ``from hopx_progress import track``.

In a sandbox these are builtins, and a module of this name is there without being installed. This one is for the
computer on which the notebook is written, so that names resolve and signatures show. Code that runs with it outside
of a sandbox prints the markers of the streaming guide.
"""

from hopx_kernel.runner.progress import error, progress, result, track

__all__ = ["error", "progress", "result", "track"]
