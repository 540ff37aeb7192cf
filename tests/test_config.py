"""Options: where they come from, which wins, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from traitlets import Bool, Enum, Float, Integer, TraitError

from hopx_kernel.config import HopxConfig, load_config, other_arguments, trust_remedy
from hopx_kernel.sandboxes import KINDS


@pytest.fixture(autouse=True)
def config_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory with configuration files."""
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "")
    return tmp_path


def test_defaults_are_safe() -> None:
    config = load_config([], {})
    assert config.kind == "local" and config.trust == "safe" and config.network is False
    options = config.sandbox_options()
    assert options.network is False and options.memory_bytes and options.processes and options.disk_bytes


def test_command_line_wins_over_environment_over_file(config_directory: Path) -> None:
    (config_directory / "jupyter_hopx_kernel_config.py").write_text(
        "c.HopxConfig.history_file = 'file'\nc.HopxConfig.environment = 'file'\nc.HopxConfig.python = 'file'\n"
    )
    config = load_config(
        ["-f", "x.json", "--HopxConfig.history_file=argument", "--Session.key=b''"],
        {"HOPX_HISTORY_FILE": "environment", "HOPX_ENVIRONMENT": "environment", "HOPX_SOMETHING": "else"},
    )
    assert (config.history_file, config.environment, config.python) == ("argument", "environment", "file")


def test_json_file_is_read(config_directory: Path) -> None:
    (config_directory / "jupyter_hopx_kernel_config.json").write_text('{"HopxConfig": {"memory_limit": "1 GiB"}}')
    assert load_config([], {}).memory_limit == 1 << 30


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("auto", "auto"),
        ("plain", "plain"),
        ("off", "off"),
        ("true", "auto"),
        ("False", "off"),
        ("1", "auto"),
        ("0", "off"),
    ],
)
def test_header_is_a_word_or_switched_on_and_off(text: str, header: str, config_directory: Path) -> None:
    assert load_config([], {"HOPX_HEADER": text}).header == header
    assert load_config([f"--HopxConfig.header={text}"], {}).header == header


@pytest.mark.parametrize(("value", "header"), [("True", "auto"), ("False", "off"), ("'plain'", "plain")])
def test_header_is_switched_in_the_file_too(value: str, header: str, config_directory: Path) -> None:
    (config_directory / "jupyter_hopx_kernel_config.py").write_text(f"c.HopxConfig.header = {value}\n")
    assert load_config([], {}).header == header


@pytest.mark.parametrize("value", ["on", "None", "2", "[]"])
def test_other_words_for_the_header_are_refused(value: str) -> None:
    with pytest.raises(TraitError, match="header"):
        load_config([f"--HopxConfig.header={value}"], {})


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("1kB", 1000),
        ("1 KiB", 1024),
        ("1.5GiB", 3 << 29),
        ("2g", 2_000_000_000),
        ("none", None),
        ("7B", 7),
    ],
)
def test_sizes_are_read(text: str, size: int | None) -> None:
    assert load_config([], {"HOPX_MEMORY_LIMIT": text}).memory_limit == size
    assert load_config([f"--HopxConfig.memory_limit={text}"], {}).memory_limit == size


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOPX_MEMORY_LIMIT", "plenty"),
        ("HOPX_MEMORY_LIMIT", "-5"),
        ("HOPX_MEMORY_LIMIT", "0"),
        ("HOPX_PROCESS_LIMIT", "many"),
        ("HOPX_PROCESS_LIMIT", "-1"),
        ("HOPX_TIMEOUT_SECONDS", "soon"),
        ("HOPX_TIMEOUT_SECONDS", "nan"),
        ("HOPX_TIMEOUT_SECONDS", "inf"),
        ("HOPX_HEARTBEAT_SECONDS", "-1"),
        ("HOPX_NETWORK", "perhaps"),
        ("HOPX_TRUST", "everybody"),
        ("HOPX_ENV", "{'A': 5}"),
        ("HOPX_OUTPUT_LIMIT", "little"),
        ("HOPX_SERVER_LIMITS", "yes"),
    ],
)
def test_wrong_value_names_its_option(variable: str, value: str) -> None:
    with pytest.raises(TraitError, match=f"(?i){variable.removeprefix('HOPX_')}"):
        load_config([], {variable: value})
    with pytest.raises(TraitError, match=f"(?i){variable.removeprefix('HOPX_')}"):
        load_config([f"--HopxConfig.{variable.removeprefix('HOPX_').lower()}={value}"], {})


@pytest.mark.parametrize("value", ["perhaps", ""])
def test_wrong_switch_is_told_what_it_may_be(value: str) -> None:
    with pytest.raises(TraitError, match="^HOPX_NETWORK='.*' cannot be read: it is none of 1, 0, true and false$"):
        load_config([], {"HOPX_NETWORK": value})


def test_way_to_trust_fits_on_a_page() -> None:
    """A front end breaks a longer line in the middle of a word."""
    first, *rest = trust_remedy().splitlines()
    assert first.endswith("jupyter_hopx_kernel_config.py:") and max(map(len, rest)) <= 80


def test_value_may_stand_behind_its_option() -> None:
    config = load_config(["--HopxConfig.kind", "process", "--HopxConfig.env", "A=b c", "D=e", "-f", "x.json"], {})
    assert config.kind == "process" and config.env == {"A": "b c", "D": "e"}


