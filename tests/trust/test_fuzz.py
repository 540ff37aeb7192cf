"""Random and mutated messages in thousands, against what an oracle of its own finds dangerous in what passes.

The seeds are printed; ``HOPX_FUZZ_SEED`` takes one instead, ``HOPX_FUZZ_MESSAGES`` says how many messages it makes.
"""

from __future__ import annotations

import os

import pytest

from hopx_kernel.trust import TrustPolicy

from .hostile import Hostile
from .oracle import Oracle, markup_faults

MESSAGES = int(os.environ.get("HOPX_FUZZ_MESSAGES", "2500"))
SEEDS = [int(os.environ["HOPX_FUZZ_SEED"])] if "HOPX_FUZZ_SEED" in os.environ else [*range(1, 6)]


@pytest.mark.parametrize("seed", SEEDS[:-1] if len(SEEDS) > 1 else SEEDS)
def test_what_passes_of_random_comm_messages_is_harmless(seed: int) -> None:
    _check_messages(seed)


def test_what_passes_of_other_random_comm_messages_is_harmless() -> None:
    _check_messages(SEEDS[-1])


def _check_messages(seed: int) -> None:
    print("seed", seed)
    hostile, policy, oracle = Hostile(seed), TrustPolicy(), Oracle()
    passed = 0
    for number, (msg_type, comm_id, data, buffers) in enumerate(hostile.messages(MESSAGES)):
        given = repr(data)
        message = policy.comm(msg_type, comm_id, data, buffers)
        if message is not None:
            passed += 1
            faults = oracle.faults(msg_type, comm_id, message[0], list(message[1]))
            assert not faults, (seed, number, msg_type, comm_id, faults, given, message[0])
        if number % 50 == 0:
            states, _ = policy.comm_states({"states": hostile.states(), "buffer_paths": [hostile.path()]}, [b"1"])
            for name, entry in states["states"].items():
                assert not oracle.state_faults(name, entry), (seed, number, entry)
    assert passed > MESSAGES / 4  # or the messages say nothing about the filter


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_what_passes_of_random_bundles_is_harmless(seed: int) -> None:
    print("seed", seed)
    hostile, policy = Hostile(seed), TrustPolicy()
    for number in range(MESSAGES):
        data, metadata = hostile.bundle()
        shown, about = policy.bundle(data, metadata)
        faults = [
            *markup_faults(shown.get("text/html", ""), framed=True),
            *markup_faults(shown.get("text/markdown", "")),
        ]
        assert not faults, (seed, number, faults, data, shown)
        assert not {mime for mime in shown if "script" in mime.lower() or "vega" in mime}, (seed, number, shown)
        view = shown.get("application/vnd.jupyter.widget-view+json", {"model_id": "x"})
        assert type(view["model_id"]) is str
        assert all(type(about.get(key)) in (int, float, str, bool, type(None)) for key in ("width", "height"))
