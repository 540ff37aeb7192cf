"""``%sandbox`` in the runner: what it says to the host, and what it does with what the host says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hopx_kernel.protocol import Message, RunnerOptions

from .client import RunnerClient, RunResult, open_runner

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerClient]:
    with open_runner(RunnerOptions(cwd=str(tmp_path_factory.mktemp("cwd")), beside=True)) as runner:
        yield runner


class Magic:
    """The host's part in one use."""

    def __init__(self, runner: RunnerClient, code: str, **options: Any) -> None:
        self.runner = runner
        self.run = runner.request("execute_request", code=code, **options)
        self.begin = self.next()
        self.magic_id = self.begin.content["magic_id"]
        self._number = 0

    def next(self) -> Message:
        """What the runner says next."""
        return self.runner.wait_for(lambda event: event.msg_type == "sandbox_request")

    def tell(self, action: str, buffers: tuple[bytes, ...] = (), **content: Any) -> None:
        message = {"magic_id": self.magic_id, "action": action, **content}
        self.runner.send(Message("sandbox_reply", message, buffers=buffers))

    def ask(self, question: str, buffers: tuple[bytes, ...] = (), **content: Any) -> Message:
        """Ask something; gives the answer."""
        self._number += 1
        self.tell("question", buffers, question=question, number=self._number, **content)
        answer = self.next()
        assert (answer.content["action"], answer.content["number"]) == ("answer", self._number)
        return answer

    def end(self, **content: Any) -> RunResult:
        self.tell("end", **{"status": "ok", "result": None, **content})
        return self.runner.finish(self.run)

    def fail(self, ename: str, evalue: str = "", **content: Any) -> RunResult:
        return self.end(status="error", ename=ename, evalue=evalue, **content)


def test_use_begins_with_what_the_line_says(runner: RunnerClient) -> None:
    magic = Magic(runner, "%%sandbox a -b\nx = 1\n", execution_count=7, allow_stdin=True)
    assert magic.begin.parent_id == magic.run
    content = {key: magic.begin.content[key] for key in ("action", "line", "cell", "allow_stdin", "execution_count")}
    assert content == {
        "action": "begin",
        "line": "a -b",
        "cell": "x = 1\n",
        "allow_stdin": True,
        "execution_count": 7,
    }
    assert magic.end().reply["status"] == "ok"
    magic = Magic(runner, "%sandbox a kill")
    assert (magic.begin.content["line"], magic.begin.content["cell"]) == ("a kill", None)
    assert magic.end().reply["status"] == "ok"


def test_runner_without_the_option_has_no_magic() -> None:
    with open_runner() as runner:
        assert runner.run("%sandbox").reply["ename"] == "UsageError"


def test_loading_the_extension_does_nothing_where_the_package_is_not(runner: RunnerClient) -> None:
    result = runner.run("%load_ext hopx_kernel")
    assert result.reply["status"] == "ok" and result.text == ""
    assert runner.run("'hopx_kernel' in __import__('sys').modules").value == "False"


@pytest.fixture
def bare_runner(tmp_path: Path) -> Iterator[RunnerClient]:
    """A runner whose interpreter cannot import this package."""
    with open_runner(RunnerOptions(cwd=str(tmp_path), beside=True)) as runner:
        runner.run(f"import sys; sys.path = [path for path in sys.path if path != {str(ROOT)!r}]")
        yield runner


CAUGHT = "try: get_ipython().run_line_magic('sandbox', '')\nexcept {} as exc: print(type(exc).__name__, 'caught')"

#: What the host says of an error, with how its class is imported, and by what name it is caught.
ERRORS: list[tuple[str, dict[str, Any], str, str]] = [
    ("RemoteExecutionError", {"remote_ename": "E", "remote_evalue": "v"}, "from hopx_kernel import {0}", "{0}"),
    ("RemoteExecutionError", {"remote_ename": "E", "remote_evalue": "v"}, "import hopx_kernel", "hopx_kernel.{0}"),
    ("SandboxTimeoutError", {"output": "part"}, "import hopx_kernel.errors as errors", "errors.{0}"),
    ("SandboxLostError", {}, "from hopx_kernel import *", "SandboxError"),
    ("SandboxStartError", {}, "from hopx_kernel import HopxKernelError", "HopxKernelError"),
]


