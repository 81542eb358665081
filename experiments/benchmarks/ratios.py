"""What the benchmarks share: callables timed in turns, peak memory in a process of its own, a table and its CSV.

Wall times of a busy machine wander, so nothing here is quoted alone: everyone is timed once in each round, the ratio to
the peer is taken within the round, and the table shows the median ratio with the lowest and highest. CPU seconds (all
threads of the process) stand beside: for work on one thread their ratio is the steadier one.
"""

import argparse
import gc
import multiprocessing
import os
import platform
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from confemb.reporting.tables import frame_to_markdown
from confemb.support.files import write_text

REPORT = Path(__file__).parents[2] / "reports" / "benchmarks"


def in_turns(
    runs: dict[str, Callable[[], object]], *, peer: str, rounds: int, warm_up: bool = True, work: float | None = None
) -> pd.DataFrame:
    """Time everyone once in each round, and compare with the peer round by round.

    Args:
        runs: name -> what is timed.
        peer: the one of them to compare with.
        rounds: how many rounds count.
        warm_up: whether a first round, in which things compile and caches fill, is run and not counted.
        work: how many units one call works off (pictures, pairs); the table then has a column `per second`.

    Returns:
        A row for each: name, median seconds and CPU seconds, how many times as fast as the peer (median, lowest and
        highest over the rounds), the same by CPU seconds.
    """
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + warm_up):
        for name, run in runs.items():
            gc.collect()
            started = time.perf_counter(), time.process_time()
            run()
            ended = time.perf_counter(), time.process_time()
            if number >= warm_up:
                wall[name].append(ended[0] - started[0])
                cpu[name].append(ended[1] - started[1])
    rows = []
    for name in runs:
        ratios = np.divide(wall[peer], wall[name])
        row: dict[str, Any] = {"what": name, "seconds": np.median(wall[name]), "CPU seconds": np.median(cpu[name])}
        if work is not None:
            row["per second"] = round(work / float(np.median(wall[name])))
        row |= {"times as fast": np.median(ratios), "lowest": ratios.min(), "highest": ratios.max()}
        rows.append(row | {"by CPU seconds": np.median(np.divide(cpu[peer], cpu[name]))})
    return pd.DataFrame(rows)


def alone(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Call a function of a module in a fresh process; return its result, and the MiB that it took at its highest.

    What the interpreter and the function's module take by themselves is not counted.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (function, arguments))


def _measured(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, float]:
    # Linux forgets the peak of what was imported; elsewhere only what goes beyond that is seen.
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="ascii")
    before = peak_mib()
    result = function(*arguments)
    return result, peak_mib() - before


def peak_mib() -> float:
    """Return the most memory that this process has had in use so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text(encoding="utf-8"))[1]) / 2**10  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if platform.system() == "Darwin" else 2**10)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def arguments(description: str | None, **defaults: int) -> argparse.Namespace:
    """Parse the command line: a whole number for each of the defaults, and --csv, where the table goes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"default: {default:,}")
    parser.add_argument("--csv", type=Path, help="where the table goes; default: into reports/benchmarks")
    return parser.parse_args()


def publish(name: str, title: str, frame: pd.DataFrame, *, csv: Path | None = None) -> None:
    """Print a table and write it as CSV: `reports/benchmarks/NAME.csv`, where no other file is named."""
    print(f"{title} ({cores()} cores)\n\n{frame_to_markdown(frame)}\n")
    facts = frame.assign(cores=cores(), processor=processor())
    write_text(csv or REPORT / f"{name}.csv", facts.to_csv(index=False, float_format="%.4g", lineterminator="\n"))


def processor() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
