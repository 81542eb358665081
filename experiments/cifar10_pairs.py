"""Several objects in a picture (the paper's section 6.2): does the embedding also carry which classes occur together?

Two of CIFAR-10's test pictures stand side by side in one picture of 32 x 64, always of two classes. Which classes meet
is planted: each class has a partner it has little in common with (dog and automobile, deer and ship, ...). In a given
share of the pictures two partners meet; in the others any two classes, all 45 pairs alike, so that every class is as
frequent as any other whatever the share. At 0 % that is the control: classes paired at random.

The network of experiment fast_cifar10, which learned from single objects, looks at the whole picture and gives one
distribution over the ten classes; its four most probable ones are kept (the paper's 3 for one object leave two beside
it, and so do 4 for two). Each of the two true classes is paired with each of the four, with weight 1/2.

    confemb run fast_cifar10                   trains the network, once
    python experiments/cifar10_pairs.py        composes, predicts, embeds

Found (reports/cifar10_pairs; 5,000 pictures in each of 5 draws, 4 embedding seeds for each): the mean cosine of the
five planted pairs is -.14 for single objects, -.02 (-.14 to .09) with classes paired at random, and .52, .78, .87 with
25, 50 and 75 % planted; the plain count similarity rises alike (.02, .07; .11, .15, .19). The four pairs that look
alike stay together, less closely: .75, .68; .57, .49, .43. Of the pictures at random the network puts one of the two
classes first for 91 %, has both among its first two for 55 % and among its first four for 87 %.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import confemb
from confemb.analysis.options import AnalysisOptions
from confemb.datasets import Dataset
from confemb.embedders import embed_runs
from confemb.embedders.options import EmbedderOptions
from confemb.reporting import style
from confemb.reporting.tables import frame_to_markdown, interval, number
from confemb.reporting.write import save_figure
from confemb.result import analyze_counts
from confemb.result.folder import save_analysis, writing
from confemb.stats.seeds import rank_correlations
from confemb.support.files import make_folder, write_text
from confemb.support.progress import Display

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Each class with one that it is seldom taken for; set before anything was measured.
PARTNERS = (("dog", "automobile"), ("cat", "airplane"), ("deer", "ship"), ("bird", "truck"), ("frog", "horse"))
# Pairs that look alike and never have a part in what is planted.
ALIKE = (("cat", "dog"), ("automobile", "truck"), ("airplane", "ship"), ("deer", "horse"))
SHARES = (0.0, 0.25, 0.5, 0.75)
REPORTED = 0.5
PICTURES, DRAWS, SEEDS, SEED = 5_000, 5, 4, 0
K, K_ALONE, DIM, EPOCHS = 4, 3, 5, 20


def class_pairs(partners: np.ndarray, classes: int, share: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw (count, 2) different classes: partners with probability `share`, else any two, left and right at random.

    Args:
        partners: (P, 2) class indices, no class twice.
        classes: the number of classes, K.
        share: from 0 to 1.
        count: how many pictures.
        rng: draws all.
    """
    every = np.column_stack(np.triu_indices(classes, k=1))
    planted = rng.random(count) < share
    drawn = np.where(
        planted[:, None],
        partners[rng.integers(len(partners), size=count)],
        every[rng.integers(len(every), size=count)],
    )
    return np.where(rng.random((count, 1)) < 0.5, drawn, drawn[:, ::-1])


