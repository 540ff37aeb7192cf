"""Sandboxes for programs: what `hopx_kernel.Sandbox` and ``%%sandbox`` are made of.

`sandbox` is the face. Everything asynchronous is written once and runs in the loop of `bridge`; `commands` over
`command`, and `runs` over `executions`, are its blocking and asynchronous sides. `inside` runs in the sandbox.
"""
