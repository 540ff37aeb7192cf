"""The kernel: Jupyter's messages on one side, a session in a sandbox on the other.

A request's way: `kernel` takes it off Jupyter's `channels`, unpacked by `wire`, `answers` knows who answers it,
`execution` runs cells, and `output` lets each event pass `shaping`, trust and progress on its way to `iopub`. `keeper`
keeps the sandbox; `app` starts it all on the sockets of a `connection`.

Nothing is imported here: the sandbox is started (`prestart`, `launching`) before anything heavy is.
"""
