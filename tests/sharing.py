"""How tests are shared out among processes that run side by side (``pytest -n 2 --dist loadfile``): by files.

A pytest plugin. The tests of a file share kernels, so they stay together. All tests in a browser are one share: two
browsers, each with a server and kernels, are more than a small machine can serve in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