def test_arguments_of_others_are_left_to_them() -> None:
    argv = [
        "-f",
        "x.json",
        "--HopxConfig.kind",
        "process",
        "--debug",
        "--HopxConfig.env=A=B",
        "left",
        "--HopxConfig.network",
    ]
    assert other_arguments(argv) == ["-f", "x.json", "--debug", "left"]
    assert other_arguments([]) == []


@pytest.mark.parametrize("argv", [["--HopxConfig.network"], ["--HopxConfig.kind", "-f", "x.json"]])
def test_option_without_a_value_is_named(argv: list[str]) -> None:
    with pytest.raises(TraitError, match=r"--HopxConfig\.(network|kind) has no value"):
        load_config(argv, {})


def test_option_that_there_is_not_is_named_with_the_one_that_was_meant(config_directory: Path) -> None:
    with pytest.raises(TraitError, match=r"memroy_limit.*memory_limit"):
        load_config(["--HopxConfig.memroy_limit=1GiB"], {})
    with pytest.raises(TraitError, match=r"HOPX_NETWROK.*HOPX_NETWORK"):
        load_config([], {"HOPX_NETWROK": "True"})
    (config_directory / "jupyter_hopx_kernel_config.py").write_text("c.HopxConfig.process_limits = 5\n")
    with pytest.raises(TraitError, match=r"process_limits.*process_limit"):
        load_config([], {})


def other_value(name: str) -> str:
    """A value that an option can have and does not have by default, as a text."""
    trait = HopxConfig.class_traits()[name]
    if isinstance(trait, Bool):
        return str(not trait.default_value)
    if isinstance(trait, Enum):
        return str(next(value for value in trait.values or () if value != trait.default_value))
    if isinstance(trait, Float | Integer):
        return str(trait.default_value + 3)
    # A size, and a text or list of texts as good as any.
    return {"env": "A=B", "kind": "process", "output_limit": "6kB"}.get(name, "7kB")


@pytest.mark.parametrize("name", HopxConfig.class_trait_names(config=True))
def test_every_option_can_be_given_in_all_three_ways(name: str, config_directory: Path) -> None:
    text = other_value(name)
    default = getattr(load_config([], {}), name)
    by_variable = getattr(load_config([], {f"HOPX_{name.upper()}": text}), name)
    by_argument = getattr(load_config([f"--HopxConfig.{name}={text}"], {}), name)
    (config_directory / "jupyter_hopx_kernel_config.py").write_text(f"c.HopxConfig.{name} = {by_variable!r}\n")
    assert default != by_variable == by_argument == getattr(load_config([], {}), name)


def test_broken_file_says_so(config_directory: Path) -> None:
    (config_directory / "jupyter_hopx_kernel_config.py").write_text("c.HopxConfig.kind = (")
    with pytest.raises(TraitError, match="jupyter_hopx_kernel_config.py"):
        load_config([], {})


@pytest.mark.parametrize(
    ("argv", "environ"),
    [([], {"HOPX_KIND": "nonsense"}), (["--HopxConfig.kind=nonsense"], {}), ([], {"HOPX_KIND": ""})],
)
def test_kind_that_there_is_not_is_refused_when_it_is_read(argv: list[str], environ: dict[str, str]) -> None:
    with pytest.raises(TraitError, match=r"'kind'.*(nonsense|'').*known are: .*local, process"):
        load_config(argv, environ)


def test_kind_of_another_package_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "other", "hopx_kernel.sandboxes.process:ProcessSandbox")
    assert load_config([], {"HOPX_KIND": "other"}).kind == "other"


@pytest.mark.parametrize("text", ["A=b c", "{'A': 'b c'}"])
def test_variables_for_the_sandbox_are_read(text: str) -> None:
    assert load_config([], {"HOPX_ENV": text}).env == {"A": "b c"}


def test_comm_targets_are_read() -> None:
    assert load_config([], {"HOPX_COMM_TARGETS": "one, two"}).comm_targets == ["one", "two"]
    assert load_config(["--HopxConfig.comm_targets=one"], {}).comm_targets == ["one"]


def test_every_option_tells_what_it_is() -> None:
    for name, trait in HopxConfig.class_own_traits(config=True).items():
        assert len(trait.help) > 20, name


@pytest.mark.parametrize(
    ("limit", "behind_server", "expected"),
    [("auto", True, 10 << 20), ("auto", False, None), ("none", True, None), ("1MB", False, 1_000_000)],
)
def test_output_limit(limit: str, behind_server: bool, expected: Any) -> None:
    assert HopxConfig(output_limit=limit).output_limit_bytes(behind_server) == expected


def test_limits_reach_sandbox_and_runner() -> None:
    config = load_config([], {"HOPX_PROCESS_LIMIT": "0", "HOPX_OPEN_FILES_LIMIT": "99", "HOPX_DISK_LIMIT": "none"})
    sandbox, runner = config.sandbox_options(), config.runner_options()
    assert sandbox.processes is runner.processes is None
    assert sandbox.open_files == runner.open_files == 99
    assert sandbox.disk_bytes is runner.disk_bytes is None
    assert sandbox.memory_bytes == runner.memory_bytes
