"""Records what real progress bars write into a pipe, as data for the tests.

python -m venv /tmp/bars && /tmp/bars/bin/pip install tqdm==4.67.1 rich==14.2.0
/tmp/bars/bin/python tests/data/progress/record.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = {
    "tqdm-nested": """
from tqdm import tqdm
for epoch in tqdm(range(3), desc="epochs", mininterval=0):
    for batch in tqdm(range(20), desc=f"epoch {epoch}", leave=False, mininterval=0):
        if batch == 10: tqdm.write(f"loss of {epoch} is low")
print("trained")
""",
    "tqdm-kept": """
from tqdm import tqdm
for epoch in tqdm(range(2), desc="outer", mininterval=0):
    for batch in tqdm(range(10), desc=f"inner {epoch}", mininterval=0): pass
print("done")
""",
    "tqdm-side-by-side": """
from tqdm import tqdm
print("Fetching 4 files")
bars = [tqdm(total=25, desc=f"file {n}", position=n, mininterval=0) for n in range(4)]
for step in range(25):
    for bar in bars: bar.update()
for bar in bars: bar.close()
print("fetched")
""",
    "rich-progress": """
import time
from rich.console import Console
from rich.progress import Progress
print("begin", flush=True)
with Progress(console=Console(force_terminal=True, width=80), refresh_per_second=100) as progress:
    tasks = [progress.add_task(f"part {n}", total=40) for n in range(8)]
    for step in range(40):
        for task in tasks: progress.advance(task)
        if step % 10 == 0: progress.console.print(f"[red]note {step}[/red]")
        time.sleep(0.01)
print("end")
""",
    "rich-transient": """
import time
from rich.console import Console
from rich.live import Live
console = Console(force_terminal=True, width=80)
with Live(console=console, transient=True, auto_refresh=False) as live:
    for step in range(20): live.update(f"first {step}\\nsecond {step}\\nthird {step}", refresh=True)
console.print("after")
""",
}


def main() -> None:
    for name, program in PROGRAMS.items():
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1", "COLUMNS": "80"}
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            check=True,
        )
        Path(__file__).with_name(f"{name}.bin").write_bytes(done.stdout)


if __name__ == "__main__":
    main()
