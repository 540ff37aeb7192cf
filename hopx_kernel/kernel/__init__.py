"""The kernel: Jupyter's messages on one side, a session in a sandbox on the other.

A request's way: `kernel` takes it off Jupyter's channels, `answers` knows who answers it, `execution` runs cells, and
`output` lets each event pass `shaping`, trust and progress on its way to the iopub channel. `keeper` keeps the sandbox.

Nothing is imported here: the sandbox is started (`prestart`, `launching`) before anything heavy is.
"""
