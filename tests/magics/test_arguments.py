"""What a ``%%sandbox`` line may say, without any sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.error import UsageError

from hopx_kernel.magics.arguments import Help, cell_parser, overview, parse, split, verb_parsers

LINES: list[tuple[str, dict[str, Any]]] = [
    ("", {"name": "default", "kind": None, "language": "python", "network": None, "background": False}),
    ("lab --kind process --template t", {"name": "lab", "kind": "process", "template": "t"}),
    ("--timeout 1.5 lab", {"name": "lab", "timeout": 1.5}),
    ("--env A=b --env 'C=d e=f'", {"env": [("A", "b"), ("C", "d e=f")]}),
    ("-i a,b -i 'c, d' -o d", {"input": [["a", "b"], ["c", "d"]], "output": [["d"]]}),
    ("--no-display --background --network", {"no_display": True, "background": True, "network": True}),
    ("a.b-c_1 --language bash", {"name": "a.b-c_1", "language": "bash"}),
]

BAD = [
    ("a b", "unrecognized"),
    ("--langu bash", "unrecognized"),
    ("--language ruby", "ruby"),
    ("--timeout soon", "soon"),
    ("--timeout -1", "timeout"),
    ("--timeout nan", "nan"),
    ("--env A", "A=B"),
    ("--env =b", "A=B"),
    ("--env 'A=\0'", "A=B"),
    ("--env A=\ud800", "A=B"),
    ("-i 'a b'", "NAMES"),
    ("-i a.b", "NAMES"),
    ("-o ,", "NAMES"),
    ("-i a, b", "NAMES"),
    ("../x", "name"),
    ("'a b'", "name"),
    ("''", "name"),
    ("-i", "expected one argument"),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_cell_line_is_read(line: str, expected: dict[str, Any]) -> None:
    arguments = vars(parse(cell_parser(), split(line)))
    assert {key: arguments[key] for key in expected} == expected


@pytest.mark.parametrize(("line", "message"), BAD)
def test_bad_cell_line_is_a_usage_error_that_says_what(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(cell_parser(), split(line))


def test_quote_that_is_not_closed_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="quotation"):
        split("'a")


@pytest.mark.parametrize("verb", verb_parsers())
def test_every_verb_explains_itself(verb: str) -> None:
    with pytest.raises(Help, match=f"%sandbox NAME {verb}"):
        parse(verb_parsers()[verb], ["--help"])


def test_cell_magic_explains_itself() -> None:
    with pytest.raises(Help, match="--background"):
        parse(cell_parser(), ["lab", "--help"])


def test_overview_names_every_verb_and_option() -> None:
    text = overview()
    assert all(f"%sandbox NAME {verb}" in text for verb in verb_parsers())
    assert all(option in text for option in ("--kind", "--timeout", "--no-display", "%%sandbox"))


def test_help_is_true_in_a_sandbox_too() -> None:
    """There a copy never touches the person's computer."""
    assert "computer" not in overview()


def test_verbs_read_paths_with_spaces_and_quotes() -> None:
    arguments = parse(verb_parsers()["upload"], split("""'a b' "it's" """))
    assert (arguments.source, arguments.target) == ("a b", "it's")
