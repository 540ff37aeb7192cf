"""Structured progress: events of a session instead of text that has to be parsed.

`progress`, `result` and `error` are there in every session, beside the code and not in front of it: nothing is wrapped
around it, so its line numbers stay, and variables of the same names (`json`, `result`) harm nothing.
"""

from collections.abc import Callable
from typing import Any

from hopx_kernel import Sandbox

CODE = """
import time

json = "a variable of the code's own"
progress("Starting analysis", 0)

for i in range(5):
    progress(f"Processing batch {i + 1}", (i + 1) * 20)
    time.sleep(0.1)

print("half-time remarks go to the output")
result({"processed": 5, "status": "success"})
"""


def execute_with_progress(code: str, on_progress: Callable[[dict[str, Any]], None]) -> None:
    """Execute code and report what happens, as it happens."""
    with Sandbox.create(template="code-interpreter") as sandbox:
        run = sandbox.session().execute(code)
        for event in run:
            if event.msg_type == "stream":
                on_progress({"type": "output", "content": event.content["text"]})
            elif event.msg_type in ("progress", "result", "alert"):
                on_progress({"type": event.msg_type, **event.content})
        run.raise_for_error()


def handle_progress(update: dict[str, Any]) -> None:
    if update["type"] == "progress":
        percent = update.get("percent")
        print(f"[{'?' if percent is None else format(percent, 'g')}%] {update['message']}")
    elif update["type"] == "result":
        print(f"Result: {update['data']}")
    elif update["type"] == "alert":
        print(f"Error: {update['message']}")
    else:
        print(update["content"], end="")


execute_with_progress(CODE, handle_progress)
