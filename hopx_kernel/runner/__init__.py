"""The program inside the sandbox: a supervisor, and an interpreter that it forks.

The supervisor (`supervisor`, `host_link`, `interpreter_process`, `fd_text`, `runs`, `usage`, `limits`) owns the transport
and stays responsive whatever the interpreter does. The interpreter (`interpreter`, `outlet`, `streams`, `shell`, ...) runs
the cells. `bundle`, the only module here that the host uses, ships all of it as one file.

Imports are relative throughout, since the bundle gives the package another name: user code that imports
``hopx_kernel`` must not get this part of it. Standard library, protocol and errors only, Python 3.9, IPython where the
sandbox has it.
"""
