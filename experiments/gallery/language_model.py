"""A language model's answers, simulated: does the method find the geometry that the answers were made from?

Nothing here comes from a language model. Twelve emotions get places on a plane of pleasure and arousal, set by hand
after the idea of J. A. Russell, "A circumplex model of affect" (1980); for each of 1,200 made-up messages a seeded
simulation draws five answers, an emotion being answered with a probability that falls with its distance from the true
one. Some answers are whole sentences, some are no emotion at all, as a model's are. The file is what one would write of
a real model:

    {"id": "0", "label": "joy", "answers": ["joy", "Excitement.", "I am not sure", "joy", "delight"]}

    python experiments/gallery/language_model.py

`confemb embed answers.jsonl` reads it; the reference is the plane itself, so the agreement says how well it is found.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import confemb
from confemb.support.files import make_folder, write_text

# Pleasure and arousal, each from -1 to 1.
PLACES = {
    "excitement": (0.6, 0.8),
    "joy": (0.9, 0.4),
    "delight": (0.8, 0.5),
    "contentment": (0.8, -0.5),
    "calm": (0.6, -0.8),
    "tiredness": (0.0, -1.0),
    "boredom": (-0.4, -0.8),
    "sadness": (-0.8, -0.4),
    "gloom": (-0.9, -0.3),
    "fear": (-0.5, 0.8),
    "anger": (-0.6, 0.7),
    "distress": (-0.8, 0.5),
}
MESSAGES, ANSWERS, SPREAD, SEED = 1_200, 5, 0.25, 0
# Of the answers, how many are a sentence, and how many name no emotion.
SENTENCES, NOTHING = 0.1, 0.02
OUT = Path("reports/gallery_language_model")


def simulate(path: Path) -> None:
    """Write the answers."""
    random = np.random.default_rng(SEED)
    names, places = list(PLACES), np.array(list(PLACES.values()))
    distances = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    lines = []
    for message in range(MESSAGES):
        label = message % len(names)
        # Messages differ in how plain they are.
        spread = SPREAD * random.lognormal(0, 0.5)
        odds = np.exp(-((distances[label] / spread) ** 2) / 2)
        answers = [names[i] for i in random.choice(len(names), ANSWERS, p=odds / odds.sum())]
        kinds = random.random(ANSWERS)
        answers = [
            "I am not sure" if kind < NOTHING else f"{answer.capitalize()}." if kind < NOTHING + SENTENCES else answer
            for answer, kind in zip(answers, kinds, strict=True)
        ]
        lines.append(json.dumps({"id": str(message), "label": names[label], "answers": answers}))
    write_text(path, "\n".join(lines) + "\n")


def main() -> None:
    """Simulate, embed, compare with the plane."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="The result folder.")
    out = parser.parse_args().out
    kept = make_folder(out.with_name(f"{out.name}_answers"))
    simulate(kept / "answers.jsonl")
    places = np.array(list(PLACES.values()))
    distances = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    confemb.SimilarityMatrix(distances, tuple(PLACES)).save_matrix(kept / "plane.csv")
    subprocess.run(
        [
            *(sys.executable, "-m", "confemb", "embed", str(kept / "answers.jsonl"), "--out", str(out)),
            *("--dim", "5", "--item", "message", "--title", "Twelve emotions, a simulated language model's answers"),
            *("--reference", f"distances:{kept / 'plane.csv'}", "--missing-classes", "drop"),
        ],
        check=True,
    )


if __name__ == "__main__":
    main()
