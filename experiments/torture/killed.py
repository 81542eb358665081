"""`kill -9`, SIGTERM and Ctrl-C at every moment: the same command goes on, and ends with the same bytes."""

import json
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from random import Random

from experiments.torture import children
from experiments.torture.setting import Setting, difference, digests, shared_setting
from experiments.torture.trials import Trial

STAGES = ("fetch", "train", "predict", "embed", "uncertainty", "report", "publish")
KILLS, STOPS = 50, 10
STOPPED = "confemb: stopped; the same command goes on from here.\n"


def run(seconds: float, seed: int) -> list[Trial]:
    """Kill `KILLS` runs, half of them at a random moment, half just before a random change of a file; stop `STOPS`."""
    until = time.monotonic() + seconds
    setting = shared_setting()
    random = Random(f"{seed} killed")
    chains: list[Chain] = []
    kills = stops = 0
    while time.monotonic() < until and (kills < KILLS or stops < STOPS):
        chain = Chain(setting, random, len(chains), stop=kills >= KILLS)
        chains.append(chain)
        chain.go(most=KILLS - kills if kills < KILLS else STOPS - stops)
        kills += sum(chain.killed.values())
        stops += chain.stopped
    where = sum((chain.killed for chain in chains), Counter())
    spread = ", ".join(f"{stage} {where[stage]}" for stage in STAGES)
    return [
        Trial.of(
            f"kill -9 ({spread}): the folder holds the earlier result whole, or none, and says so",
            kills,
            [failure for chain in chains for failure in chain.unreadable],
        ),
        Trial.of(
            "SIGTERM, Ctrl-C: status 143 or 130, one sentence",
            stops,
            [failure for chain in chains for failure in chain.unstopped],
        ),
        Trial.of(
            "after kills and stops, the same command goes on: tables, figures, vectors, weights are the unbroken run's",
            len(chains),
            [chain.wrong for chain in chains if chain.wrong],
        ),
    ]


class Chain:
    """One result, whose run is killed again and again until it is done."""

    def __init__(self, setting: Setting, random: Random, number: int, *, stop: bool) -> None:
        self.setting, self.random, self.stop = setting, random, stop
        self.folder = setting.home / f"chain_{number}"
        self.cache = setting.cache(f"chain_{number}")
        # Every other one runs over the result of another configuration.
        self.earlier: dict[str, str] = {}
        if number % 2:
            setting.over_earlier(self.folder)
            self.earlier = digests(self.folder, timed=True)
        self.killed: Counter[str] = Counter()
        self.stopped = 0
        self.unreadable: list[str] = []
        self.unstopped: list[str] = []
        self.wrong = ""

    def go(self, *, most: int) -> None:
        """Kill or stop at most so many runs, then let one end."""
        arguments = ("run", self.setting.experiment, "--out", self.folder)
        options = {"log": self.setting.log, "environment": self.cache}
        for _ in range(min(most, 12)):
            before = None
            if by_write := not self.stop and self.random.random() < 0.4:
                # Between 1 and some 300; small numbers often, since a run that goes on has few changes left.
                places = (self.folder, Path(self.cache["CONFEMB_CACHE"]))
                before = children.kill_at(round(300 ** self.random.random()), places)
            child = children.start(*arguments, **options, before=before)  # type: ignore[arg-type]
            status = child.wait() if by_write else self._interrupt(child)
            if status == 0:
                break
            if status == -signal.SIGKILL:
                self.killed[self._stage()] += 1
            elif not self.stop:
                self.unreadable.append(f"a run that was to be killed ended with {status}: {child.said[-300:]!r}")
            self._look()
        status, said = children.call(*arguments, **options)  # type: ignore[arg-type]
        self.wrong = f"status {status}: {said[-300:]!r}" if status else self.setting.wrong(self.folder)
        if not self.wrong:
            shutil.rmtree(self.folder)

    def _interrupt(self, child: children.Child) -> int:
        """Send a signal at a random moment of this stage or of a later one, and return the exit status."""
        now = self._stage()
        later = STAGES[STAGES.index(now) :]
        stage = now if self.random.random() < 0.5 else self.random.choice(later)
        # A stop before the program has begun has no sentence.
        lasts = self.setting.seconds.get(stage, 0.3 if stage == "fetch" else 0.01)
        moment = 0.3 * self.stop + self.random.random() * lasts
        while child.running() and STAGES.index(self._stage()) < STAGES.index(stage):
            time.sleep(0.004)
        sent = self.random.choice([signal.SIGTERM, signal.SIGINT]) if self.stop else signal.SIGKILL
        if child.wait(moment) is None:
            child.send(sent)
            status = child.end()
            if self.stop and status != 0:
                self.stopped += 1
                if (status, child.said) != (128 + sent, STOPPED):
                    self.unstopped.append(f"{sent.name} in {stage}: status {status}, {child.said[-300:]!r}")
        return child.end()

    def _stage(self) -> str:
        """Return what was being done when the run was killed."""
        work = self.folder / ".unfinished"
        if (work / "ready.json").exists():
            return "publish"
        if not list(Path(self.cache["CONFEMB_CACHE"]).glob("*/arrays/info.json")):
            return "fetch"
        try:
            done = json.loads((work / "manifest.json").read_text())["stages"]
        except FileNotFoundError:
            done = {}
        return next((stage for stage in STAGES[1:5] if stage not in done), "report")

    def _look(self) -> None:
        """See what a reader gets from the folder after a kill."""
        ready = (self.folder / ".unfinished" / "ready.json").exists()
        found = {k: v for k, v in digests(self.folder, timed=True).items() if not k.startswith(".unfinished")}
        if not ready:
            # Killed after all was moved, it is the new result that is there.
            wrong = difference(found, self.earlier) and self.setting.wrong(self.folder, unfinished=True)
            if wrong:
                self.unreadable.append(f"neither the earlier result nor the new one: {wrong}")
        status, said = children.call("similar", self.folder, "digit_3", log=self.setting.log)
        if status != 0 and (not children.refused(status, said) or (found and not ready)):
            self.unreadable.append(f"confemb similar: status {status}, {said[-300:]!r}")
        if self.random.random() < 0.1:
            copy = Path(shutil.copytree(self.folder, self.folder.with_name("copy")))
            status, said = children.call("report", copy, log=self.setting.log)
            if status != 0 and not children.refused(status, said):
                self.unreadable.append(f"confemb report: status {status}, {said[-300:]!r}")
            shutil.rmtree(copy)
