"""Every option of the kernel, and where its value comes from: command line, over environment, over file.

The kernel reads its options before it imports the rest of itself, to start the sandbox first. So this module imports
traitlets and the sandboxes' options, and nothing else of Jupyter before it is asked to read files.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Integer, List, TraitError, TraitType, Unicode, validate
from traitlets.config import Config, Configurable
from traitlets.config.loader import JSONFileConfigLoader, KVArgParseConfigLoader, PyFileConfigLoader

from .option_sources import ARGUMENT_PREFIX, VARIABLE_PREFIX, option_files
from .protocol import RunnerOptions
from .sandboxes import SandboxOptions, check_kind

__all__ = ["ByteSize", "HopxConfig", "load_config", "other_arguments"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?", re.IGNORECASE)
_DEFAULTS = SandboxOptions()


class ByteSize(TraitType[Any, Any]):
    """A number of bytes: an int, or a text like ``"512 MiB"`` or ``"2GB"``; None (also ``"none"``) for no limit."""

    info_text = 'a number of bytes, a text like "512 MiB", or None for no limit'
    allow_none = True

    def validate(self, obj: Any, value: Any) -> int | None:
        """The number of bytes; raises `TraitError` that names the option."""
        if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
            return None
        if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
            base = 1024 if match[3] else 1000
            value = int(float(match[1]) * base ** (" kmgt".index(match[2].lower()) if match[2] else 0))
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            self.error(obj, value)
        return int(value)

    def from_string(self, s: str) -> Any:
        """A command line's or environment variable's text as it is: `validate` reads it."""
        return s


class FiniteFloat(Float):  # type: ignore[type-arg]
    """A number that is one: neither NaN nor infinite."""

    info_text = "a finite number"

    def validate(self, obj: Any, value: Any) -> Any:
        """The number; raises `TraitError` that names the option."""
        value = super().validate(obj, value)
        if not math.isfinite(value):
            self.error(obj, value)
        return value


#: What stands for the first and the last of an option's words.
_SWITCH = {"true": 0, "1": 0, "false": -1, "0": -1}


class SwitchedEnum(Enum[Any]):
    """One of some words, of which the first and the last can also be given as True and False."""

    def validate(self, obj: Any, value: Any) -> Any:
        """The word; raises `TraitError` that names the option."""
        index = _SWITCH.get(str(value).lower())
        return super().validate(obj, value if index is None else list(self.values or ())[index])


class HopxConfig(Configurable):
    """Options of the kernel "Python (HopX sandbox)".

    Each can be given in ``jupyter_hopx_kernel_config.py`` (``c.HopxConfig.memory_limit = "2 GiB"``), over that as an
    environment variable (``HOPX_MEMORY_LIMIT``: ``HOPX_`` and the option's name in capitals), and over both on the
    kernel's command line (``--HopxConfig.memory_limit=2GiB``).
    """

    kind = Unicode(
        "local",
        help="""Kind of sandbox: "local" (bubblewrap on this computer), or "process" (a plain process of yours, which
        isolates nothing); other packages may add kinds.""",
    ).tag(config=True)

    @validate("kind")
    def _check_kind(self, proposal: Any) -> str:
        try:
            return check_kind(proposal["value"])
        except ValueError as exc:
            raise TraitError(f"The 'kind' trait: {exc}") from exc

    python = Unicode(
        "",
        help="""Python interpreter in the sandbox (3.9 or newer), as a path or a name on PATH; empty: that of
        `environment`, else the one that runs the kernel.""",
    ).tag(config=True)
    environment = Unicode(
        "",
        help="""Directory of the virtual or conda environment whose packages cells can import; empty: that of
        `python`.""",
    ).tag(config=True)
    timeout_seconds = FiniteFloat(
        0.0, min=0.0, help="Seconds after which a cell is interrupted, and ended where that does not help; 0: never."
    ).tag(config=True)
    memory_limit = ByteSize(
        _DEFAULTS.memory_bytes, help="Memory of the sandbox, in bytes or as a text with a unit; None: no limit."
    ).tag(config=True)
    process_limit = Integer(
        _DEFAULTS.processes or 0, min=0, help="Processes and threads in the sandbox at one time; 0: no limit."
    ).tag(config=True)
    open_files_limit = Integer(
        _DEFAULTS.open_files or 0, min=0, help="Open files of one process in the sandbox; 0: no limit."
    ).tag(config=True)
    disk_limit = ByteSize(
        _DEFAULTS.disk_bytes,
        help="""Size of each writable directory of a local sandbox, in bytes or with a unit; None: no limit but that all
        together have no more than seven eighths of `memory_limit`.""",
    ).tag(config=True)
    network = Bool(False, help="Whether code in a local sandbox may use the network.").tag(config=True)
    max_sandboxes_beside = Integer(
        4,
        min=0,
        help="""Sandboxes that %%sandbox may make beside the kernel's own at one time; each has the limits of that
        one.""",
    ).tag(config=True)
    env = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="Environment variables for the sandbox; nothing of the host's environment gets in otherwise.",
    ).tag(config=True)
    heartbeat_seconds = FiniteFloat(
        5.0, min=0.1, help="Seconds between two signs of life of the sandbox (memory, CPU time)."
    ).tag(config=True)
    loss_seconds = FiniteFloat(
        15.0,
        min=0.0,
        help="""Seconds after which a sandbox is given up whose silence shows, which it does when three signs of life are
        missing while a cell waits.""",
    ).tag(config=True)
    start_timeout_seconds = FiniteFloat(
        _DEFAULTS.start_timeout_seconds,
        min=0.1,
        help="Seconds that a sandbox may take to start, and then its first interpreter before it is called silent.",
    ).tag(config=True)
    interrupt_grace_seconds = FiniteFloat(
        2.0, min=0.0, help="Seconds after an interrupt in which a cell must stop; then Interrupt says it did not."
    ).tag(config=True)

    trust = Enum(
        ["safe", "trusted"],
        "safe",
        help="""What output may do to the page it is shown in. "safe": markup without scripts is shown as it is, markup
        with scripts in an isolated frame. "trusted": everything as the code sends it; code in the sandbox can then act
        in your browser as you.""",
    ).tag(config=True)
    comm_targets = List(
        Unicode(),
        help="""Comm targets of the page's to which messages of the sandbox pass unchanged although "trust" is "safe"; names
        as front-end extensions register them. Comms for other targets are opened too, but what looks like a widget's state
        in their messages is cleaned as a widget's is.""",
    ).tag(config=True)
    widget_packages = List(
        Unicode(),
        help="""Packages installed beside the kernel, such as "plotly", whose widgets' own JavaScript runs in the page
        although "trust" is "safe". The sandbox's copy of a file must be the same to the byte. Whether it withstands
        hostile data is for its authors to say.""",
    ).tag(config=True)
    server_limits = Enum(
        ["auto", "on", "off"],
        "auto",
        help="""Whether to stay under the rate limits of Jupyter Server, which throws output away above them. "auto":
        only when a Jupyter Server or Voila started the kernel.""",
    ).tag(config=True)
    message_rate = FiniteFloat(
        1000.0, min=10.0, help="Jupyter Server's iopub_msg_rate_limit, in messages a second, if you changed it there."
    ).tag(config=True)
    data_rate = ByteSize(
        1_000_000, help="Jupyter Server's iopub_data_rate_limit, in bytes of output a second; None: none."
    ).tag(config=True)
    output_limit = Unicode(
        "auto",
        help="""Printed output of one cell that is shown, in bytes or with a unit; what is beyond is counted and kept
        in a file. "none": no limit. "auto": 10 MiB where `server_limits` hold, else no limit.""",
    ).tag(config=True)
    spool_limit = ByteSize(
        1 << 30,
        help="""Size of the file with the whole output of one cell that went over `output_limit`; all of a kernel may have
        four times that, and the oldest go first.""",
    ).tag(config=True)
    history_file = Unicode(
        "",
        help="""SQLite file with the history of all sandboxes' cells; empty: hopx_history.sqlite in Jupyter's data
        directory; ":memory:": kept only while the kernel runs.""",
    ).tag(config=True)
    history_limit = ByteSize(
        32 << 20,
        help="Size of the history file, in bytes or with a unit; the oldest sessions go first. None: no limit.",
    ).tag(config=True)
    history_days = FiniteFloat(
        365.0, min=0.0, help="Days after which a session's cells leave the history file; 0: never."
    ).tag(config=True)
    progress = Enum(
        ["auto", "widgets", "text", "off"],
        "auto",
        help="""How progress is shown: as widgets, as a text line, or not at all (messages are printed). "auto":
        widgets where the front end has them.""",
    ).tag(config=True)
    adapt_progress_bars = Bool(
        True, help="Whether bars of tqdm and rich show as the kernel's own; else they print what they always print."
    ).tag(config=True)
    header = SwitchedEnum(
        ["auto", "plain", "off"],
        "auto",
        help="""The header with state, clock and Stop above the output of a long run. "auto": a widget with a clock of its
        own where the front end has anywidget, plain widgets elsewhere; "plain": plain widgets everywhere; "off": none.
        True and False are "auto" and "off".""",
    ).tag(config=True)
    header_after_seconds = FiniteFloat(
        2.0, min=0.0, help="Seconds after which a run gets its header; one that reports progress gets it at once."
    ).tag(config=True)

    def sandbox_options(self) -> SandboxOptions:
        """What the sandbox is made with."""
        return SandboxOptions(
            python=self.python or None,
            environment=self.environment or None,
            network=self.network,
            env=dict(self.env),
            memory_bytes=self.memory_limit,
            disk_bytes=self.disk_limit,
            processes=self.process_limit or None,
            open_files=self.open_files_limit or None,
            start_timeout_seconds=self.start_timeout_seconds,
        )

    def runner_options(self) -> RunnerOptions:
        """What the runner is started with."""
        return RunnerOptions(
            memory_bytes=self.memory_limit,
            processes=self.process_limit or None,
            open_files=self.open_files_limit or None,
            disk_bytes=self.disk_limit,
            heartbeat_seconds=self.heartbeat_seconds,
            loss_seconds=self.loss_seconds,
            start_timeout_seconds=self.start_timeout_seconds,
            interrupt_grace_seconds=self.interrupt_grace_seconds,
            adapt_progress=self.adapt_progress_bars,
            beside=True,
        )

    def history_path(self) -> str:
        """`history_file` with its default filled in."""
        if self.history_file:
            return self.history_file
        from jupyter_core.paths import jupyter_data_dir

        return os.path.join(jupyter_data_dir(), "hopx_history.sqlite")  # noqa: PTH118 - pathlib would eat ":memory:"

    def output_limit_bytes(self, behind_server: bool) -> int | None:
        """`output_limit` as a number, where `behind_server` says whether the server's limits hold."""
        if self.output_limit == "auto":
            return 10 << 20 if behind_server else None
        try:
            return ByteSize().validate(self, self.output_limit)
        except TraitError as exc:
            wanted = f"{ByteSize.info_text}, or 'auto'"
            raise TraitError(f"The 'output_limit' trait must be {wanted}; it is {self.output_limit!r}.") from exc


