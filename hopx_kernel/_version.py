"""The package's version, importable without its metadata."""

__all__ = ["__version__"]

__version__ = "0.1.0"
