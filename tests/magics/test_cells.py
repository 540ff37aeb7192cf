"""Languages, environment and kinds of ``%%sandbox`` cells."""

from __future__ import annotations

from .client import Kernel, PythonKernel, ok, refused


def test_bash_cell_runs_and_its_exit_code_is_an_error(kernel: Kernel, name: str) -> None:
    assert ok(kernel.run(f'%%sandbox {name} --language bash\nfor i in 1 2; do echo "$i"; done')).text() == "1\n2\n"
    outcome = kernel.run(f"%%sandbox {name} --language bash\necho before; exit 3")
    assert outcome.text() == "before\n"
    assert outcome.content["ename"] == "RemoteExecutionError"
    assert "exit status 3" in outcome.content["evalue"]


def test_javascript_cell_runs_or_says_what_is_missing(kernel: Kernel, name: str) -> None:
    outcome = kernel.run(f"%%sandbox {name} --language javascript\nconsole.log('js ' + (1 + 1))")
    if outcome.content["status"] == "ok":
        assert outcome.text() == "js 2\n"
    else:
        assert "the sandbox has no node" in outcome.content["evalue"]


def test_language_that_is_missing_says_so(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\nimport os; os.environ['PATH'] = '/nowhere'"))
    outcome = kernel.run(f"%%sandbox {name} --language javascript\n1")
    assert "the sandbox has no node, which --language javascript needs" in outcome.content["evalue"]


# ------------------------------------------------------------------ environment


def environment(kernel: Kernel, name: str) -> str:
    """The sandbox's A, B and C."""
    return ok(kernel.run(f'%%sandbox {name} --language bash\necho "${{A-none}} ${{B-none}} ${{C-none}}"')).text()


def test_env_reaches_new_and_living_sandboxes(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name} --env 'A=b c'\n1"))
    assert environment(kernel, name) == "b c none none\n"
    ok(kernel.run(f"%%sandbox {name} --env A=d\n1"))
    assert environment(kernel, name) == "d none none\n"
    ok(kernel.run(f"%sandbox {name} env A=e B=\"f 'g'\""))
    assert environment(kernel, name) == "e f 'g' none\n"


def test_env_outlives_crashes_and_restarts(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name} --env A=1\n1"))
    ok(kernel.run(f"%sandbox {name} env B=2 'C=3 4'"))
    for _ in range(2):
        assert kernel.run(f"%%sandbox {name}\nimport os; os._exit(3)").content["status"] == "error"
        assert environment(kernel, name) == "1 2 3 4\n"
    ok(kernel.run(f"%sandbox {name} restart"))
    assert environment(kernel, name) == "1 2 3 4\n"


def test_env_holds_for_the_next_run_after_a_queue_of_which_one_crashes(
    kernel: Kernel, name: str, directory: str
) -> None:
    ok(kernel.run(f"%%sandbox {name} --env B=2\n1"))
    wait = "while not os.path.exists('go'): time.sleep(0.01)"
    ok(kernel.run(f"%%sandbox {name} --background\nimport os, time\n{wait}\nos._exit(3)"))
    ok(kernel.run(f"%%sandbox {name} --background\nprint('must not run')"))
    ok(kernel.run("queued = _; open('go', 'w').close()"))
    ok(kernel.run(f"%sandbox {name} upload go"))
    # It was asked for when the variables were still there, and would meet none of them.
    outcome = kernel.run("queued.wait()")
    assert "variables are lost, and this was not run" in outcome.content["evalue"]
    assert ok(kernel.run("queued.output")).result == "''"
    assert environment(kernel, name) == "none 2 none\n"


def test_env_can_be_set_while_code_runs(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name} --background\nimport time; time.sleep(100)"))
    ok(kernel.run(f"run = _\n%sandbox {name} env B=2"))
    ok(kernel.run("run.interrupt(), None"))
    assert environment(kernel, name) == "none 2 none\n"


def test_bad_variable_is_refused_by_its_text(kernel: Kernel, name: str) -> None:
    ok(kernel.run(f"%%sandbox {name}\n1"))
    for variable in ("A", "=1", "A=\0"):
        line = f"{name} env {variable}"
        assert "A=B" in refused(kernel.run(f"get_ipython().run_line_magic('sandbox', {line!r})"))


# ------------------------------------------------------------------ kinds


def test_option_that_differs_from_the_living_sandbox_is_refused(python_kernel: PythonKernel) -> None:
    ok(python_kernel.run("%%sandbox a\n1"))
    for option in ("--kind process", "--network", "--template other"):
        assert "%sandbox a kill" in refused(python_kernel.run(f"%%sandbox a {option}\n1"))


def test_unknown_kind_or_template_says_which_there_are(python_kernel: PythonKernel) -> None:
    assert "local" in python_kernel.run("%%sandbox a --kind cloud\n1").content["evalue"]
    assert "code-interpreter" in python_kernel.run("%%sandbox a --template other\n1").content["evalue"]
    assert "no sandbox yet" in ok(python_kernel.run("%sandbox")).text()


def test_kind_that_isolates_nothing_says_so(python_kernel: PythonKernel) -> None:
    outcome = ok(python_kernel.run("%%sandbox --kind process\nprint('ran')"))
    assert outcome.text() == "ran\n"
    assert "isolates nothing" in outcome.text("stderr")
    assert "not isolated" in ok(python_kernel.run("%sandbox")).text()