@pytest.mark.parametrize("fixture", ["runner", "bare_runner"])
@pytest.mark.parametrize(("ename", "content", "load", "caught"), ERRORS)
def test_error_is_caught_by_the_package_s_name_for_it(
    request: pytest.FixtureRequest, fixture: str, ename: str, content: dict[str, Any], load: str, caught: str
) -> None:
    runner: RunnerClient = request.getfixturevalue(fixture)
    code = f"{load}\n{CAUGHT.format(caught)}".replace("{0}", ename)
    assert Magic(runner, code).fail(ename, "why", **content).text == f"{ename} caught\n"


def test_error_is_caught_by_a_name_that_is_imported_later(runner: RunnerClient) -> None:
    code = "try: get_ipython().run_line_magic('sandbox', '')\nexcept Exception as exc: kept = exc"
    Magic(runner, code).fail("SandboxLostError")
    assert runner.run("import hopx_kernel; isinstance(kept, hopx_kernel.SandboxLostError)").value == "True"
    assert "hopx_kernel.errors" in runner.run("type(kept)").value


def test_sandbox_without_the_package_gets_its_errors_and_no_more(bare_runner: RunnerClient) -> None:
    assert bare_runner.run("'hopx_kernel' in sys.modules").value == "False"
    for code in ("from hopx_kernel import Sandbox", "import hopx_kernel.magics", "import hopx_kernel.library.inside"):
        reply = bare_runner.run(code).reply
        assert reply["ename"] in ("ImportError", "ModuleNotFoundError")
        assert "for programs on your own computer" in reply["evalue"] and "%%sandbox" in reply["evalue"]
        assert "unknown location" not in reply["evalue"]
    reply = bare_runner.run("import hopx_kernel; hopx_kernel.Sandbox").reply
    assert reply["ename"] == "ImportError" and "for programs on your own computer" in reply["evalue"]
    code = "import hopx_kernel, inspect; inspect.unwrap(hopx_kernel), hasattr(hopx_kernel, '__wrapped__')"
    assert bare_runner.run(code).reply["status"] == "ok"


def test_package_of_the_sandbox_is_never_replaced(bare_runner: RunnerClient) -> None:
    bare_runner.run("open('hopx_kernel.py', 'w').write('mine = 1')")
    assert bare_runner.run("import hopx_kernel; hopx_kernel.mine, hasattr(hopx_kernel, 'errors')").value == "(1, False)"
    assert Magic(bare_runner, "%sandbox").fail("SandboxLostError", "why").reply["ename"] == "SandboxLostError"


def test_error_of_another_version_of_the_package_does_not_hide_what_happened(bare_runner: RunnerClient) -> None:
    package = "class SandboxLostError(Exception):\n    def __init__(self): pass\nRemoteExecutionError = 1\n"
    bare_runner.run("import os; os.mkdir('hopx_kernel'); open('hopx_kernel/__init__.py', 'w').close()")
    bare_runner.run(f"open('hopx_kernel/errors.py', 'w').write({package!r})")
    assert Magic(bare_runner, "%sandbox").fail("SandboxLostError", "why").reply["evalue"] == "why"
    content = {"remote_ename": "E", "remote_evalue": "v"}
    assert Magic(bare_runner, "%sandbox").fail("RemoteExecutionError", **content).reply["evalue"] == "E: v"


def test_runner_without_the_option_offers_no_package() -> None:
    with open_runner() as runner:
        runner.run(f"import sys; sys.path = [path for path in sys.path if path != {str(ROOT)!r}]")
        for code in ("from hopx_kernel import RemoteExecutionError", "import hopx_kernel.library"):
            reply = runner.run(code).reply
            assert reply["ename"] == "ModuleNotFoundError" and "programs on your own computer" in reply["evalue"]


def test_values_are_packed_and_read_by_pieces(runner: RunnerClient) -> None:
    runner.run("data, bad = b'0123456789', {1}")
    magic = Magic(runner, "%sandbox")
    answer = magic.ask("pack", names=["data", "bad"]).content
    assert list(answer["sizes"]) == ["data"] and "set" in answer["faults"]["bad"]
    read = b""
    while piece := magic.ask("read", source="data", max_bytes=4).buffers[0]:
        assert len(piece) <= 4
        read += piece
    assert len(read) == answer["sizes"]["data"] and read.endswith(b"0123456789")
    assert magic.ask("pack", names=["data", "nothing"]).content["missing"] == "nothing"
    magic.end()


