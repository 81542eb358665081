"""How long `confemb --help` and `import confemb` take, beside `python -c pass`, in turns.

    python experiments/benchmarks/startup.py [--rounds 15]

The best of the rounds counts: what a start takes more than the empty one, on a machine that other work disturbs.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from ratios import arguments, publish

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import confemb": ["-c", "import confemb"],
    "confemb --help": ["-c", "from confemb.cli.app import main; main()", "--help"],
}


def children_seconds() -> float:
    """Return the CPU seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    given = arguments(__doc__, rounds=15)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    wall: dict[str, list[float]] = {name: [] for name in COMMANDS}
    cpu: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(given.rounds + 1):
        for name, command in COMMANDS.items():
            started = time.perf_counter(), children_seconds()
            subprocess.run([sys.executable, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
            wall[name].append(time.perf_counter() - started[0])
            cpu[name].append(children_seconds() - started[1])
    # The first round fills the file cache.
    table = pd.DataFrame({"what": list(COMMANDS)})
    for column, seconds in (("seconds", wall), ("CPU seconds", cpu)):
        table[column] = [min(each[1:]) for each in seconds.values()]
        table[f"{column}, more than pass"] = table[column] - table[column][0]
    publish("startup", "Starting", table, csv=given.csv)


if __name__ == "__main__":
    main()
