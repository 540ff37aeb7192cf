"""What is printed, from every place that can print, as the front end gets it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .client import TIMEOUT, UNTIL_INTERRUPTED, Kernel


def test_python_subprocess_and_raw_writes_keep_their_order(kernel: Kernel) -> None:
    code = (
        "import os, subprocess, sys\n"
        "for i in range(3):\n"
        "    print('print', i)\n"
        "    os.write(1, b'write %d\\n' % i)\n"
        "    subprocess.run(['echo', 'echo', str(i)])\n"
    )
    expected = "".join(f"print {i}\nwrite {i}\necho {i}\n" for i in range(3))
    assert kernel.run(code).text() == expected


def test_stdout_and_stderr_keep_their_order(kernel: Kernel) -> None:
    code = "import sys\nfor i in range(20):\n    print('o', i)\n    print('e', i, file=sys.stderr)"
    outcome = kernel.run(code)
    whole = "".join(content["text"] for content in outcome.contents("stream"))
    assert whole == "".join(f"o {i}\ne {i}\n" for i in range(20))
    assert outcome.text("stdout") == "".join(f"o {i}\n" for i in range(20))
    assert outcome.text("stderr") == "".join(f"e {i}\n" for i in range(20))


def test_threads_print_whole_lines(kernel: Kernel) -> None:
    code = (
        "import threading\n"
        # In one write: `print` writes the end of a line by itself, and another thread may come between.
        "def work(n):\n    for i in range(200): print(f'{n}-{i}\\n', end='')\n"
        "ts = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]; None"
    )
    lines = kernel.run(code).text().splitlines()
    assert len(lines) == 800
    for n in range(4):
        assert [line for line in lines if line.startswith(f"{n}-")] == [f"{n}-{i}" for i in range(200)]


def test_million_lines_arrive_in_order_in_few_messages(kernel: Kernel) -> None:
    started = time.monotonic()
    outcome = kernel.run("for i in range(10**6): print(i)", stop_on_error=True)
    assert outcome.text() == "".join(f"{i}\n" for i in range(10**6))
    # Those of the text's size, and twenty a second for as long as a slow machine takes.
    assert len(outcome.messages) <= 500 + 20 * (time.monotonic() - started)


def test_line_of_ten_megabytes_arrives_whole(kernel: Kernel) -> None:
    assert kernel.run("print('z' * 10_000_000)").text() == "z" * 10_000_000 + "\n"


def test_bytes_that_are_not_utf8_are_replaced(kernel: Kernel) -> None:
    outcome = kernel.run("import os; os.write(1, b'a\\xff\\xfeb\\n'); print('after')")
    assert outcome.text() == "a\ufffd\ufffdb\nafter\n"


def test_character_that_is_cut_over_two_writes_is_whole(kernel: Kernel) -> None:
    code = "import os, time\nos.write(1, b'\\xf0\\x9f'); time.sleep(0.3); os.write(1, b'\\x98\\x80\\n'); None"
    assert kernel.run(code).text() == "\N{GRINNING FACE}\n"


def test_carriage_return_bar_is_collapsed(kernel: Kernel) -> None:
    code = "import sys\nfor i in range(10001):\n    sys.stdout.write(f'\\r{i / 100:.0f} %')\nprint()"
    outcome = kernel.run(code)
    assert outcome.text().rsplit("\r", 1)[-1] == "100 %\n"
    assert len(outcome.text()) < 2000


def test_output_of_forked_children_arrives(kernel: Kernel) -> None:
    code = "import os\nif os.fork() == 0:\n    print('child', flush=True)\n    os._exit(0)\nos.wait(); print('parent')"
    assert sorted(kernel.run(code).text().splitlines()) == ["child", "parent"]


def test_flood_loses_neither_error_nor_display(kernel: Kernel) -> None:
    code = (
        "from IPython.display import display\n"
        "for i in range(50000): print('flood', i)\n"
        "display('shown')\n"
        "for i in range(50000): print('flood', i)\n"
        "1/0"
    )
    outcome = kernel.run(code)
    types = [kind for kind in outcome.types if kind != "stream"]
    assert types == ["busy", "execute_input", "display_data", "error", "idle"]
    assert outcome.text().count("\n") == 100_000


def test_first_print_does_not_wait_for_the_second(kernel: Kernel) -> None:
    run = kernel.send(UNTIL_INTERRUPTED)
    kernel.wait_for_text(run, "started\n")
    kernel.interrupt()
    assert kernel.collect(run).text() == "done\n"


def test_terminal_commands_do_not_reach_the_front_end(kernel: Kernel) -> None:
    outcome = kernel.run(r"print('a\x1b]52;c;QUJD\x07b \x1b[31mred\x1b[0m')")
    assert outcome.text() == "ab \x1b[31mred\x1b[0m\n"


def test_script_in_output_does_not_reach_the_page(kernel: Kernel) -> None:
    outcome = kernel.run(
        "from IPython.display import HTML, Javascript, display\ndisplay(Javascript('1')); HTML('<script>1</script>')"
    )
    assert "application/javascript" not in outcome.contents("display_data")[0]["data"]
    markup = outcome.contents("execute_result")[0]["data"]["text/html"]
    assert markup.startswith('<iframe sandbox="allow-scripts"') and "<script" not in markup


def test_trusted_output_passes_unchanged(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.trust=trusted") as kernel:
        outcome = kernel.run("from IPython.display import HTML\nHTML('<script>1</script>')")
        assert outcome.contents("execute_result")[0]["data"]["text/html"] == "<script>1</script>"


def test_output_over_the_limit_is_counted_and_kept(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.output_limit=100kB") as kernel:
        outcome = kernel.run("for i in range(100000): print('line', i)\n1/0")
        shown, notice = outcome.text(), outcome.text("stderr")
        assert 100_000 <= len(shown) < 120_000 and "line 99999\n" in shown
        assert outcome.types[-2:] == ["error", "idle"]
        assert "lines" in notice and "not shown" in notice
        path = Path(notice.rpartition("All of it: ")[2].strip())
        assert path.read_text(encoding="utf-8") == "".join(f"line {i}\n" for i in range(100000))
        kernel.shut_down()
        assert not path.exists()


@pytest.mark.parametrize("kind", ["local", "process"])
def test_nothing_is_left_of_a_kernel_that_is_killed(
    jupyter_environment: dict[str, str], tmp_path: Path, kind: str
) -> None:
    options = ["output_limit=100kB", f"kind={kind}"]
    with Kernel(*(f"--HopxConfig.{option}" for option in options), env={"TMPDIR": str(tmp_path)}) as kernel:
        notice = kernel.run("open('a', 'w').close()\nfor i in range(100000): print('line', i)").text("stderr")
        assert tmp_path in Path(notice.rpartition("All of it: ")[2].strip()).parents
        kernel.process.kill()
        deadline = time.monotonic() + TIMEOUT
        # As `os.walk`, which a directory that goes while it looks does not disturb.
        while (left := [names for names in os.walk(tmp_path) if names[1:] != ([], [])]) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert left == []


def test_fault_of_the_kernel_is_told_in_the_place_of_the_output(tmp_path: Path) -> None:
    names = ("clean", "clean_text", "is_html", "Cleaner")
    faults = "".join(
        f"def {name}(*_, **__): raise TypeError('a sanitiser \\x1b[2J of another version')\n" for name in names
    )
    (tmp_path / "nh3.py").write_text(f"ALLOWED_TAGS = ALLOWED_ATTRIBUTES = ALLOWED_URL_SCHEMES = frozenset()\n{faults}")
    with Kernel(env={"PYTHONPATH": str(tmp_path)}) as kernel:
        outcome = kernel.run(
            "from IPython.display import HTML, display\nfor _ in range(9): display(HTML('<b>x</b>'))\nprint(7)"
        )
        assert outcome.content["status"] == "ok" and outcome.text() == "7\n"
        assert "a sanitiser" in outcome.text("stderr") and "\x1b" not in outcome.text("stderr")
        assert outcome.text("stderr").count("could not be shown, by a fault of this kernel") == 1
        assert kernel.run("HTML('<b>x</b>')").text("stderr").startswith("An output (execute_result) could not be shown")
        assert kernel.run("1").result == "1"
