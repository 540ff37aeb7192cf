"""What may stand on a ``%sandbox`` or ``%%sandbox`` line. Bad lines are `UsageError`s, as IPython has it."""

from __future__ import annotations

import re
import shlex
from argparse import HelpFormatter, Namespace
from typing import NoReturn

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

__all__ = ["DEFAULT_NAME", "LANGUAGES", "Help", "cell_parser", "overview", "parse", "split", "verb_parsers"]

DEFAULT_NAME = "default"
LANGUAGES = ("python", "bash", "javascript")

_NAME = re.compile(r"[^\W-][\w.-]*")


class Help(Exception):  # noqa: N818  # a way out of the parser, not a fault
    """The line asks for help; the text is it."""


class _Parser(MagicArgumentParser):
    """A parser that knows ``--help``, takes no abbreviations, and never prints or exits by itself."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, formatter_class=HelpFormatter)
        self.allow_abbrev = False
        self.add_argument("-h", "--help", action="store_true", help="show this text")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}\n{self.format_usage().strip()}")


def split(line: str) -> list[str]:
    """The words of a line, with a shell's quoting. Raises `UsageError` for a quote that is not closed."""
    try:
        return shlex.split(line)
    except ValueError as exc:
        raise UsageError(f"the line cannot be read: {exc}") from None


def parse(parser: _Parser, words: list[str]) -> Namespace:
    """Read words. Raises `Help` and `UsageError`."""
    if {"-h", "--help"} & set(words):
        raise Help(parser.format_help())
    return parser.parse_args(words)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(text)
    return text


_name.__name__ = "name"  # argparse says "invalid name value"


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name or "\0" in text:
        raise ValueError(text)
    text.encode("utf-8", "surrogateescape")  # what cannot be written so is no value for an interpreter either
    return name, value


_variable.__name__ = "A=B"


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(name.isidentifier() for name in names):  # what follows a comma and a space would be the sandbox's name
        raise ValueError(text)
    return names


_names.__name__ = "NAMES"


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


_seconds.__name__ = "seconds"


def cell_parser() -> _Parser:
    """Of ``%%sandbox``."""
    parser = _Parser("%%sandbox", "Run the cell in a sandbox, which keeps its variables for the next cell.")
    add = parser.add_argument
    add("name", metavar="NAME", nargs="?", type=_name, default=DEFAULT_NAME, help="the sandbox; made on first use")
    add("--kind", metavar="K", help="local (the default), or another kind; process isolates nothing")
    add("--template", metavar="T", help="what is in the sandbox, for kinds that have templates")
    add(
        "--language",
        choices=LANGUAGES,
        default="python",
        help="the cell's language; other than python keeps no variables",
    )
    add("--timeout", metavar="S", type=_seconds, help="seconds after which the cell is interrupted")
    add(
        "--env",
        metavar="A=B",
        type=_variable,
        action="append",
        default=[],
        help="an environment variable; may come often",
    )
    add("--network", action="store_true", default=None, help="give a new sandbox the network")
    add("-i", "--input", metavar="NAMES", type=_names, action="append", default=[], help="variables to take in: a,b")
    add(
        "-o", "--output", metavar="NAMES", type=_names, action="append", default=[], help="variables to bring back: a,b"
    )
    add("--background", action="store_true", help="do not wait; gives a run: await run, run.wait(), run.interrupt()")
    add("--no-display", action="store_true", help="show errors only; %%sandbox NAME replay shows the rest")
    return parser


def verb_parsers() -> dict[str, _Parser]:
    """Of ``%sandbox NAME VERB``, by verb."""
    texts = {
        "restart": "Start over with a fresh interpreter: variables go, files stay. A lost sandbox is made anew.",
        "kill": "End the sandbox with everything in it.",
        "status": "Say what the sandbox is and does.",
        "upload": "Copy one file from here into the sandbox.",
        "download": "Copy one file from the sandbox to here.",
        "env": "Set environment variables in the sandbox.",
        "replay": "Show the output of an earlier run again.",
    }
    parsers = {verb: _Parser(f"%sandbox NAME {verb}", text) for verb, text in texts.items()}
    parsers["upload"].add_argument("source", metavar="SRC", help="a file here")
    parsers["upload"].add_argument("target", metavar="DST", nargs="?", help="where to; else its working directory")
    parsers["download"].add_argument("source", metavar="SRC", help="a file in the sandbox")
    parsers["download"].add_argument("target", metavar="DST", nargs="?", help="where to; else the current directory")
    parsers["env"].add_argument("variables", metavar="A=B", type=_variable, nargs="+", help="a variable and its value")
    parsers["replay"].add_argument("run", metavar="RUN", nargs="?", type=int, help="its number; else the last one's")
    return parsers


def overview() -> str:
    """The help of ``%sandbox``, and of ``%%sandbox``, which IPython calls only with a cell."""
    rows = "\n".join(f"  %sandbox NAME {verb:<9} {parser.description}" for verb, parser in verb_parsers().items())
    head = "  %sandbox                List the sandboxes.\n  %sandbox NAME           The same as status."
    return f"{head}\n{rows}\n\n--help after each says more.\n\n{cell_parser().format_help()}"
