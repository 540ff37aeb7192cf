"""The cell by which Voilà tells the code about the kernel and the visit does not reach the sandbox; all others do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .client import FrontEnd, running, texts

#: As Voilà sends it, white space and all, and with more of what it knows.
ENVIRONMENT = """import os
                    \nos.environ["VOILA_KERNEL_ID"]="5f8a"
                    """
VISIT = 'import os\nos.environ["SERVER_NAME"] = "host"\nos.environ["QUERY_STRING"] = "secret=1"\n'


@pytest.fixture(scope="module")
def front_end(hopx_kernelspec: str) -> Iterator[FrontEnd]:
    with running(hopx_kernelspec) as front_end:
        yield front_end


def run(front_end: FrontEnd, code: str, store_history: bool) -> None:
    msg_id = front_end.client.execute(code, store_history=store_history)
    messages = front_end.until_idle(msg_id)
    assert not [message for message in messages if message["msg_type"] == "error"]


def value(front_end: FrontEnd, name: str) -> str:
    return texts(front_end.run(f"import os; print(os.environ.pop({name!r}, None))")).strip()


@pytest.mark.parametrize(("code", "name"), [(ENVIRONMENT, "VOILA_KERNEL_ID"), (VISIT, "QUERY_STRING")])
def test_cell_of_voila_is_swallowed(front_end: FrontEnd, code: str, name: str) -> None:
    run(front_end, code, store_history=False)
    assert value(front_end, name) == "None"


@pytest.mark.parametrize(
    ("code", "store_history", "name", "expected"),
    [
        (ENVIRONMENT, True, "VOILA_KERNEL_ID", "5f8a"),
        (VISIT + "os.environ['QUERY_STRING'] += '!'", False, "QUERY_STRING", "secret=1!"),
        ('import os\nos.environ["MINE"]="1"', False, "MINE", "1"),
        ('import os\nos.environ["VOILA_X"]="a" + "b"', False, "VOILA_X", "ab"),
    ],
)
def test_cell_of_the_notebook_is_run(
    front_end: FrontEnd, code: str, store_history: bool, name: str, expected: str
) -> None:
    run(front_end, code, store_history)
    assert value(front_end, name) == expected
