"""A progress bar from markers: how any program, in any language, reports progress on its standard output.

Here a command prints the markers and this program draws the bar. In a notebook cell nothing of this is needed: bars
show by themselves.
"""

import json

from hopx_kernel import Sandbox

MARKER = "__PROGRESS__"
CODE = """
import csv
import json
import time


def progress(message, percent):
    print("__PROGRESS__" + json.dumps({"message": message, "percent": percent}), flush=True)


progress("Loading dataset...", 0)
with open("/app/data.csv", newline="") as file:
    rows = [row for row in csv.DictReader(file)]
progress(f"Loaded {len(rows)} rows", 20)

rows = [row for row in rows if row["value"]]
progress(f"Cleaned, {len(rows)} rows remaining", 40)

chunks = range(0, len(rows), 1000)
for i, start in enumerate(chunks):
    time.sleep(0.05)
    progress(f"Processing rows {start}-{min(start + 1000, len(rows))}", 40 + 60 * (i + 1) / len(chunks))

print("mean:", sum(float(row["value"]) for row in rows) / len(rows))
"""


def draw(message: str, percent: float) -> None:
    done = int(percent / 5)
    print(f"[{'#' * done}{'.' * (20 - done)}] {percent:3.0f} % {message}")


with Sandbox.create() as sandbox:
    data = "value\n" + "".join(f"{number if number % 10 else ''}\n" for number in range(5000))
    sandbox.files.write("/app/data.csv", data)
    sandbox.files.write("/app/analysis.py", CODE)
    for line in sandbox.commands.stream(["python", "-u", "/app/analysis.py"]):
        if not line.startswith(MARKER):
            print(line)
            continue
        try:
            update = json.loads(line[len(MARKER) :])
            draw(str(update["message"]), min(100.0, max(0.0, float(update["percent"]))))
        except (ValueError, KeyError, TypeError):
            print(line)  # not a marker after all: it is shown as what it is
