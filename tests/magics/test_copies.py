"""``%sandbox NAME upload`` and ``download``."""

from __future__ import annotations

import pytest

from .client import Kernel, ok, refused, shown


@pytest.mark.parametrize("file", ["plain.txt", "with space", "it's", 'a"b', "$HOME", "é"])
def test_upload_and_download_take_any_name(kernel: Kernel, name: str, directory: str, file: str) -> None:
    ok(kernel.run(f"os.mkdir('back')\nwith open({file!r}, 'w') as file: file.write('content')"))
    ok(kernel.run(f"%%sandbox {name}\nimport os"))
    quoted = file.replace('"', '\\"').replace("$", "$$")
    ok(kernel.run(f'%sandbox {name} upload "{quoted}"'))
    assert ok(kernel.run(f"%%sandbox {name}\nprint(os.listdir())")).text() == f"{[file]!r}\n"
    ok(kernel.run(f'%sandbox {name} download "{quoted}" back'))
    code = f"with open(os.path.join('back', {file!r})) as file: print(file.read(), os.listdir('back'))"
    assert ok(kernel.run(code)).text() == f"content {[file]!r}\n"


def test_tilde_is_the_home_directory(kernel: Kernel, name: str, directory: str) -> None:
    ok(kernel.run("home, os.environ['HOME'] = os.environ.get('HOME', '/'), os.path.abspath('.')"))
    ok(kernel.run("with open('a', 'w') as file: file.write('content')\nos.mkdir('back'); os.mkdir('elsewhere')"))
    ok(kernel.run(f"%%sandbox {name}\n1"))
    ok(kernel.run(f"os.chdir('elsewhere')\n%sandbox {name} upload ~/a"))
    for target in ("~/back", "~/copy"):
        ok(kernel.run(f"%sandbox {name} download a {target}"))
    ok(kernel.run("os.chdir('..'); os.environ['HOME'] = home"))
    assert ok(kernel.run("print(*(open(path).read() for path in ('back/a', 'copy')))")).text() == "content content\n"


def test_large_copies_show_a_bar_and_arrive_whole(kernel: Kernel, name: str, directory: str) -> None:
    code = (
        "data = os.urandom(20_000_000)\nwith open('large', 'wb') as file: file.write(data)\nopen('small', 'w').close()"
    )
    ok(kernel.run(code))
    ok(kernel.run(f"%%sandbox {name}\n1"))
    assert "display_data" not in ok(kernel.run(f"%sandbox {name} upload small")).types
    assert "large" in shown(ok(kernel.run(f"%sandbox {name} upload large")))
    assert "large" in shown(ok(kernel.run(f"%sandbox {name} download large copy")))
    assert ok(kernel.run("with open('copy', 'rb') as file: print(file.read() == data)")).text() == "True\n"


#: Run in a sandbox: holds what copies there still when it has done some of it, so that no copy ends before its time.
HOLD = """
import os, signal, time
held = set()
while True:
    for pid in set(filter(str.isdigit, os.listdir("/proc"))) - held:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if not {b"read", b"write"} & set(file.read().split(b"\\0")):
                    continue
            with open(f"/proc/{pid}/io") as file:
                if max(int(line.split()[1]) for line in file) > 10_000_000:
                    os.kill(int(pid), signal.SIGSTOP)
                    held.add(pid)
        except OSError:
            pass
    time.sleep(0.001)
"""


def test_interrupt_stops_a_copy_and_leaves_nothing_of_it(kernel: Kernel, name: str, directory: str) -> None:
    sparse = "with open('sparse', 'wb') as file: file.truncate(800_000_000)"
    ok(kernel.run(f"os.mkdir('empty')\n{sparse}"))
    hold = f"import subprocess, sys\nholder = subprocess.Popen([sys.executable, '-c', {HOLD!r}])"
    ok(kernel.run(f"%%sandbox {name}\n{sparse}\n{hold}"))
    for line in ("upload sparse other", "download sparse empty"):
        msg_id = kernel.send(f"%sandbox {name} {line}")
        kernel.collect(msg_id, lambda message: message["msg_type"] == "display_data", with_reply=False)
        kernel.press_interrupt()
        assert kernel.collect(msg_id).content["ename"] == "KeyboardInterrupt"
    assert ok(kernel.run("print(os.listdir('empty')); os.remove('sparse')")).text() == "[]\n"
    assert ok(kernel.run(f"%%sandbox {name}\nprint('next')")).text() == "next\n"


def test_refused_copies_say_why_and_write_nothing(kernel: Kernel, name: str, directory: str) -> None:
    ok(kernel.run("with open('secret', 'w') as file: file.write('s')\nos.symlink('secret', 'link')"))
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
        assert reason in refused(kernel.run(f"%sandbox {name} {line}")), line
    code = "with open('secret') as file: print(sorted(os.listdir()), file.read())"
    assert ok(kernel.run(code)).text() == "['link', 'secret'] s\n"