def test_values_are_bound_together_when_all_have_come(runner: RunnerClient) -> None:
    runner.run("data = b'123'")
    magic = Magic(runner, "%sandbox")
    size = magic.ask("pack", names=["data"]).content["sizes"]["data"]
    packed = magic.ask("read", source="data", max_bytes=size).buffers[0]
    magic.ask("make", name="copy", size=size)
    for start in range(0, size, 10):
        magic.ask("write", (packed[start : start + 10],))
    assert "fault" not in magic.ask("keep").content
    magic.ask("make", name="broken", size=3)
    magic.ask("write", (b"xyz",))
    assert "fault" in magic.ask("keep").content
    magic.end()
    assert runner.run("'copy' in globals()").value == "False"
    magic = Magic(runner, "%sandbox")
    magic.ask("make", name="copy", size=size)
    magic.ask("write", (packed,))
    magic.ask("keep")
    magic.ask("bind")
    magic.end()
    assert runner.run("copy").value == "b'123'"
    assert runner.run("'broken' in globals()").value == "False"


def test_files_are_read_and_written_whole_or_not_at_all(runner: RunnerClient) -> None:
    runner.run("import os; open('a', 'w').write('abc'); os.makedirs('d')")
    magic = Magic(runner, "%sandbox")
    assert magic.ask("open", path="a", source="file").content["size"] == 3
    assert magic.ask("read", source="file", max_bytes=100).buffers == (b"abc",)
    path = magic.ask("find", source="x/a", target="d").content["path"]
    assert Path(path).is_absolute() and path.endswith("/d/a")
    magic.ask("make", path=path, size=2)
    magic.ask("write", (b"de",))
    assert magic.ask("keep").content["path"] == path
    magic.ask("make", path=path, size=2)
    magic.ask("write", (b"never",))
    magic.end()
    assert runner.run("os.listdir('d'), open('d/a').read()").value == "(['a'], 'de')"


@pytest.mark.parametrize(
    ("question", "content"),
    [
        ("open", {"path": "/none", "source": "f"}),
        ("open", {"path": "/dev/zero", "source": "f"}),
        ("find", {"source": "a", "target": "/none/there"}),
        ("make", {"path": "/none/there", "size": 1}),
        ("make", {"path": "/tmp/too-large", "size": 10**15}),
    ],
)
def test_refused_file_is_answered_with_the_reason(runner: RunnerClient, question: str, content: dict[str, Any]) -> None:
    magic = Magic(runner, "%sandbox")
    answer = magic.ask(question, **content).content
    assert answer["errno"] and answer["reason"]
    magic.end()


@pytest.mark.parametrize("question", ["pack", "open", "read", "find", "make", "write", "keep", "none"])
def test_question_that_makes_no_sense_is_answered(runner: RunnerClient, question: str) -> None:
    magic = Magic(runner, "%sandbox")
    assert magic.ask(question).content["fault"]
    assert magic.end().reply["status"] == "ok"


def test_messages_for_nobody_are_ignored(runner: RunnerClient) -> None:
    for action in ("question", "end", "background", "interrupted", "x"):
        runner.send(Message("sandbox_reply", {"magic_id": "nobody", "action": action}))
    magic = Magic(runner, "%sandbox")
    magic.tell("x")
    assert magic.end().reply["status"] == "ok"


@pytest.mark.parametrize(
    ("ename", "content", "shown"),
    [
        ("UsageError", {}, "UsageError"),
        ("SandboxLostError", {}, "SandboxLostError"),
        ("SandboxStartError", {}, "SandboxStartError"),
        ("SandboxTimeoutError", {"output": "part", "alive": True}, "SandboxTimeoutError"),
        ("RemoteExecutionError", {"remote_ename": "ValueError", "remote_evalue": "why"}, "RemoteExecutionError"),
        ("KeyboardInterrupt", {}, "KeyboardInterrupt"),
        ("annotations", {}, "SandboxError"),
    ],
)
def test_end_with_an_error_raises_it(runner: RunnerClient, ename: str, content: dict[str, Any], shown: str) -> None:
    result = Magic(runner, "%sandbox").fail(ename, "why", traceback=["over there"], **content)
    assert (result.reply["ename"], "why" in result.reply["evalue"]) == (shown, True)
    if shown != "UsageError":
        assert result.error["traceback"] == ["over there"]


def test_interrupt_is_passed_on_and_its_end_awaited(runner: RunnerClient) -> None:
    magic = Magic(runner, "%sandbox")
    runner.request("interrupt_request")
    assert magic.next().content["action"] == "interrupt"
    result = magic.fail("RemoteExecutionError", remote_ename="KeyboardInterrupt", remote_evalue="", traceback=["there"])
    assert (result.reply["ename"], result.reply["reason"]) == ("KeyboardInterrupt", "interrupted")
    assert result.error["traceback"] == ["there"]


