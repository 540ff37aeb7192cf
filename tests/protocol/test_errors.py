"""The error tree: what a caller can rely on."""

from __future__ import annotations

import pickle

import pytest

from hopx_kernel import errors

EXAMPLES = [
    errors.SandboxStartError("bwrap is missing", "apt-get install bubblewrap"),
    errors.SandboxLostError("gone"),
    errors.SandboxTimeoutError("took longer than 3 s", "partial", alive=False),
    errors.LocalProtocolError("ours"),
    errors.RemoteProtocolError("theirs"),
    errors.RemoteExecutionError("ValueError", "no", ["line 1", "line 2"]),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_error_survives_pickling(error: errors.HopxKernelError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_timeout_is_a_timeout_error_too() -> None:
    with pytest.raises(TimeoutError):
        raise EXAMPLES[2]


def test_start_error_shows_cause_and_remedy() -> None:
    assert str(EXAMPLES[0]) == "bwrap is missing\napt-get install bubblewrap"


def test_remote_error_reads_a_jupyter_error() -> None:
    error = errors.RemoteExecutionError.from_content(
        {"ename": "E", "evalue": "v", "traceback": ["t"], "status": "error"}
    )
    assert (error.ename, error.evalue, error.traceback) == ("E", "v", ["t"])