def trust_remedy() -> str:
    """The line that lets output act in the page, and where to put it."""
    from jupyter_core.paths import jupyter_config_dir

    path = os.path.join(jupyter_config_dir(), "jupyter_hopx_kernel_config.py")  # noqa: PTH118 - as `history_path`
    return (
        f"If you trust the code, put this line into {path}:\n\n"
        '    c.HopxConfig.trust = "trusted"\n\n'
        "or set HOPX_TRUST=trusted in the environment, and restart the kernel.\nThen its output acts in this page as you."
    )


def environment_config(environ: Mapping[str, str]) -> Config:
    """The options that environment variables give.

    Raises `TraitError`, which names the variable, for a value that the option cannot have, and for a variable that is
    nearly an option's.
    """
    config = Config()
    variables = {VARIABLE_PREFIX + name.upper(): name for name in HopxConfig.class_trait_names(config=True)}
    for variable, text in environ.items():
        if not variable.startswith(VARIABLE_PREFIX):
            continue
        if variable not in variables:
            # Other programs have variables of this prefix too; one that is meant for this one would go unheard.
            if near := _nearest(variable, variables, 0.85):
                raise TraitError(f"{variable} is no option; did you mean {near}?")
            continue
        name = variables[variable]
        trait = HopxConfig.class_traits()[name]
        try:
            config.HopxConfig[name] = _read(trait, text)
        except (TraitError, ValueError, SyntaxError) as exc:
            raise TraitError(f"{variable}={text!r} cannot be read: {exc}") from exc
    return config


