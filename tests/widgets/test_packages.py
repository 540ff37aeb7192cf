"""Widgets' own JavaScript passes where it is, to the byte, a file of a package that the person named."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from hopx_kernel.kernel.packages import FrontEndFiles
from hopx_kernel.trust import TrustPolicy

from .client import running

_ids = itertools.count()

MODULE = "export default { render({ el }) { el.textContent = 'drawn'; } };\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_package/static").mkdir(parents=True)
    (tmp_path / "a_package/__init__.py").write_text("raise RuntimeError('it is not to be imported')")
    (tmp_path / "a_package/static/widget.js").write_bytes(MODULE.replace("\n", "\r\n").encode())
    (tmp_path / "a_package/static/widget.css").write_text(".drawn { color: red }")
    (tmp_path / "a_package/secret.txt").write_text("no front-end file")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "a_package"


def opened(policy: TrustPolicy, state: dict[str, Any]) -> dict[str, Any]:
    state = {"_model_module": "anywidget", "_model_name": "AnyModel", **state}
    message = policy.comm("comm_open", f"c{next(_ids)}", {"state": state}, ())
    assert message is not None
    clean: dict[str, Any] = message[0]["state"]
    return clean


def updated(policy: TrustPolicy, state: dict[str, Any]) -> dict[str, Any]:
    """What passes of the next message to the widget that was opened last."""
    message = policy.comm("comm_msg", f"c{next(_ids) - 1}", {"method": "update", "state": state}, ())
    assert message is not None
    clean: dict[str, Any] = message[0]["state"]
    return clean


def test_files_of_a_named_package_pass(package: str) -> None:
    policy = TrustPolicy(front_end_files=FrontEndFiles([package]))
    assert opened(policy, {"_esm": MODULE})["_esm"] == MODULE
    assert opened(policy, {"_css": ".drawn { color: red }"})["_css"] == ".drawn { color: red }"


@pytest.mark.parametrize("text", [MODULE + " ", MODULE[:-1], "", "no front-end file", "\ud800", 5, None, [MODULE]])
def test_anything_else_is_replaced_by_the_notice(package: str, text: object) -> None:
    policy = TrustPolicy(front_end_files=FrontEndFiles([package]))
    assert "was not run" in opened(policy, {"_esm": text})["_esm"]
    assert "was not run" in updated(policy, {"_esm": text})["_esm"]


def test_values_of_a_named_package_s_widget_pass_without_what_a_page_would_fetch(package: str) -> None:
    policy = TrustPolicy(front_end_files=FrontEndFiles([package]))
    values = {"n": [1, {"text": "x < y"}], "address": "http://localhost/", "src": "logout"}
    clean = opened(policy, {"_esm": MODULE, **values})
    assert clean["n"] == values["n"] and not {"address", "src"} & set(clean)
    assert clean["_view_name"] == "AnyView"
    assert updated(policy, {"n": 2, "src": "//x", "_view_name": "HTMLView"}) == {"n": 2}
    # What runs another module from now on is another widget.
    opened(policy, {"_esm": MODULE})
    assert set(updated(policy, {"_esm": "evil()", "n": 2})) == {"_esm"}


def test_nothing_passes_where_no_package_is_named(package: str) -> None:
    assert MODULE not in FrontEndFiles([]) and MODULE not in FrontEndFiles(["os"])
    assert "was not run" in opened(TrustPolicy(), {"_esm": MODULE})["_esm"]


@pytest.mark.parametrize("name", ["no_such_package", "", ".", "../a_package", "a package"])
def test_package_that_is_not_there_is_told_in_the_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert MODULE not in FrontEndFiles([name])
    assert "not installed beside the kernel" in caplog.text


@pytest.mark.slow
def test_figure_widget_brings_its_module_where_plotly_is_named(
    hopx_kernelspec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPX_WIDGET_PACKAGES", "plotly")
    with running(hopx_kernelspec) as front_end:
        front_end.run("import plotly.graph_objects as go\nfigure = go.FigureWidget()")
        (state,) = [
            message["content"]["data"]["state"]
            for message in front_end.seen
            if message["msg_type"] == "comm_open" and "_widget_data" in message["content"]["data"]["state"]
        ]
    assert state["_esm"] in FrontEndFiles(["plotly"])
