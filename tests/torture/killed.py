"""`kill -9`, SIGTERM and Ctrl-C at every moment: the same command goes on, and ends with the same bytes.

A result is made in a chain of runs. Each run but the last is killed in the next stage of the experiment: at a random
moment of it (by how long an unbroken run was at that stage), or just before a random change of a file within it. So
every stage gets its share, also the milliseconds in which the finished result is moved into its folder. Two runs of a
chain are stopped by SIGTERM and Ctrl-C instead.
"""

import itertools
import os
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.torture import children
from tests.torture.setting import STAGES, Setting, difference, digests, shared_setting, stage_of
from tests.torture.trials import Trial

# Enough for eight chains. Where there is time left, more are begun.
LEAST_KILLS = 50
STOPS = (signal.SIGTERM, signal.SIGINT)
STOPPED = "confemb: stopped; the same command goes on from here.\n"
SHOWN = "digit_3"


def run(seconds: float, seed: int) -> list[Trial]:
    """Kill and stop runs in every stage until the time is over and `LEAST_KILLS` were killed."""
    until = time.monotonic() + seconds
    setting = shared_setting()
    random = Random(f"{seed} killed")
    said = {shown(setting, folder)[1] for folder in (setting.home / "unbroken", setting.earlier)}
    chains: list[Chain] = []
    while not chains or time.monotonic() < until or sum(sum(chain.killed.values()) for chain in chains) < LEAST_KILLS:
        chains.append(Chain(setting, random, len(chains), said))
        chains[-1].go()
    trials = []
    for stage in STAGES:
        failures = [failure for chain in chains for at, failure in chain.unreadable if at == stage]
        what = f"SIGKILL in the stage {stage}: the folder holds the earlier result whole, the new one, or says so"
        trials.append(Trial.of(what, sum(chain.killed[stage] for chain in chains), failures))
    for number in STOPS:
        failures = [failure for chain in chains for at, failure in chain.unstopped if at == number]
        what = f"{signal.Signals(number).name}: status {128 + number}, one sentence"
        trials.append(Trial.of(what, sum(chain.stopped[number] for chain in chains), failures))
    what = "results made by runs that were killed and stopped: tables, figures, vectors, weights are the unbroken run's"
    return [*trials, Trial.of(what, len(chains), [chain.wrong for chain in chains if chain.wrong])]


def shown(setting: Setting, folder: Path) -> tuple[int, str]:
    """Return what `confemb similar` ends with and prints."""
    return children.call("similar", folder, SHOWN, log=setting.log)


class Chain:
    """One result, whose run is killed in every stage until it is done."""

    def __init__(self, setting: Setting, random: Random, number: int, said: set[str]) -> None:
        self.setting, self.random, self.said = setting, random, said
        self.folder = setting.home / f"chain_{number}"
        self.cache = setting.home / "caches" / f"chain_{number}"
        # Every other one runs over the result of another configuration.
        self.earlier: dict[str, str] = {}
        if number % 2:
            setting.over_earlier(self.folder)
            self.earlier = digests(self.folder, timed=True)
        self.killed: Counter[str] = Counter()
        self.stopped: Counter[int] = Counter()
        self.unreadable: list[tuple[str, str]] = []
        self.unstopped: list[tuple[int, str]] = []
        self.wrong = ""

    def go(self) -> None:
        """Kill a run in each stage, and stop one in two of them, before a last one ends."""
        stops = dict(zip(self.random.sample(STAGES[1:], len(STOPS)), STOPS, strict=True))
        ended = False
        for stage in STAGES:
            if stage in stops and not ended:
                ended = self._stop(stage, stops[stage])
            if not ended:
                ended = self._kill(stage)
        status, said = self._start().end(), self.setting.log.read_text(encoding="utf-8", errors="replace")
        self.wrong = f"status {status}: {said[-300:]!r}" if status else self.setting.wrong(self.folder)
        if not self.wrong:
            shutil.rmtree(self.folder)
            shutil.rmtree(self.cache)

    def _start(self, **options: object) -> children.Child:
        environment = {"CONFEMB_CACHE": str(self.cache)}
        return children.start(
            *("run", self.setting.experiment, "--out", self.folder),
            log=self.setting.log,
            environment=environment,
            **options,  # type: ignore[arg-type]
        )

    def _kill(self, stage: str) -> bool:
        """Kill a run in a stage; return whether it ended before that."""
        child = self._start(before=self._by_itself(stage) if self.random.random() < 0.5 else None)
        if self._reach(child, stage):
            child.wait(self.random.random() * self.setting.seconds[stage])
            child.send(signal.SIGKILL)
        status = child.end()
        at = stage_of(self.folder, self.cache)
        if status == -signal.SIGKILL:
            self.killed[at] += 1
        elif status != 0:
            self.unreadable.append((at, f"a run that was to be killed ended with {status}: {child.said[-300:]!r}"))
        self._look(at)
        return status == 0

    def _stop(self, stage: str, number: int) -> bool:
        """Stop a run in a stage; return whether it ended before that."""
        child = self._start()
        reached = self._reach(child, stage)
        # A stop before the program has begun has no sentence.
        child.wait(max(0.0, child.started + 0.3 - time.monotonic()))
        if reached:
            child.wait(self.random.random() * self.setting.seconds[stage])
        child.send(number)
        status = child.end()
        if status != 0:
            self.stopped[number] += 1
            if (status, child.said) != (128 + number, STOPPED):
                self.unstopped.append((number, f"in {stage}: status {status}, {child.said[-300:]!r}"))
        self._look(stage_of(self.folder, self.cache))
        return status == 0

    def _reach(self, child: children.Child, stage: str) -> bool:
        """Wait until a run is at a stage; tell whether it still runs then."""
        before = STAGES[: STAGES.index(stage)]
        while child.running() and stage_of(self.folder, self.cache) in before:
            # The last stage takes milliseconds.
            if stage != STAGES[-1]:
                time.sleep(0.002)
        return child.running()

    def _by_itself(self, stage: str) -> children.Before:
        """Return what makes a child kill itself just before its n-th change of a file in a stage, n at random."""
        # Between 1 and some 30, small numbers often: a stage that goes on has few changes left.
        count = itertools.count(1)
        last = round(30 ** self.random.random())

        def change(_: str) -> None:
            if stage_of(self.folder, self.cache) == stage and next(count) == last:
                os.kill(os.getpid(), signal.SIGKILL)

        return children.at_changes((self.folder, self.cache), change)

    def _look(self, at: str) -> None:
        """See what a reader gets from the folder after a kill or a stop."""
        found = {k: v for k, v in digests(self.folder, timed=True).items() if not k.startswith(".unfinished")}
        if at != STAGES[-1]:
            # Killed after all was moved, it is the new result that is there.
            wrong = difference(found, self.earlier) and self.setting.wrong(self.folder, unfinished=True)
            if wrong:
                self.unreadable.append((at, f"neither the earlier result nor the new one: {wrong}"))
        status, said = shown(self.setting, self.folder)
        good = said in self.said if status == 0 else children.refused(status, said)
        # Within the milliseconds of moving, a reader may be told to run the same command again.
        if not good or (status != 0 and found and at != STAGES[-1]):
            self.unreadable.append((at, f"confemb similar: status {status}, {said[-300:]!r}"))
        if found and self.random.random() < 0.1:
            copy = Path(shutil.copytree(self.folder, self.folder.with_name("copy")))
            status, said = children.call("report", copy, log=self.setting.log)
            if status != 0 and not children.refused(status, said):
                self.unreadable.append((at, f"confemb report: status {status}, {said[-300:]!r}"))
            shutil.rmtree(copy)