def choose_pictures(labels: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return which picture stands for each wanted class, of the same shape; each is used about as often as any other.

    Args:
        labels: (N,) the pictures' classes.
        wanted: class indices.
        rng: shuffles the pictures of each class.
    """
    chosen = np.empty(wanted.shape, np.int64)
    for label in np.unique(wanted):
        places = wanted == label
        chosen[places] = np.resize(rng.permutation(np.flatnonzero(labels == label)), int(places.sum()))
    return chosen


def load_network(weights: Path) -> Any:
    """Return the network of experiment fast_cifar10 with its weights."""
    from confemb.networks import make_network
    from confemb.networks.pretrained.weights import load_weights

    section = confemb.load_experiment("fast_cifar10").classifier
    network = make_network(section.name, (32, 32, 3), 10, seed=0, options=section.options)
    load_weights(network, weights)
    return network


def predict_alone(network: Any, dataset: Dataset) -> confemb.Predictions:
    """Return the predictions of single pictures, as they come."""
    return _predictions(network, dataset, np.arange(len(dataset))[:, None], K_ALONE, lambda *_: None)


def predict_pairs(network: Any, dataset: Dataset, chosen: np.ndarray, progress: Any) -> confemb.Predictions:
    """Return the predictions of pictures put together of two.

    Args:
        network: gives logits of pictures of any width.
        dataset: the single pictures.
        chosen: (M, 2) which of them stand on the left and on the right.
        progress: called with (text, pictures done, pictures in all).
    """
    return _predictions(network, dataset, chosen, K, progress)


def _predictions(
    network: Any, dataset: Dataset, chosen: np.ndarray, k: int, progress: Any, batch_size: int = 250
) -> confemb.Predictions:
    from confemb.networks.inference import compiled_logits

    def batches() -> Iterator[np.ndarray]:
        logits = compiled_logits(network)
        for start in range(0, len(chosen), batch_size):
            rows = chosen[start : start + batch_size]
            wide = np.concatenate([dataset.images[rows[:, side]] for side in range(rows.shape[1])], axis=2)
            yield logits(wide, batch_size)
            progress("predicting", start + len(rows), len(chosen))

    shown = np.zeros((len(chosen), len(dataset.class_names)), bool)
    np.put_along_axis(shown, dataset.labels[chosen], True, axis=1)
    ids = ["+".join(names) for names in dataset.ids[chosen].tolist()]
    return confemb.predictions_from_scores(
        np.concatenate(list(batches())),
        shown,
        dataset.class_names,
        k=k,
        logits=True,
        # The same two pictures may meet twice.
        ids=np.array([f"{row:05}:{name}" for row, name in enumerate(ids)]),
        dataset=f"{dataset.name} {dataset.split}" + (", two side by side" if chosen.shape[1] == 2 else ""),
        classifier="fast_cnn",
    )


def both_found(predictions: confemb.Predictions, among: int) -> float:
    """Return the share of pictures with both true classes among the `among` most probable."""
    return float((predictions.hits()[:, :among].sum(axis=1) == 2).mean())


def cosines_of(counts: confemb.PairCounts, seeds: range) -> np.ndarray:
    """Return (S, K, K) cosines, one matrix for each seed."""
    return embed_runs(confemb.SkipGram(dim=DIM, epochs=EPOCHS), counts, seeds).cosines()


def pair_values(cosines: np.ndarray, names: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> np.ndarray:
    """Return (S, P) cosines of the named pairs."""
    rows, columns = np.array([[names.index(name) for name in pair] for pair in pairs]).T
    return np.asarray(cosines[:, rows, columns])


def other_pairs(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of classes that are no partners."""
    partners = {frozenset(pair) for pair in PARTNERS}
    every = ((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
    return tuple(pair for pair in every if frozenset(pair) not in partners)


def condition(share: float | None) -> str:
    """Name a column: one object (None), or two, with this share of pictures of partners."""
    if share is None:
        return "one object"
    return "two, at random" if share == 0 else f"two, {share:.0%} planted"


def summarise(found: dict[str, np.ndarray], counts: dict[str, np.ndarray], names: tuple[str, ...]) -> pd.DataFrame:
    """Return a row for each condition and pair: median cosine, interval over the runs, plain count similarity.

    Args:
        found: condition -> (R, K, K) cosines of all runs.
        counts: condition -> (K, K) plain count similarity, the mean over the draws.
        names: the K class names.
    """
    rows = []
    kinds = {"planted": PARTNERS, "alike": ALIKE, "other": other_pairs(names)}
    for what, cosines in found.items():
        plain = counts[what][None]
        for kind, pairs in kinds.items():
            values, plain_values = (pair_values(each, names, pairs) for each in (cosines, plain))
            columns = [(f"mean of the {len(pairs)} {kind} pairs", values.mean(axis=1), plain_values.mean())]
            if kind != "other":
                named = [" – ".join(pair) for pair in pairs]
                columns = [*zip(named, values.T, plain_values[0], strict=True), *columns]
            for name, column, count in columns:
                low, median, high = np.percentile(column, [2.5, 50, 97.5])
                rows.append((what, kind, name, median, low, high, count))
    return pd.DataFrame(rows, columns=["pictures", "kind", "pair", "cosine", "low", "high", "count_similarity"])


def kept_order(found: dict[str, np.ndarray], names: tuple[str, ...]) -> pd.DataFrame:
    """Return how far each condition orders the pairs that are no partners as single objects do (Spearman, medians)."""
    values = {what: np.median(pair_values(each, names, other_pairs(names)), axis=0) for what, each in found.items()}
    alone = values[condition(None)]
    agreement = [rank_correlations(np.stack([alone, each]))[0, 1] for each in values.values()]
    return pd.DataFrame({"pictures": list(values), "spearman_with_one_object": agreement})


def planted_figure(summary: pd.DataFrame) -> "Figure":
    """Draw the cosines of planted and of alike pairs over the conditions, with their intervals."""
    figure = style.new_figure(7.4, 3.9)
    axes = figure.subplots()
    conditions = list(dict.fromkeys(summary["pictures"]))
    places = np.arange(len(conditions))
    ends = []
    for kind, colours in (("planted", style.GROUPS), ("alike", [style.UNGROUPED] * len(ALIKE))):
        rows = summary[(summary["kind"] == kind) & ~summary["pair"].str.startswith("mean")]
        for colour, (pair, group) in zip(colours, rows.groupby("pair", sort=False), strict=False):
            dashes = "-" if kind == "planted" else (0, (2, 1.5))
            width = 1.8 if kind == "planted" else 1.0
            axes.plot(places, group["cosine"], "o", color=colour, linestyle=dashes, linewidth=width, markersize=3)
            axes.fill_between(places, group["low"], group["high"], color=colour, alpha=0.10, linewidth=0)
            ends.append((float(group["cosine"].iloc[-1]), pair, colour))
    # Names at the right end, moved apart where they would lie upon each other: down from the top.
    free = np.inf
    for height, pair, colour in sorted(ends, reverse=True):
        free = min(height, free - 0.085)
        axes.text(places[-1] + 0.12, free, pair, color=colour, va="center", fontsize=8.5)
    axes.axhline(0, color=style.FAINT, linewidth=0.8, zorder=0)
    axes.set_xticks(places, [what.replace(", ", "\n") for what in conditions])
    axes.set_xlim(-0.2, places[-1] + 1.25)
    axes.set_ylim(top=1.02)
    axes.set_ylabel("cosine (median, 95 % of runs)")
    axes.set_title("Classes that are shown together come together (dashed: classes that look alike)")
    return figure


def page(summary: pd.DataFrame, order: pd.DataFrame, facts: dict[str, Any]) -> str:
    """Return the page planted_pairs.md."""
    cells = summary.assign(
        cell=[
            f"{number(row.cosine)} {interval(row.low, row.high)}"
            for row in summary[["cosine", "low", "high"]].itertuples(index=False)
        ]
    )
    conditions = list(dict.fromkeys(summary["pictures"]))
    pairs = list(dict.fromkeys(cells["pair"]))
    table = cells.pivot(index="pair", columns="pictures", values="cell").loc[pairs, conditions]
    plain = summary.pivot(index="pair", columns="pictures", values="count_similarity").loc[table.index, conditions]
    mean = cells[cells["pair"] == f"mean of the {len(PARTNERS)} planted pairs"].set_index("pictures")
    alone, random, reported = (mean.loc[condition(share), "cell"] for share in (None, 0.0, REPORTED))
    return f"""# Do classes that are shown together come together?

Pictures of two CIFAR-10 pictures side by side, {facts["pictures"]:,} in each of {facts["draws"]} draws; {SEEDS} \
embedding seeds for each draw. A share of the pictures shows two partners, the rest any two classes. "One object" are \
the same 10,000 test pictures alone, with {facts["draws"] * SEEDS} embedding seeds.

The mean cosine of the {len(PARTNERS)} planted pairs is {alone} where each picture shows one object, {random} where \
any two classes meet, and {reported} where partners meet in {REPORTED:.0%} of the pictures (median over the runs, \
95 % of them within the brackets).

The network, which learned from single objects, puts one of the two true classes first for {facts["first"]:.1%} of the \
pictures of two at random, and has both among its first two for {facts["both in 2"]:.1%}, among its first {K} for \
{facts["both in 4"]:.1%}.

## Cosines

{frame_to_markdown(table.reset_index())}
## The plain baseline: count similarity

{frame_to_markdown(plain.reset_index(), digits=3)}
## Is what was there before still there?

Spearman correlation of the medians of the {len(other_pairs(tuple(facts["names"])))} pairs that are no partners with \
those of single objects.

{frame_to_markdown(order)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("reports/fast_cifar10/weights.safetensors"))
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of two objects, in each draw")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path, default=Path("reports/cifar10_pairs"))
    given = parser.parse_args()
    display = Display()
    try:
        print(run(given.weights, given.pictures, given.draws, make_folder(given.out), display))
    except confemb.ConfembError as error:
        raise SystemExit(f"cifar10_pairs: {error}") from error


def run(weights: Path, pictures: int, draws: int, out: Path, display: Display) -> str:
    """Compose, predict, embed, and write everything to `out`; returns the report in short."""
    source = confemb.open_dataset("cifar10")
    source.fetch()
    dataset = source.load("test")
    names = dataset.class_names
    network = load_network(weights)
    partners = np.array([[names.index(name) for name in pair] for pair in PARTNERS])
    display.stage("one object")
    alone = confemb.count_pairs(predict_alone(network, dataset), k=K_ALONE)
    found = {condition(None): cosines_of(alone, range(SEED, SEED + draws * SEEDS))}
    counts = {condition(None): confemb.count_similarity(alone).values}
    facts: dict[str, Any] = {"names": names, "pictures": pictures, "draws": draws}
    reported = None
    for share in SHARES:
        cosines, plain = [], []
        for draw in range(draws):
            display.stage(f"{condition(share)}: draw {draw + 1} of {draws}")
            rng = np.random.default_rng([SEED, round(100 * share), draw])
            chosen = choose_pictures(dataset.labels, class_pairs(partners, len(names), share, pictures, rng), rng)
            with display.bar() as update:
                predictions = predict_pairs(network, dataset, chosen, update)
            pairs = confemb.count_pairs(predictions, k=K)
            cosines.append(cosines_of(pairs, range(SEED + draw * SEEDS, SEED + (draw + 1) * SEEDS)))
            plain.append(confemb.count_similarity(pairs).values)
            if draw == 0 and share == REPORTED:
                reported = predictions
            if draw == 0 and share == 0:
                facts["first"] = predictions.accuracy
                facts |= {f"both in {among}": both_found(predictions, among) for among in (2, K)}
        found[condition(share)] = np.concatenate(cosines)
        counts[condition(share)] = np.mean(plain, axis=0)
    assert reported is not None
    summary = summarise(found, counts, names)
    options = AnalysisOptions(
        seed=SEED,
        embedding=EmbedderOptions(seeds=20, dim=DIM, epochs=EPOCHS),
        title="Two objects in a picture: classes that are shown together",
        description="Two CIFAR-10 pictures side by side; in half of them two partners meet (dog and automobile, cat "
        "and airplane, deer and ship, bird and truck, frog and horse), in the others any two classes. Each true class "
        "is paired with each of the four most probable ones, with weight 1/2.",
    )
    source = {
        "dataset": reported.dataset,
        "classifier": "fast_cnn of experiment fast_cifar10, on the whole picture",
        "pictures": pictures,
        "planted": [" – ".join(pair) for pair in PARTNERS],
        "planted share": REPORTED,
        "seed": SEED,
    }
    with writing(out) as draft:
        result = analyze_counts(confemb.count_pairs(reported, k=K), reported, options, source=source, display=display)
        text = save_analysis(result, draft, display=display)
    write_text(out / "planted_pairs.csv", summary.round(4).to_csv(index=False, lineterminator="\n"))
    write_text(out / "planted_pairs.md", page(summary, kept_order(found, names), facts))
    with style.figure_style():
        save_figure(planted_figure(summary), out, "planted_pairs")
    return text


if __name__ == "__main__":
    main()
