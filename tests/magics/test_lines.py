"""``%sandbox``: the list, the verbs, their help and completion."""

from __future__ import annotations

import re

import pytest

from .client import Kernel, complete, ok, refused


def test_magics_are_there_however_often_they_are_loaded(fresh_kernel: Kernel) -> None:
    for line in ("%sandbox", "%load_ext hopx_kernel", "%reload_ext hopx_kernel", "%load_ext hopx_kernel"):
        assert "not found" not in ok(fresh_kernel.run(line)).text("stderr")
    assert "%%sandbox" in ok(fresh_kernel.run("%sandbox")).text()
    assert ok(fresh_kernel.run("%%sandbox\nprint('there')")).text() == "there\n"


def test_list_names_every_sandbox_with_kind_state_and_last_run(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n\nspecial = 1"))
    (row,) = [line for line in ok(kernel.run("%sandbox")).text().split("\n") if line.startswith(name)]
    assert row.split()[1:] == ["local", "alive", "1", "special", "=", "1"]


def test_status_tells_kind_state_memory_and_runs(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nspecial = 1"))
    kernel.run(f"%%sandbox {name}\n1/0")
    for line in (f"%sandbox {name} status", f"%sandbox {name}"):
        text = ok(kernel.run(line)).text()
        memory = re.search(r"memory +(\d+) MB", text)
        assert memory is not None and int(memory[1]) > 5
        assert re.search(r"kind +local\n", text) and "network   no\n" in text
        assert "ok: special = 1\n" in text and "raised: 1/0\n" in text


@pytest.mark.parametrize("verb", ["status", "kill", "restart", "replay", "env A=b", "upload x", "download x"])
def test_names_are_exact(kernel: Kernel, name: str, verb: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    evalue = refused(kernel.run(f"%sandbox {name[:-1]} {verb}"))
    assert f"there is no sandbox '{name[:-1]}'; there is: {name}" in evalue
    assert "alive" in ok(kernel.run(f"%sandbox {name} status")).text()


def test_bad_line_is_a_usage_error_that_says_what(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    lines = {
        "%%sandbox --language ruby\n1": "ruby",
        f"%sandbox {name} destroy": "restart",
        "%sandbox nobody kill": "there is no sandbox 'nobody'",
        "%sandbox 'a": "quotation",
    }
    for line, reason in lines.items():
        assert reason in refused(kernel.run(line)), line


@pytest.mark.parametrize(
    "line", ["%sandbox --help", "%sandbox x --help", "%sandbox x upload --help", "%%sandbox --help\n1"]
)
def test_help_is_given_without_any_sandbox(kernel: Kernel, line: str) -> None:
    assert "SRC" in (text := ok(kernel.run(line)).text()) or "NAME" in text


def test_restart_takes_variables_and_keeps_files(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1; open('a', 'w').write('1')"))
    assert "fresh interpreter" in ok(kernel.run(f"%sandbox {name} restart")).text()
    assert ok(kernel.run(f"%%sandbox {name}\nprint('x' in globals(), open('a').read())")).text() == "False 1\n"


def test_kill_forgets_the_name(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1"))
    ok(kernel.run(f"%sandbox {name} kill"))
    assert "there is no sandbox" in refused(kernel.run(f"%sandbox {name} kill"))
    assert ok(kernel.run(f"%%sandbox {name}\nprint('x' in globals())")).text() == "False\n"


# ------------------------------------------------------------------ completion


def test_completion_knows_names_verbs_options_and_what_is_ones_own(kernel: Kernel, name: str, directory: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    ok(kernel.run("spectacular = 1; open('data.csv', 'w').close()"))
    start = name[:-1]
    expected = {
        f"%sandbox {start}": [name],
        f"%%sandbox {start}": [name],
        f"%sandbox {name} re": ["restart", "replay"],
        f"%sandbox {name} upload dat": ["data.csv"],
        f"%sandbox {name} replay 1": ["1"],
        "%%sandbox --ba": ["--background"],
        "%%sandbox --kind lo": ["local"],
        "%%sandbox --language b": ["bash"],
        "%%sandbox -i specta": ["spectacular"],
    }
    for code, matches in expected.items():
        assert complete(kernel, code) == matches, code
