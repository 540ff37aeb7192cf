"""Programs that run in a sandbox, as the host hands them to its Python or as a part of the runner.

Standard library only (and NumPy, pandas, pyarrow where there are any), Python 3.9. `values`, `copies`, `background` and
`names` work on both sides; `files` is text for the sandbox only.
"""
