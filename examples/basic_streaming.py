"""Basic streaming: each line of a command's output as it is printed."""

from hopx_kernel import Sandbox

CODE = """
import time

for i in range(10):
    print(f"Processing step {i + 1}/10...")
    time.sleep(0.1)

print("Complete!")
"""

with Sandbox.create(template="code-interpreter") as sandbox:
    sandbox.files.write("/app/process.py", CODE)

    # -u: Python holds output back otherwise, when it does not write to a terminal.
    stream = sandbox.commands.stream("cd /app && python -u process.py")
    for line in stream:
        print(f"[OUTPUT] {line}")

    print(f"exit code {stream.exit_code} after {stream.duration_seconds:.1f} s")
