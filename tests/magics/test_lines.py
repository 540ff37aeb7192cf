"""``%sandbox`` in an ordinary Python kernel: the list, the verbs, copies, completion."""

from __future__ import annotations

from pathlib import Path

import pytest

from .client import PythonKernel, ok


@pytest.fixture
def directory(kernel: PythonKernel, tmp_path: Path) -> Path:
    """The kernel's current directory, of this test alone."""
    ok(kernel.run(f"import os; os.chdir({str(tmp_path)!r})"))
    return tmp_path


def complete(kernel: PythonKernel, code: str) -> list[str]:
    msg_id = kernel.client.complete(code, len(code))
    matches: list[str] = kernel.reply(msg_id)["content"]["matches"]
    return matches


# ------------------------------------------------------------------ list and status


def test_list_without_sandboxes_says_how_to_make_one(fresh_kernel: PythonKernel) -> None:
    assert "%%sandbox" in ok(fresh_kernel.run("%sandbox")).text()


def test_list_names_every_sandbox_with_kind_state_and_last_run(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n\nspecial = 1"))
    (row,) = [line for line in ok(kernel.run("%sandbox")).text().split("\n") if line.startswith(name)]
    assert row.split()[1:] == ["local", "alive", "1", "special", "=", "1"]


def test_status_tells_kind_state_memory_and_runs(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    kernel.run(f"%%sandbox {name}\n1/0")
    for line in (f"%sandbox {name} status", f"%sandbox {name}"):
        rows = dict(
            row.split(None, 1) for row in ok(kernel.run(line)).text().splitlines() if " MB" in row or "kind" in row
        )
        assert rows["kind"] == "local"
        assert float(rows["memory"].split()[0]) > 5
    text = ok(kernel.run(f"%sandbox {name}")).text()
    assert "ok: 1\n" in text and "raised: 1/0\n" in text


@pytest.mark.parametrize("verb", ["status", "kill", "restart", "replay", "env A=b", "upload x", "download x"])
def test_names_are_exact(kernel: PythonKernel, name: str, verb: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    outcome = kernel.run(f"%sandbox {name[:-1]} {verb}")
    assert outcome.content["status"] == "error"
    assert f"there is no sandbox '{name[:-1]}'; there is: {name}" in outcome.text("stderr")
    assert "alive" in ok(kernel.run(f"%sandbox {name} status")).text()


def test_unknown_verb_says_which_there_are(kernel: PythonKernel, name: str) -> None:
    outcome = kernel.run(f"%sandbox {name} destroy")
    assert "restart" in outcome.text("stderr") and outcome.content["status"] == "error"


@pytest.mark.parametrize(
    "line", ["%sandbox --help", "%sandbox x --help", "%sandbox x upload --help", "%%sandbox --help\n1"]
)
def test_help_is_given_without_any_sandbox(kernel: PythonKernel, line: str) -> None:
    assert "SRC" in (text := ok(kernel.run(line)).text()) or "NAME" in text


def test_restart_takes_variables_and_keeps_files(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1; open('a', 'w').write('1')"))
    assert "fresh interpreter" in ok(kernel.run(f"%sandbox {name} restart")).text()
    assert ok(kernel.run(f"%%sandbox {name}\nprint('x' in globals(), open('a').read())")).text() == "False 1\n"


def test_restart_keeps_the_environment(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name} --env A=1\n1"))
    ok(kernel.run(f"%sandbox {name} env B=2 'C=3 4'"))
    ok(kernel.run(f"%sandbox {name} restart"))
    assert ok(kernel.run(f"%%sandbox {name} --language bash\necho $A $B $C")).text() == "1 2 3 4\n"


def test_restart_ends_a_run_in_the_background(kernel: PythonKernel, name: str) -> None:
    kernel.run(f"%%sandbox {name} --background\nimport time\ntime.sleep(100)")
    ok(kernel.run(f"run = _\n%sandbox {name} restart"))
    assert kernel.run("run.wait()").content["status"] == "error"
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


def test_kill_forgets_the_name(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nx = 1"))
    ok(kernel.run(f"%sandbox {name} kill"))
    assert "there is no sandbox" in kernel.run(f"%sandbox {name} kill").text("stderr")
    assert ok(kernel.run(f"%%sandbox {name}\nprint('x' in globals())")).text() == "False\n"


# ------------------------------------------------------------------ copies


@pytest.mark.parametrize("file", ["plain.txt", "with space", "it's", 'a"b', "$HOME", "é"])
def test_upload_and_download_take_any_name(kernel: PythonKernel, name: str, directory: Path, file: str) -> None:
    (directory / file).write_text("content", encoding="utf-8")
    ok(kernel.run(f"%%sandbox {name}\nimport os"))
    quoted = file.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    ok(kernel.run(f'%sandbox {name} upload "{quoted}"'))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(os.listdir())")).text() == f"{[file]!r}\n"
    (directory / "back").mkdir()
    ok(kernel.run(f'%sandbox {name} download "{quoted}" back'))
    assert (directory / "back" / file).read_text(encoding="utf-8") == "content"


def test_large_copies_show_a_bar_and_small_ones_do_not(kernel: PythonKernel, name: str, directory: Path) -> None:
    (directory / "large").write_bytes(b"x" * 30_000_000)
    (directory / "small").write_bytes(b"x")
    ok(kernel.run(f"%%sandbox {name}\n1"))
    assert "display_data" not in ok(kernel.run(f"%sandbox {name} upload small")).types
    outcome = ok(kernel.run(f"%sandbox {name} upload large"))
    assert any("large" in content["data"]["text/plain"] for content in outcome.contents("display_data"))
    outcome = ok(kernel.run(f"%sandbox {name} download large copy"))
    assert any("large" in content["data"]["text/plain"] for content in outcome.contents("display_data"))
    assert (directory / "copy").stat().st_size == 30_000_000


def test_refused_copies_say_why_and_write_nothing(kernel: PythonKernel, name: str, directory: Path) -> None:
    (directory / "secret").write_text("s", encoding="utf-8")
    (directory / "link").symlink_to("secret")
    ok(kernel.run(f"%%sandbox {name}\nopen('a', 'w').close()"))
    lines = {
        "upload link": "link: it is a symbolic link, to 'secret'",
        "upload .": "directory",
        "upload /dev/zero": "device",
        "upload missing": "missing: No such file",
        "download missing": "missing: No such file",
        "download /workspace": "directory",
        "download /dev/zero out": "device",
        "download ..": "does not end in a file's name",
        "download a link": "symbolic link",
        "download a none/a": "its directory does not exist",
    }
    for line, reason in lines.items():
        outcome = kernel.run(f"%sandbox {name} {line}")
        assert outcome.content["status"] == "error"
        assert reason in outcome.text("stderr"), (line, outcome.text("stderr"))
    assert sorted(path.name for path in directory.iterdir()) == ["link", "secret"]
    assert (directory / "secret").read_text(encoding="utf-8") == "s"


# ------------------------------------------------------------------ completion


def test_completion_knows_names_verbs_and_options(kernel: PythonKernel, name: str, directory: Path) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    (directory / "data.csv").touch()
    assert complete(kernel, f"%sandbox {name[:4]}") == [name]
    assert complete(kernel, f"%%sandbox {name[:4]}") == [name]
    assert complete(kernel, f"%sandbox {name} re") == ["restart", "replay"]
    assert complete(kernel, f"%sandbox {name} upload dat") == ["data.csv"]
    assert complete(kernel, f"%sandbox {name} replay 1") == ["1"]
    assert complete(kernel, "%%sandbox --ba") == ["--background"]
    assert complete(kernel, "%%sandbox --kind lo") == ["local"]
    assert complete(kernel, "%%sandbox --language b") == ["bash"]


def test_completion_offers_variables_to_take_in(kernel: PythonKernel, name: str) -> None:
    ok(kernel.run("spectacular = 1"))
    assert complete(kernel, "%%sandbox -i specta") == ["spectacular"]
