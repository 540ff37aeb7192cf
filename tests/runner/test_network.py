"""Where there is no network, errors that come from it say so."""

from __future__ import annotations

import pytest

from hopx_kernel.protocol import RunnerOptions

from .client import RunnerClient, open_runner

NOTE = "has no network (option network"

#: Neither needs an answer: both fail where there is no way out.
DOWNLOADS = [
    "import urllib.request; urllib.request.urlopen('http://example.invalid/')",
    "import socket; socket.create_connection(('192.0.2.1', 80), 5)",
    "try:\n    import socket; socket.getaddrinfo('example.invalid', 80)\nexcept OSError as exc:\n    raise RuntimeError('no data') from exc",
]


@pytest.mark.parametrize("code", DOWNLOADS)
def test_download_says_that_there_is_no_network(namespace: tuple[str, ...], code: str) -> None:
    with open_runner(RunnerOptions(cwd="/tmp"), prefix=(*namespace, "--unshare-net")) as runner:
        result = runner.run(code)
        assert NOTE in result.error["evalue"] and NOTE in result.error["traceback"][-1]
        assert NOTE not in runner.run("1 / 0").error["evalue"]
        assert NOTE not in runner.run("open('/none')").error["evalue"]


def test_pip_gives_up_at_once_and_says_why(namespace: tuple[str, ...]) -> None:
    with open_runner(RunnerOptions(cwd="/tmp"), prefix=(*namespace, "--unshare-net")) as runner:
        result = runner.run(
            "%pip install --index-url http://example.invalid/simple --target /tmp/none nothing", timeout=120
        )
        assert NOTE in result.stream("stderr") and "Retrying" not in result.text
        assert NOTE not in runner.run("!false").text
        assert NOTE not in runner.run("!git --version").text


def test_nothing_is_said_where_there_is_a_network(runner: RunnerClient) -> None:
    import socket

    if [name for _, name in socket.if_nameindex()] == ["lo"]:
        pytest.skip("this machine has no network itself")
    for error in ("socket.gaierror(socket.EAI_NONAME, 'no such name')", "OSError(errno.ENETUNREACH, 'no way')"):
        result = runner.run(f"import errno, socket\nraise {error}")
        assert result.error["evalue"] and NOTE not in result.error["evalue"]