def _read(trait: TraitType[Any, Any], text: str) -> Any:
    if isinstance(trait, Dict) and not text.lstrip().startswith("{"):
        return trait.from_string_list([text])  # ``A=B``, as on the command line
    if isinstance(trait, Bool) and text.lower() not in ("1", "0", "true", "false"):
        raise ValueError("it is none of 1, 0, true and false")  # traitlets' own words have a gap in them
    if isinstance(trait, List):
        return [part.strip() for part in text.split(",") if part.strip()]
    return trait.from_string(text)


def file_config() -> Config:
    """The options in the files ``jupyter_hopx_kernel_config.py`` and ``.json``, the user's over the system's.

    Raises `TraitError`, which names the file, for one that cannot be read.
    """
    config = Config()
    for path in option_files():
        loader = JSONFileConfigLoader if path.suffix == ".json" else PyFileConfigLoader
        try:
            config.merge(loader(path.name, path=str(path.parent)).load_config())
        except Exception as exc:  # the file is Python, and raises what it likes
            raise TraitError(f"{path} cannot be read: {exc}") from exc
    return config


def argument_config(argv: Sequence[str]) -> Config:
    """The options in command line arguments; those of other classes are left to whoever owns them.

    Raises `TraitError` for one without a value.
    """
    own: list[str] = []
    for argument, *values in _own_arguments(argv):
        if "=" in argument:
            own.append(argument)
        elif values:
            own += [f"{argument}={value}" for value in values]
        else:
            raise TraitError(f"{argument} has no value")
    return KVArgParseConfigLoader(own, classes=[HopxConfig]).load_config()


