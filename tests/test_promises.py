"""Each sentence of the README is behind a test, in the table of `docs/promises.md`, or promises nothing there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def plain(text: str) -> str:
    """A text with one space where it has several."""
    return " ".join(text.split())


def units(markdown: str) -> Iterator[str]:
    """The sentences, the points of lists and the rows of tables, outside of headings, pictures and blocks of code."""
    text = re.sub(r"^```.*?^```$", "\n", markdown, flags=re.MULTILINE | re.DOTALL)
    # Each on its own: headings, rows, and what a point of a list begins.
    text = re.sub(r"^(#.*|\|.*|!\[.*)$", r"\n\1\n", text, flags=re.MULTILINE)
    text = re.sub(r"^- ", r"\n- ", text, flags=re.MULTILINE)
    for block in re.split(r"\n\s*\n", text):
        block = plain(block)
        if not block or block.startswith(("#", "![")) or re.fullmatch(r"\|[-| ]+\|", block):
            continue
        yield from [block] if block.startswith("|") else re.split(r"(?<=[.!?])\s+(?=[A-Z`\[])", block)


def rows(title: str) -> list[list[str]]:
    """The rows of the table below a heading of the list of promises, each as its cells."""
    found = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", read("docs/promises.md"), re.MULTILINE | re.DOTALL)
    assert found, title
    lines = [line for line in found[1].splitlines() if line.startswith("| ")][1:]
    # In a quotation, as in the README, a stroke that is no border of a cell has a backslash.
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


PROMISES = [(quote, tests) for quote, tests in rows("Promises")]
OTHERS = [quote for (quote,) in rows("What promises nothing")]
README = [
    unit
    for unit in units(read("README.md"))
    if not unit.startswith(("| option |", "| library |", "| symptom |", "| figure |"))
]


@cache
def functions(path: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


QUOTES = [*(quote for quote, _ in PROMISES), *OTHERS]


def begins(unit: str, quote: str) -> bool:
    """Whether a sentence, point or row begins with a quotation, which ends where a word does."""
    rest = unit.strip("| ").removeprefix(quote)
    return rest != unit.strip("| ") and not rest[:1].isalnum()


@pytest.mark.parametrize("unit", README)
def test_sentence_is_listed_once(unit: str) -> None:
    assert len([quote for quote in QUOTES if begins(unit, quote)]) == 1, unit


@pytest.mark.parametrize("quote", QUOTES)
def test_quotation_is_how_a_sentence_of_the_readme_begins(quote: str) -> None:
    assert quote and any(begins(unit, quote) for unit in README), quote


@pytest.mark.parametrize(("quote", "tests"), PROMISES)
def test_promise_names_tests_that_there_are(quote: str, tests: str) -> None:
    named = re.findall(r"`([^`:]+)::([^`]+)`", tests)
    assert named, quote
    for path, name in named:
        assert name.startswith("test_") and name in functions(f"tests/{path}"), (path, name)
