"""``%%sandbox`` in a cell of the kernel: what only a sandbox beside the cell's own does.

What the magics do in every kernel is tried in `tests.magics`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.magics.client import complete, ok

from .client import PATIENT, TIMEOUT, Kernel, kill_all
from .test_life import sandbox_processes, wait_gone

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kernel(jupyter_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel that gives code time to stop."""
    with Kernel(PATIENT) as kernel:
        yield kernel


@pytest.fixture
def name(kernel: Kernel) -> Iterator[str]:
    """A name for a sandbox, which is killed afterwards."""
    yield "beside"
    if "\nbeside " in ok(kernel.run("%sandbox")).text():
        ok(kernel.run("%sandbox beside kill"))


# ------------------------------------------------------------------ the magics


def test_magics_are_there_at_once(fresh_kernel: Kernel) -> None:
    assert ok(fresh_kernel.run("%%sandbox\nprint('there')")).text() == "there\n"
    assert ok(fresh_kernel.run("%load_ext hopx_kernel")).text("stderr") == ""


def test_other_extensions_load_as_ever(kernel: Kernel) -> None:
    assert ok(kernel.run("%load_ext autoreload\n%autoreload 0")).text("stderr") == ""
    assert kernel.run("%load_ext no_such_extension").content["ename"] == "ModuleNotFoundError"


def test_code_beside_makes_no_further_sandboxes(kernel: Kernel, name: str) -> None:
    assert "not found" in kernel.run(f"%%sandbox {name}\n%sandbox").content["evalue"]
    code = "print('sandbox' in get_ipython().magics_manager.magics['line'])"
    assert ok(kernel.run(f"%%sandbox {name}\n{code}")).text() == "False\n"


def test_files_and_processes_are_apart_too(kernel: Kernel, name: str) -> None:
    ok(kernel.run("open('mine', 'w').close()"))
    code = "import os\nprint(os.path.exists('mine'), sum(entry.isdigit() for entry in os.listdir('/proc')) < 10)"
    assert ok(kernel.run(f"%%sandbox {name}\n{code}")).text() == "False True\n"


def test_magic_works_in_threads(kernel: Kernel, name: str) -> None:
    code = (
        "import threading\n"
        "def use(i): get_ipython().run_cell_magic('sandbox', f'{name}', f'print({i} * 10)')\n"
        "threads = [threading.Thread(target=use, args=(i,)) for i in range(4)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]; None"
    ).replace("{name}", name, 1)
    assert sorted(ok(kernel.run(code)).text().split()) == ["0", "10", "20", "30"]


