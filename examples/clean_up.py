"""Clean-up: a sandbox ends with its block, whatever happens in it, and values are never put into a shell line."""

from hopx_kernel import Sandbox, SandboxLostError


def stream_code(code: str) -> None:
    with Sandbox.create() as sandbox:
        # An argument list: quotes, newlines and `;` in the code stay what they are.
        for line in sandbox.commands.stream(["python", "-u", "-c", code]):
            print(line)
            if line.startswith("ERROR:"):
                break  # stops the command
    try:
        sandbox.commands.run("true")
    except SandboxLostError as error:
        print(f"after the block: {error}")


stream_code("""print('it\\'s fine; echo "not a shell"')""")
stream_code("""
import itertools
for i in itertools.count():
    print(f"ERROR: {i}" if i == 3 else i)
""")

try:
    with Sandbox.create() as sandbox:
        raise RuntimeError("something else went wrong")
except RuntimeError as error:
    print(f"{error}; the sandbox is {'alive' if sandbox.is_alive else 'gone'}")
