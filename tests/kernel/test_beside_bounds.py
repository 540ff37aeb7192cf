"""What a sandbox beside the kernel's own never gets, and what hostile code cannot do in the name of ``%sandbox``."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.magics.client import ok, refused

from .client import TIMEOUT, Kernel


def test_network_and_other_kinds_are_refused_with_the_option(fresh_kernel: Kernel) -> None:
    assert "HopxConfig.network" in refused(fresh_kernel.run("%%sandbox a --network\n1"))
    for kind in ("process", "cloud"):
        assert "HopxConfig.kind" in refused(fresh_kernel.run(f"%%sandbox a --kind {kind}\n1"))
    assert "no sandbox yet" in ok(fresh_kernel.run("%sandbox")).text()
    ok(fresh_kernel.run("%%sandbox a --kind local\n1"))
    assert "%sandbox" in refused(fresh_kernel.run("%%sandbox a --network\n1"))


def test_sandboxes_have_the_kernels_limits_network_and_number(jupyter_environment: dict[str, str]) -> None:
    options = ["open_files_limit=100", "max_sandboxes_beside=2", "network=True", "env={'SECRET': 'x'}"]
    with Kernel(*(f"--HopxConfig.{option}" for option in options)) as kernel:
        code = "import os, resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 'SECRET' in os.environ)"
        own, beside = kernel.run(code), ok(kernel.run(f"%%sandbox a --network\n{code}"))
        assert beside.text().split()[0] == own.text().split()[0] and int(own.text().split()[0]) <= 100
        assert beside.text().split()[1] == "False"
        assert "network   yes" in ok(kernel.run("%sandbox a")).text()
        ok(kernel.run("%%sandbox b\n1"))
        assert "network   no" in ok(kernel.run("%sandbox b")).text()
        evalue = refused(kernel.run("%%sandbox c\n1"))
        assert "max_sandboxes_beside" in evalue and "2" in evalue
        ok(kernel.run("%sandbox a kill"))
        ok(kernel.run("%%sandbox c\n1"))


def test_kernel_that_isolates_nothing_has_such_sandboxes_beside(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.kind=process") as kernel:
        outcome = ok(kernel.run("%%sandbox\nprint('ran')"))
        assert outcome.text() == "ran\n" and "isolates nothing" in outcome.text("stderr")


def test_copies_never_touch_the_host(kernel: Kernel, tmp_path: Path) -> None:
    secret, target = tmp_path / "secret", tmp_path / "target"
    secret.write_text("s", encoding="utf-8")
    ok(kernel.run("%%sandbox\nopen('a', 'w').close()"))
    assert "No such file" in refused(kernel.run(f"%sandbox default upload {secret}"))
    assert "its directory does not exist" in refused(kernel.run(f"%sandbox default download a {target}"))
    assert not target.exists()


# ------------------------------------------------------------------ what the code in the sandbox may say

HOSTILE = """
import threading, time
beside = get_ipython().kernel._services.beside
emit = beside._services.emit
before = threading.active_count()
ids = ["a", "", "x" * 10_000, "\\ud800"]
for magic_id in ids:
    for action in ("begin", "answer", "interrupt", "output", "leave", "", "x" * 10_000):
        for extra in (
            {},
            {"line": 1, "cell": [], "allow_stdin": "yes", "execution_count": None},
            {"line": "a", "cell": {"b": 1}, "allow_stdin": True, "execution_count": 10**400},
            {"line": "%", "cell": None, "allow_stdin": True, "execution_count": True},
            {"number": "1", "errno": "x", "fault": [], "sizes": 3},
            {"number": 10**400},
        ):
            emit("sandbox_request", {"magic_id": magic_id, "action": action, **extra}, buffers=[b"x" * 100] * 3)
            emit("sandbox_request", {"magic_id": magic_id, "action": action, **extra}, parent_id="nobody")
for i in range(200):
    content = {"line": "", "cell": None, "allow_stdin": False, "execution_count": 1}
    emit("sandbox_request", {"magic_id": f"many{i}", "action": "begin", **content})
print("sent")
"""


def test_hostile_requests_harm_nothing(fresh_kernel: Kernel) -> None:
    assert "sent\n" in ok(fresh_kernel.run(HOSTILE)).text()  # among what its requests show
    deadline = time.monotonic() + TIMEOUT
    # Those that were taken are being answered.
    while (outcome := fresh_kernel.run("%%sandbox good\nprint('still here')")).content["status"] == "error":
        assert "already" in outcome.content["evalue"] and time.monotonic() < deadline
    assert outcome.text() == "still here\n"
    assert ok(fresh_kernel.run("print('me too')")).text() == "me too\n"


#: Asks for the output of a run in the background, which is large, far more often than it takes the answers.
GREEDY = """
while len(run.output) < 4_000_000: pass
beside = get_ipython().kernel._services.beside
(use,) = beside._uses.values()
for number in range(300): use.send("output", {"number": 1000 + number})
print(len(run.output) > 4_000_000)
"""


def test_output_that_is_asked_for_very_often_waits_once_in_the_kernel(fresh_kernel: Kernel) -> None:
    code = "print('x' * 4_100_000, flush=True); import time; time.sleep(1000)"
    ok(fresh_kernel.run(f"%%sandbox --background --no-display\n{code}"))
    ok(fresh_kernel.run("run = _; run.output[:1]"))
    before = fresh_kernel.process.memory_info().rss
    assert ok(fresh_kernel.run(GREEDY)).text() == "True\n"
    assert fresh_kernel.process.memory_info().rss - before < 200_000_000
    assert ok(fresh_kernel.run("run.interrupt()['stopped']")).result == "True"


ANSWERS = """
from _hopx_runner.runner import belongings
Belongings = belongings.Belongings
lie = lambda self, content, buffers: answers[content["question"]]
y = 1
"""


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("%%sandbox liar -i y\n1", "{'pack': ({}, None)}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': 'x'}, 'faults': {}}, None)}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': -1}, 'faults': {}}, None)}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': 5}, 'faults': {}}, None), 'read': ({}, b'x' * 10**6)}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': 10**15}, 'faults': {}}, None), 'read': ({}, b'')}"),
        ("%%sandbox liar -i y\n1", "{'pack': ({'sizes': {'y': 4}, 'faults': {}}, None), 'read': ({}, b'nope')}"),
        ("%sandbox liar upload y", "{'open': ({'size': True, 'name': 'y'}, None)}"),
        ("%sandbox liar upload y", "{'open': ({'size': 3, 'name': '../../../../x'}, None), 'read': ({}, b'abc')}"),
        ("%sandbox liar upload y", "{'open': ({'errno': 2, 'reason': 7, 'filename': {}}, None)}"),
        ("%sandbox liar download a", "{'find': ({'path': 3}, None)}"),
        ("%sandbox liar download a", "{'find': ({'path': 'a'}, None), 'make': ({'fault': 'no'}, None)}"),
    ],
)
def test_lying_answers_are_errors_of_their_own_cell(kernel: Kernel, line: str, answers: str) -> None:
    ok(kernel.run("%%sandbox liar\nopen('a', 'w').write('abc')"))
    ok(kernel.run(ANSWERS + f"answers = {answers}\ntrue, Belongings.answer = Belongings.answer, lie"))
    assert kernel.run(line).content["status"] in ("error", "ok")
    ok(kernel.run("Belongings.answer = true"))
    assert ok(kernel.run("%%sandbox liar -i y -o z\nz = y + 1; print(sorted(__import__('os').listdir('/')))")).text()
    assert ok(kernel.run("print(z)")).text() == "2\n"
