"""Kinds of sandboxes, by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hopx_kernel.config import HopxConfig
from hopx_kernel.kernel.answers import kernel_info
from hopx_kernel.kernel.outputs import progress_options
from hopx_kernel.sandboxes import KINDS, SandboxOptions, create, is_isolated

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("kind", "isolated"), [("local", True), ("process", False)])
def test_kind_is_made_by_its_name(kind: str, isolated: bool) -> None:
    options = SandboxOptions(processes=7)
    sandbox = create(kind, options)
    assert sandbox.kind == kind
    assert sandbox.isolated is isolated
    assert sandbox.options is options  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["", "Local", "docker"])
def test_unknown_kind_names_those_that_are_known(kind: str) -> None:
    with pytest.raises(ValueError, match="known are: .*local, process"):
        create(kind)


def test_kind_of_another_package_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "other", "hopx_kernel.sandboxes.process:ProcessSandbox")
    assert create("other").kind == "process"


def test_kind_of_another_package_is_shown_as_what_its_class_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "bare", "hopx_kernel.testing:ScriptedSandbox")
    monkeypatch.setitem(KINDS, "walled", "hopx_kernel.sandboxes.local:LocalSandbox")
    assert (is_isolated("bare"), is_isolated("walled")) == (False, True)
    for kind, said in [("bare", "bare: not isolated"), ("walled", "walled sandbox")]:
        config = HopxConfig(kind=kind)
        assert said in kernel_info(None, config)["banner"]
        assert progress_options(config, "widgets").is_isolated is is_isolated(kind)


def test_spawn_imports_nothing_large() -> None:
    source = "import sys, hopx_kernel.sandboxes.spawn; print(' '.join(sys.modules))"
    outcome = subprocess.run([sys.executable, "-S", "-c", source], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(outcome.stdout.split())
    assert "hopx_kernel.sandboxes.spawn" in modules
    assert not modules & {"anyio", "asyncio", "traitlets", "IPython", "ipykernel", "zmq", "logging", "zipfile", "json"}
