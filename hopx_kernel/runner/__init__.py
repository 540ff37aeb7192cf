"""The program inside the sandbox: a supervisor, and an interpreter that it forks.

Started by `main`. The supervisor's side: `supervisor` (the loop), `host_link`, `outbox`, `runs`, `questions`, `keeper` (the
interpreter's life) over `interpreter_process`, `fd_text`, `poller`, `watch` and `usage`. The interpreter's side: `interpreter`
(its life) over `outlet` and `streams` (what leaves), `fd_order`, `interrupts`, `loop`, `parents`, `services`, `comms`, `limits`,
and a shell: `shell` with IPython, `plain_shell` without. `bundle`, the only module here that the host uses, ships all
of it as one file. `shared_page` and `shared_text` are memory of both sides.

Imports are relative throughout, since the bundle gives the package another name: user code that imports
``hopx_kernel`` must not get this part of it. Standard library, protocol and errors only, Python 3.9, IPython where the
sandbox has it.
"""