def _own_arguments(argv: Sequence[str]) -> Iterator[list[str]]:
    """Each option in the arguments, with the values that stand behind it."""
    for index, argument in enumerate(argv):
        if argument.startswith(ARGUMENT_PREFIX):
            behind = () if "=" in argument else argv[index + 1 :]
            yield [argument, *itertools.takewhile(lambda value: not value.startswith("-"), behind)]


def other_arguments(argv: Sequence[str]) -> list[str]:
    """The arguments without the options that `argument_config` reads."""
    others: list[str] = []
    index = 0
    for own in [*_own_arguments(argv), []]:
        start = list(argv).index(own[0], index) if own else len(argv)
        others += argv[index:start]
        index = start + len(own)
    return others


def _nearest(name: str, known: Iterable[str], likeness: float) -> str | None:
    import difflib  # by the first mistake

    return next(iter(difflib.get_close_matches(name, list(known), 1, likeness)), None)


def _check_names(config: Config) -> None:
    known = HopxConfig.class_trait_names(config=True)
    for name in config.get("HopxConfig", {}):
        if name not in known:
            near = _nearest(name, known, 0.6)
            raise TraitError(f"There is no option {name!r}" + (f"; did you mean {near!r}?" if near else ""))


def load_config(argv: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> HopxConfig:
    """All options.

    Parameters
    ----------
    argv : sequence of str
        Command line arguments.
    environ : mapping, optional
        Environment variables; by default the process's own.

    Raises
    ------
    TraitError
        An option has a value that it cannot have, or there is none of this name; the message names the option or the
        variable.
    """
    config = file_config()
    config.merge(environment_config(os.environ if environ is None else environ))
    config.merge(argument_config(argv))
    _check_names(config)
    loaded = HopxConfig(config=config)
    loaded.output_limit_bytes(False)
    return loaded
