"""A changed configuration over an old result: nothing of the old one is used that depends on what was changed."""

import itertools
import shutil
import time
from random import Random

from tests.torture import children
from tests.torture.setting import difference, digests, shared_setting
from tests.torture.trials import Trial

# One change for each stage to begin at, and combinations of them.
CHANGES = (
    "seed=3",
    "training.learning_rate=0.05",
    "training.keep_epochs=[1,3]",
    "classifier.shift=0",
    "prediction.k=4",
    "prediction.mirror=true",
    "report.examples=3",
    "dataset.predict=['test']",
    "dataset.image_size=9",
    "pairs.self_pairs=drop",
    "pairs.k=2",
    "pairs.weighting=probability",
    "embedding.dim=3",
    "embedding.seeds=3",
    "embedding.name=diffusion",
    "uncertainty.split_halves=0",
    "report.groups={ round = ['digit_0', 'digit_8'] }",
    "title=Another",
)


def run(seconds: float, seed: int) -> list[Trial]:
    """Run random configurations one over the other in one folder, and compare each with a run in a new folder."""
    random = Random(f"{seed} changed")
    setting = shared_setting()
    until = time.monotonic() + seconds
    failures, tried = [], 0
    environment = setting.cache("unbroken")
    folder = setting.over_earlier(setting.home / "changed")
    order = random.sample(CHANGES, len(CHANGES))
    for number, change in enumerate(itertools.cycle(order)):
        if tried and time.monotonic() > until:
            break
        changes = [change]
        if number >= len(order):
            changes = random.sample(CHANGES, 2)
        options = [text for one in changes if one != "embedding.name=diffusion" for text in ("--set", one)]
        if "embedding.name=diffusion" in changes:
            # Another embedder has other options.
            options += ["--set", "embedding={ name = 'diffusion' }"]
        new = setting.home / "new"
        for place in (folder, new):
            status, said = children.call(
                "run", setting.experiment, "--out", place, *options, log=setting.log, environment=environment
            )
            if status:
                failures.append(f"{', '.join(changes)}: status {status}, {said[-300:]!r}")
        tried += 1
        if new.exists() and (wrong := difference(digests(folder), digests(new))):
            failures.append(f"{', '.join(changes)}: {wrong}")
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(folder)
    return [
        Trial.of("another configuration over an old result: the same bytes as in a new folder", tried, failures),
    ]
