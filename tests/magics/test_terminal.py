"""``%%sandbox`` where there is no page: in IPython's terminal, and in a cell that is in a sandbox itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pexpect

from .client import ROOT

CELLS = [
    "%load_ext hopx_kernel",
    "%%sandbox\nfor i in range(3): progress('Loading', 50 * i)\nprint('printed')\nx = 41\nx + 1",
    "%%sandbox -o y\ny = {'x': x}",
    "print('here:', y)",
    "%%sandbox\n1/0",
    "%%sandbox --language bash\necho from bash",
    "%sandbox",
    "%sandbox default kill",
]


def test_terminal_shows_output_bars_values_and_errors(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path), "TERM": "dumb"}
    code = f"for cell in {CELLS!r}: get_ipython().run_cell(cell)"
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=nocolor", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=150, check=True)
    text = ended.stdout
    assert "printed\n" in text and "\n42\n" in text
    assert "Loading" in text and "100 %" in text
    assert "here: {'x': 41}" in text
    assert "ZeroDivisionError" in text and "division by zero" in text
    assert "from bash\n" in text
    assert "default  local  alive" in text
    assert "hopx_kernel/" not in text + ended.stderr


def test_interrupt_in_the_terminal_stops_the_remote_code_and_keeps_both_states(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path), "TERM": "dumb"}
    command = ["-m", "IPython", "--simple-prompt", "--colors=nocolor", "--no-banner", "--no-confirm-exit"]
    shell = pexpect.spawn(
        sys.executable,
        command,
        env=environment,
        timeout=90,
        encoding="utf-8",
        echo=False,
        # Whoever runs the tests in the background of a shell ignores it, and what is ignored is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:

        def enter(cell: str, expected: str) -> None:
            shell.sendline(cell)
            shell.expect(expected)

        sandbox = "get_ipython().run_cell_magic('sandbox', '', {!r})".format
        enter("%load_ext hopx_kernel", r"In \[2\]")
        enter("here = 1; " + sandbox("there = 2"), r"In \[3\]")
        enter(sandbox("print('started', flush=True)\nwhile True: pass"), "started")
        shell.sendintr()
        shell.expect("KeyboardInterrupt")
        shell.expect(r"In \[4\]")
        enter(sandbox("print('there is', there)"), "there is 2")
        enter("print('here is', here)", "here is 1")
        shell.sendline("exit")
        shell.expect(pexpect.EOF)
    finally:
        shell.close(force=True)


def test_terminal_ends_also_after_an_interrupted_wait_for_a_run(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path), "TERM": "dumb"}
    code = (
        "import os, signal, threading\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "shell = get_ipython()\n"
        "shell.run_cell('%load_ext hopx_kernel')\n"
        "run = shell.run_cell_magic('sandbox', '--background', 'while True: pass')\n"
        "interrupt = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))\n"
        "result = shell.run_cell('interrupt.start()\\nawait run')\n"
        "print(type(result.error_in_exec).__name__, run.is_done)\n"
    )
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=nocolor", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=150, check=True)
    assert "KeyboardInterrupt False\n" in ended.stdout, ended.stdout + ended.stderr


def test_inside_a_sandbox_the_local_kind_says_why_it_cannot_start(tmp_path: Path) -> None:
    """The package is given to the sandbox, as installing it into the sandbox's environment does."""
    script = tmp_path / "inside.py"
    script.write_text(
        "from hopx_kernel import Sandbox\n"
        "import pathlib\n"
        "with Sandbox.create() as sandbox:\n"
        f"    for path in pathlib.Path({str(ROOT)!r}, 'hopx_kernel').rglob('*.py'):\n"
        f"        sandbox.files.write('/app/' + str(path.relative_to({str(ROOT)!r})), path.read_bytes())\n"
        "    session = sandbox.session()\n"
        "    session.execute('import sys; sys.path.insert(0, \"/app\")')\n"
        "    print(session.execute('%load_ext hopx_kernel').output)\n"
        "    run = session.execute('%%sandbox\\nprint(1)')\n"
        "    list(run)\n"
        "    print(run.reply['ename'], run.reply['evalue'])\n"
        "    print(session.execute('%%sandbox x --kind process\\nprint(6 * 7)').output)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=150, check=True
    )
    assert "SandboxStartError" in ended.stdout, ended.stdout
    assert "42\n" in ended.stdout
    assert "isolates nothing" in ended.stdout
