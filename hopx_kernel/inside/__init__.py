"""Programs that the host hands to a sandbox's Python, as text. The package imports none of them.

Standard library only (and NumPy, pandas, pyarrow where the sandbox has them), Python 3.9.
"""
