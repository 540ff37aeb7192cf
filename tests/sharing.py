"""How tests are shared out among processes that run side by side (``pytest -n 2 --dist loadfile``): by files.

A pytest plugin. The tests of a file share kernels, so they stay together. All tests in a browser are one share: two
browsers, each with a server and kernels, are more than a small machine can serve in time.

Whoever starts a kernel chooses its ports, and the kernel binds them later: two processes that ask the system for free ones
at the same time can be given the same. Each has its own here, below those that the system gives to anybody.
"""

from __future__ import annotations

import itertools
import os
import socket
from typing import TYPE_CHECKING

import pytest
from jupyter_client.connect import LocalPortCache

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

_BROWSER = "tests/browser/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Give the scheduler of ``--dist loadfile``, which begins with what takes longest."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByPlace(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _BROWSER if nodeid.startswith(_BROWSER) else super()._split_scope(nodeid)

    # The order of the collection, in which the browser comes first, and not the number of tests in a share.
    config.option.loadscopereorder = False
    return ByPlace(config, log)


#: The ports that are given, and how far apart two processes begin.
_FIRST_PORT, _PORTS, _APART = 10_240, 20_480, 2_500


class OwnPorts(LocalPortCache):
    """Gives the ports of this process's kernels."""

    def __init__(self) -> None:
        super().__init__()
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        self._numbers = itertools.count(worker * _APART + os.getpid() * 7 % _APART)

    def find_available_port(self, ip: str) -> int:
        """The next one that is free."""
        for number in self._numbers:
            port = _FIRST_PORT + number % _PORTS
            with socket.socket() as probe:
                try:
                    probe.bind((ip, port))
                except OSError:
                    continue
            return port
        raise AssertionError("the count has no end")


def pytest_configure() -> None:
    """Let jupyter_client take ports from here."""
    LocalPortCache.clear_instance()
    OwnPorts.instance()