def test_interrupt_that_comes_too_late_for_the_other_side_stops_the_cell(runner: RunnerClient) -> None:
    magic = Magic(runner, "%sandbox\nran_on = True")
    runner.request("interrupt_request")
    magic.next()
    assert magic.end().reply["ename"] == "KeyboardInterrupt"
    assert runner.run("'ran_on' in globals()").value == "False"


def test_second_interrupt_leaves(runner: RunnerClient) -> None:
    magic = Magic(runner, "%sandbox")
    for action in ("interrupt", "leave"):
        runner.request("interrupt_request")
        assert magic.next().content["action"] == action
    assert runner.finish(magic.run).reply["ename"] == "KeyboardInterrupt"
    magic.tell("end", status="ok")
    assert runner.run("1").value == "1"


def begin_in_background(runner: RunnerClient) -> Magic:
    """A use that goes on as ``run`` when its cell has ended."""
    magic = Magic(runner, "run = get_ipython().run_cell_magic('sandbox', '--background', 'x')")
    magic.tell("background", name="a", run=3)
    assert runner.finish(magic.run).reply["status"] == "ok"
    return magic


def test_run_in_the_background_is_an_object_of_the_cell(runner: RunnerClient) -> None:
    magic = Magic(runner, "run = get_ipython().run_cell_magic('sandbox', '--background', 'x')\nprint(run)")
    magic.tell("background", name="a", run=3)
    assert runner.finish(magic.run).text == "<run 3 in sandbox 'a': running>\n"
    waiting = runner.request("execute_request", code="run.interrupt()['kept'], run.wait(), run")
    request = magic.next().content
    assert request["action"] == "interrupt"
    magic.tell("interrupted", number=request["number"], status="ok", stopped=True, kept=False)
    magic.tell("end", status="ok", result=[5])
    assert runner.finish(waiting).value == "(False, [5], <run 3 in sandbox 'a': done>)"


def test_output_of_a_run_in_the_background_is_asked_for_and_kept_at_the_end(runner: RunnerClient) -> None:
    magic = begin_in_background(runner)
    asking = runner.request("execute_request", code="run.output")
    request = magic.next().content
    assert request["action"] == "output"
    magic.tell("output", (b"of before",), number=request["number"] - 1)  # it was asked for by somebody who left
    magic.tell("output", ("so far \u00e9\n".encode(),), number=request["number"])
    assert runner.finish(asking).value == repr("so far \u00e9\n")
    magic.tell("end", (b"all of it",), status="ok", result=None)
    assert runner.run("run.wait(), run.output").value == "(None, 'all of it')"


def test_end_answers_who_asks_for_the_output(runner: RunnerClient) -> None:
    magic = begin_in_background(runner)
    asking = runner.request("execute_request", code="run.output")
    assert magic.next().content["action"] == "output"
    magic.tell("end", (b"all of it",), status="error", ename="SandboxLostError", evalue="why")
    assert runner.finish(asking).value == "'all of it'"
    assert runner.run("run.output").value == "'all of it'"


def test_interrupted_wait_for_an_answer_does_not_confuse_the_next(runner: RunnerClient) -> None:
    magic = begin_in_background(runner)
    asking = runner.request("execute_request", code="run.output")
    first = magic.next().content["number"]
    runner.request("interrupt_request")
    assert runner.finish(asking).reply["ename"] == "KeyboardInterrupt"
    asking = runner.request("execute_request", code="run.interrupt()['kept']")
    second = magic.next().content
    magic.tell("output", (b"late",), number=first)
    magic.tell("interrupted", number=second["number"], status="ok", stopped=True, kept=False)
    assert runner.finish(asking).value == "False"
    magic.tell("end", status="ok", result=None)
    assert runner.run("run.wait()").reply["status"] == "ok"


def test_completion_of_what_is_ones_own(runner: RunnerClient) -> None:
    runner.run("spectacular, _hidden = 1, 2; open('some file.csv', 'w').close()")
    for own, word, matches in (
        ("variables", "x,spectac", ["x,spectacular"]),
        ("variables", "_hid", []),
        ("paths", "some", ["some file.csv"]),
        ("nothing", "some", []),
    ):
        reply = runner.ask("complete_request", code=word, cursor_pos=len(word), own=own)
        assert (reply["matches"], reply["cursor_start"], reply["cursor_end"]) == (matches, 0, len(word))


def test_forked_child_is_told_that_it_cannot(runner: RunnerClient) -> None:
    code = (
        "import os\npid = os.fork()\n"
        "if not pid:\n"
        "    try: get_ipython().run_line_magic('sandbox', '')\n"
        "    except RuntimeError as exc: os.write(1, str(exc).encode())\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0); None"
    )
    assert "forked" in runner.run(code).text