def test_completion_of_the_cell_itself_is_pythons(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    ok(kernel.run("spectacular = 1"))
    assert complete(kernel, f"x = 1\n  %sandbox {name[:4]}") == [name]
    assert complete(kernel, "%%sandbox -i name,specta") == ["name,spectacular"]
    assert complete(kernel, "%%sandbox --kind ") == ["local"]
    assert "print" in complete(kernel, "%%sandbox x\nprin")
    assert "%sandbox" in complete(kernel, "%sandb")
    assert "restart" not in complete(kernel, "x = '%sandbox x re")


def test_error_is_caught_by_the_name_of_the_sandbox_s_own_package(kernel: Kernel, name: str) -> None:
    sources = {file: (ROOT / "hopx_kernel" / file).read_text(encoding="utf-8") for file in ("__init__.py", "errors.py")}
    code = (
        f"import os, sys\nos.mkdir('hopx_kernel')\nfor file, text in {sources!r}.items():\n"
        "    with open('hopx_kernel/' + file, 'w') as target: _ = target.write(text)\n"
        "from hopx_kernel import RemoteExecutionError\n"
        f"try: get_ipython().run_cell_magic('sandbox', '{name}', '1/0')\n"
        "except RemoteExecutionError as exc: print(exc.ename, sys.modules[type(exc).__module__].__file__)"
    )
    assert ok(kernel.run(code)).text() == "ZeroDivisionError /workspace/hopx_kernel/errors.py\n"
    ok(kernel.run("import shutil; shutil.rmtree('hopx_kernel')"))


# ------------------------------------------------------------------ progress


def test_tasks_of_two_sandboxes_do_not_become_one(kernel: Kernel, name: str) -> None:
    cell = "progress('From {}', {}, task='t'); progress('Other {}', 5)"
    code = (
        f"{cell.format('here', 30, 'here')}\n"
        f'get_ipython().run_cell_magic(\'sandbox\', \'{name}\', """{cell.format("there", 60, "there")}""")\n'
    )
    outcome = ok(kernel.run(code))
    last = (outcome.contents("update_display_data") or outcome.contents("display_data"))[-1]["data"]["text/plain"]
    for text, percent in (("From here", "30"), ("Other here", "5"), ("From there", "60"), ("Other there", "5")):
        assert re.search(rf"{text}\s.* {percent} %", last), last


def test_bars_of_a_run_that_has_ended_do_not_run_on(kernel: Kernel, name: str) -> None:
    code = (
        f"try: get_ipython().run_cell_magic('sandbox', '{name}', 'progress(\"Sifting\", 40); 1/0')\n"
        "except Exception as exc: print(type(exc).__name__)\n"
        "progress('Here', 100)"
    )
    outcome = ok(kernel.run(code))
    assert outcome.text() == "RemoteExecutionError\n"
    lines = outcome.contents("update_display_data")[-1]["data"]["text/plain"].splitlines()
    (sifting,) = [line for line in lines if "Sifting" in line]
    (here,) = [line for line in lines if "Here" in line]
    assert sifting[0] != here[0]  # failed and done have signs of their own


# ------------------------------------------------------------------ interrupts


def test_interrupt_tells_what_came_of_it(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\nwhile True: pass")
    kernel.wait_for_text(msg_id, "started")
    reply = kernel.interrupt()
    assert reply["stopped"] and reply["kept"]
    content = kernel.collect(msg_id).content
    assert (content["status"], content["ename"], content["evalue"]) == ("error", "KeyboardInterrupt", "")
    assert content["reason"] == "interrupted"


def test_interrupt_while_the_sandbox_starts(kernel: Kernel, name: str) -> None:
    msg_id = kernel.send(f"%%sandbox {name}\nimport time\ntime.sleep(60)")
    kernel.collect(msg_id, lambda message: message["msg_type"] == "execute_input", with_reply=False)
    assert kernel.interrupt()["stopped"]
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


def test_interrupt_of_a_copy_is_one_there_too(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    ok(kernel.run("import numpy; large = numpy.zeros(1 << 24)"))
    for _ in range(3):
        msg_id = kernel.send(f"%%sandbox {name} -i large\nprint('never')")
        kernel.collect(msg_id, lambda message: message["msg_type"] in ("comm_open", "display_data"), with_reply=False)
        assert kernel.interrupt()["stopped"]
        outcome = kernel.collect(msg_id)
        assert outcome.content["ename"] == "KeyboardInterrupt" and outcome.text() == ""
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


def test_ten_interrupts_of_one_cell_do_no_harm(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nimport time; there = 2"))
    msg_id = kernel.send(f"%%sandbox {name}\nprint('started', flush=True)\ntime.sleep(60)")
    kernel.wait_for_text(msg_id, "started")
    for _ in range(10):
        assert kernel.interrupt()["status"] == "ok"
    assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run(f"%%sandbox {name}\nprint(there)")).text() == "2\n"


# ------------------------------------------------------------------ the life of the sandboxes


def children_of(kernel: Kernel) -> list[psutil.Process]:
    return kernel.process.children(recursive=True)


def test_sandboxes_outlive_the_interpreter_that_made_them(fresh_kernel: Kernel) -> None:
    ok(fresh_kernel.run("%%sandbox\nx = 1"))
    fresh_kernel.run("import os; os._exit(3)")
    assert ok(fresh_kernel.run("%%sandbox\nprint(x)")).text() == "1\n"


def test_sandboxes_go_with_the_kernel_that_is_restarted(fresh_kernel: Kernel) -> None:
    ok(fresh_kernel.run("%%sandbox\nx = 1\nimport subprocess; p = subprocess.Popen(['sleep', '3600'])"))
    before = sandbox_processes(fresh_kernel)
    fresh_kernel.manager.restart_kernel()
    fresh_kernel.client.wait_for_ready(timeout=TIMEOUT)
    assert wait_gone(before) == []
    assert "no sandbox yet" in ok(fresh_kernel.run("%sandbox")).text()
    assert fresh_kernel.run("%%sandbox\nx").content["evalue"] == "NameError: name 'x' is not defined"


def test_sandboxes_outlive_the_sandbox_that_made_them(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("1")
    own = children_of(fresh_kernel)
    ok(fresh_kernel.run("%%sandbox\nx = 1"))
    kill_all(own)
    deadline = time.monotonic() + TIMEOUT
    while fresh_kernel.run("1").content["status"] == "error":
        assert time.monotonic() < deadline
    assert ok(fresh_kernel.run("%%sandbox\nprint(x)")).text() == "1\n"


def test_death_of_the_interpreter_stops_what_it_runs_beside(fresh_kernel: Kernel) -> None:
    ok(fresh_kernel.run("%%sandbox\nx = 1"))
    code = "import os, threading\nthreading.Timer(1, os._exit, (3,)).start()\nget_ipython().run_cell_magic('sandbox', '', 'while True: pass')"
    assert fresh_kernel.run(code).content["status"] == "error"
    assert ok(fresh_kernel.run("%%sandbox\nprint(x)")).text() == "1\n"
