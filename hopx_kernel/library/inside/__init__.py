"""Programs that the host hands to a sandbox's Python, as text.

Standard library only (and NumPy, pandas, pyarrow where there are any), Python 3.9. `values` works on both sides, and is
the only one that the package imports too.
"""
