"""Every trial of confemb's reliability, with a report: `python -m tests.torture`, or `make torture`.

Each kind runs in a process of its own, two at a time. Ends with status 1 where something did not hold.
"""

import argparse
import dataclasses
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import torture
from tests.torture.trials import Trial

# How much of the time a kind gets; 1 where nothing else is said.
SHARES = {"killed": 4, "places": 3, "changed": 2, "together": 2}
AT_ONCE = 2
# A kind that is so much slower than it should be hangs.
PATIENCE = 900


def kinds() -> list[str]:
    """Return the modules of this package that have trials, the longest first."""
    folder = Path(torture.__path__[0])
    # Looked for in the text: to import them all takes seconds.
    found = [
        path.stem for path in folder.glob("[a-z]*.py") if "\ndef run(seconds: " in path.read_text(encoding="utf-8")
    ]
    return sorted(found, key=lambda name: (-SHARES.get(name, 1), name))


def run_kind(kind: str, seconds: float, seed: int) -> list[Trial]:
    """Run one kind in a process of its own; a kind that fails itself is a trial that did not hold."""
    with tempfile.TemporaryDirectory(prefix="confemb-torture-") as home:
        out = Path(home) / "trials.json"
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": str(Path(home) / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TMPDIR": home,
        }
        command = [sys.executable, "-m", "tests.torture", "--one", kind, "--seconds", str(seconds)]
        command += ["--seed", str(seed), "--out", str(out)]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=3 * seconds + PATIENCE
            )
        except subprocess.TimeoutExpired:
            return [Trial.of(f"{kind}: the trials themselves", 1, ["they hang"])]
        if done.returncode or not out.is_file():
            return [Trial.of(f"{kind}: the trials themselves", 1, [done.stderr.strip()[-2000:]])]
        return [Trial(**trial) for trial in json.loads(out.read_text(encoding="utf-8"))]


def main() -> int:
    """Run all kinds, or those chosen, print what held, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seconds", type=float, default=900.0, help="for all together, on two cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=kinds(), help="only these kinds")
    parser.add_argument("--out", type=Path, help="the folder of the report")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        trials = importlib.import_module(f"tests.torture.{options.one}").run(options.seconds, options.seed)
        options.out.write_text(json.dumps([dataclasses.asdict(trial) for trial in trials]), encoding="utf-8")
        return 0
    chosen = options.only or kinds()
    share = AT_ONCE * options.seconds / sum(SHARES.get(kind, 1) for kind in chosen)
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = {kind: pool.submit(run_kind, kind, share * SHARES.get(kind, 1), options.seed) for kind in chosen}
        found = {}
        for kind, result in waiting.items():
            found[kind] = result.result()
            for trial in found[kind]:
                print(f"{trial.held:>6,} of {trial.tried:>6,} held   {kind}: {trial.what}", flush=True)
                for failure in trial.failures:
                    print(f"          {failure}", flush=True)
    if options.out is not None:
        from tests.torture.report import write_report

        print(write_report(found, options.out, seed=options.seed, seconds=time.monotonic() - started))
    return int(any(trial.held < trial.tried for trials in found.values() for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
