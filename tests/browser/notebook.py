"""Notebooks as files."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["write_notebook"]


def write_notebook(path: Path, *cells: str, kernel: str = "hopx") -> Path:
    """Write a notebook of code cells."""
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        "cells": [
            {
                "id": f"cell-{index}",
                "cell_type": "code",
                "source": source,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for index, source in enumerate(cells)
        ],
    }
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path
