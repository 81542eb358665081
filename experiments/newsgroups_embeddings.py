"""Do word vectors from pictures help to classify texts? 20 Newsgroups with embeddings of four kinds, and two controls.

The blog post "Word Embeddings using Deep Neural Network Image Classifier" (2018) tried its visual vectors on the
20 Newsgroups "without success": random trainable, GloVe frozen and visual frozen embeddings. Here they are again, with
frozen random vectors beside them, and, since only words with a picture have a visual vector, GloVe's and random
vectors of those words alone. The same network for all: embedding, one convolution over words, maximum over the text,
dropout, dense. Headers, footers and quotes are removed; the split is the public one by date.

    python experiments/newsgroups_embeddings.py --archive 20news-bydate.tar.xz --glove glove.txt.gz \\
        --visual visual_words.bin --seeds 3

`--visual` is a file of vectors that `experiments/visual_words.py --save` or `confemb words vectors` wrote. Its
vectors are brought to the dimensions of GloVe's by principal components, and every frozen table to the same root mean
square. A stopped run goes on where it was: runs.csv in the result folder says what is done.

Found (reports/newsgroups_embeddings, 3 seeds, 2 minutes of one core for each): visual frozen 20.8 %, random frozen of
the same 348 words 21.1 %, GloVe frozen of these 21.3 %; of all words random frozen 41.5 %, GloVe frozen 59.9 %, random
trained 63.6 %. The words with a picture are 1.4 % of the text: no vectors of these words alone would help.

The post does not describe its network, and its notebook is not at hand: the network here is ours. What was cut for the
time: texts after their first 100 words, 20,000 words, 100 filters, 8 epochs.

"""

import argparse
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import confemb
from confemb.records.word_vectors import WordVectors
from confemb.reporting import style
from confemb.reporting.tables import frame_to_markdown
from confemb.support.files import make_folder, sha256_file, write_json, write_text
from confemb.support.manifest import stage_key, versions
from confemb.support.progress import Display

sys.path.insert(0, str(Path(__file__).parent))
from newsgroups import Posts, fetch, read_archive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VOCABULARY, LENGTH, FILTERS, WIDTH = 20_000, 100, 100, 3
EPOCHS, BATCH, RATE, DROPOUT = 8, 64, 2e-3, 0.5
# Every frozen table's root mean square, which is GloVe's own; Keras begins trainable ones about as small as START.
SCALE, START = 0.4, 0.03
HELD_OUT = 0.1
ARMS = {
    "random, trained": "starts random, is trained with the network",
    "GloVe, frozen": "GloVe, 0 for words it lacks",
    "visual, frozen": "from pictures, 0 for words without",
    "random, frozen": "random, stays as it is",
    "GloVe, frozen, pictured words": "GloVe of the words with a picture, 0 for others",
    "random, frozen, pictured words": "random for the words with a picture, 0 for others",
}
FILES = ("archive", "glove", "visual")
CONTROL, SAME_WORDS = "random, frozen", "random, frozen, pictured words"
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts as word indices.

    Attributes:
        train, test: (N, LENGTH) int32; 0 is no word, also for words out of the vocabulary.
        train_labels, test_labels: (N,) int32.
        words: (V,) the vocabulary; index 0 is "".
        share: (V,) how much of all known words of the training texts each is.
        classes: how many newsgroups.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    words: tuple[str, ...]
    share: np.ndarray
    classes: int


def index_texts(posts: Posts, *, vocabulary: int = VOCABULARY, length: int = LENGTH) -> Texts:
    """Cut texts into words and number them; the vocabulary is that of the training texts, by frequency.

    Posts without a word are left out.
    """
    names = sorted(set(posts.newsgroups))
    cut = [_WORD.findall(text.lower()) for text in posts.texts]
    training = [name.startswith("train/") for name in posts.ids]
    counts: Counter[str] = Counter()
    for words, is_training in zip(cut, training, strict=True):
        if is_training:
            counts.update(words)
    # Ties go by the alphabet, whatever the order of the posts.
    known = sorted(counts, key=lambda word: (-counts[word], word))[: vocabulary - 1]
    index = {word: i for i, word in enumerate(known, start=1)}
    rows: dict[bool, list[np.ndarray]] = {True: [], False: []}
    labels: dict[bool, list[int]] = {True: [], False: []}
    for words, is_training, group in zip(cut, training, posts.newsgroups, strict=True):
        if not words:
            continue
        row = np.zeros(length, np.int32)
        numbers = [index.get(word, 0) for word in words[:length]]
        row[: len(numbers)] = numbers
        rows[is_training].append(row)
        labels[is_training].append(names.index(group))
    if not rows[True] or not rows[False]:
        raise confemb.ConfembError("there must be posts for training and for the test.")
    share = np.array([0, *(counts[word] for word in known)], float)
    return Texts(
        np.stack(rows[True]),
        np.array(labels[True], np.int32),
        np.stack(rows[False]),
        np.array(labels[False], np.int32),
        ("", *known),
        share / share.sum(),
        len(names),
    )


def table_of(vectors: WordVectors, words: tuple[str, ...], dim: int) -> np.ndarray:
    """Return the (V, dim) table of a vocabulary, 0 for words without a vector, at the common scale.

    Vectors of more dimensions are centred and projected on their first principal components.
    """
    rows = [row for row, word in enumerate(words) if word in vectors]
    if len(rows) < 2:
        raise confemb.ConfembError("the vectors have fewer than 2 words of the texts: give vectors of English words.")
    found = np.stack([vectors.vectors[vectors.index(words[row])] for row in rows]).astype(np.float64)
    if found.shape[1] > dim:
        found -= found.mean(axis=0)
        _, _, axes = np.linalg.svd(found, full_matrices=False)
        found = found @ axes[:dim].T
    table = np.zeros((len(words), dim), np.float32)
    table[rows, : found.shape[1]] = found * (SCALE / np.sqrt((found**2).mean()))
    return table


def tables(texts: Texts, glove: WordVectors, visual: WordVectors, seed: int) -> dict[str, np.ndarray]:
    """Return the (V, d) embedding that each arm starts from."""
    dim = glove.vectors.shape[1]
    drawn = np.random.default_rng([seed, 1]).normal(size=(len(texts.words), dim)).astype(np.float32)
    drawn[0] = 0
    glove_table, visual_table = table_of(glove, texts.words, dim), table_of(visual, texts.words, dim)
    pictured = (visual_table != 0).any(axis=1, keepdims=True)
    return {
        "random, trained": START * drawn,
        "GloVe, frozen": glove_table,
        "visual, frozen": visual_table,
        "random, frozen": SCALE * drawn,
        "GloVe, frozen, pictured words": glove_table * pictured,
        "random, frozen, pictured words": SCALE * drawn * pictured,
    }


def train(texts: Texts, table: np.ndarray, *, frozen: bool, seed: int, epochs: int = EPOCHS) -> dict[str, Any]:
    """Train the network; return the accuracy on the test at the epoch that is best on a tenth of the training texts."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    class TextNetwork(nnx.Module):
        def __init__(self, *, rngs: nnx.Rngs) -> None:
            self.embedding = None if frozen else nnx.Param(jnp.asarray(table))
            self.convolution = nnx.Linear(WIDTH * table.shape[1], FILTERS, rngs=rngs)
            self.dropout = nnx.Dropout(DROPOUT, rngs=rngs)
            self.dense = nnx.Linear(FILTERS, texts.classes, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            length = x.shape[1] - WIDTH + 1
            # A convolution over words is one matrix product of neighbouring vectors: fast on a CPU.
            x = jnp.concatenate([x[:, i : i + length] for i in range(WIDTH)], axis=-1)
            return self.dense(self.dropout(jax.nn.relu(self.convolution(x)).max(axis=1)))

    model = TextNetwork(rngs=nnx.Rngs(seed))
    optimiser = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    fixed = jnp.asarray(table)

    def logits(model: TextNetwork, words: jax.Array) -> jax.Array:
        return model(fixed[words] if model.embedding is None else model.embedding[...][words])

    @nnx.jit
    def step(model: TextNetwork, optimiser: nnx.Optimizer, words: jax.Array, labels: jax.Array) -> None:
        def loss(model: TextNetwork) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(logits(model, words), labels).mean()

        optimiser.update(model, nnx.grad(loss)(model))

    @nnx.jit
    def predicted(model: TextNetwork, words: jax.Array) -> jax.Array:
        return logits(model, words).argmax(axis=1)

    def accuracy(words: np.ndarray, labels: np.ndarray) -> float:
        model.eval()
        found = []
        for start in range(0, len(words), 256):
            batch = words[start : start + 256]
            filled = np.zeros((256, words.shape[1]), np.int32)
            filled[: len(batch)] = batch
            found.append(np.asarray(predicted(model, filled))[: len(batch)])
        return float((np.concatenate(found) == labels).mean())

    generator = np.random.default_rng([seed, 2])
    order = generator.permutation(len(texts.train))
    held_out = order[: max(1, int(HELD_OUT * len(order)))]
    learnt = order[len(held_out) :]
    best: dict[str, Any] = {"validation": -1.0}
    for epoch in range(1, epochs + 1):
        model.train()
        generator.shuffle(learnt)
        size = min(BATCH, len(learnt))
        for start in range(0, len(learnt) - size + 1, size):
            rows = learnt[start : start + size]
            step(model, optimiser, texts.train[rows], texts.train_labels[rows])
        validation = accuracy(texts.train[held_out], texts.train_labels[held_out])
        if validation > best["validation"]:
            best = {"validation": validation, "epoch": epoch}
            weights = jax.tree.map(jnp.copy, nnx.state(model, nnx.Param))
    # Asked once, of the best epoch.
    nnx.update(model, weights)
    return {"validation": best["validation"], "test": accuracy(texts.test, texts.test_labels), "epoch": best["epoch"]}


def run_all(
    texts: Texts, glove: WordVectors, visual: WordVectors, seeds: int, out: Path, key: str = ""
) -> pd.DataFrame:
    """Train every arm with every seed; what runs.csv holds already, under the same key, is taken from there."""
    path = out / "runs.csv"
    rows = pd.read_csv(path, dtype={"key": str}, keep_default_na=False).to_dict("records") if path.exists() else []
    rows = [row for row in rows if row["key"] == key]
    done = {(row["embedding"], row["seed"]) for row in rows}
    wanted = [(seed, arm) for seed in range(seeds) for arm in ARMS if (arm, seed) not in done]
    with Display().bar() as update:
        for number, (seed, arm) in enumerate(wanted, start=1):
            table = tables(texts, glove, visual, seed)[arm]
            found = train(texts, table, frozen=arm != "random, trained", seed=seed)
            rows.append({"embedding": arm, "seed": seed, **found, "key": key})
            write_text(path, pd.DataFrame(rows).to_csv(index=False, float_format="%.6f"))
            update("trainings", number, len(wanted))
    return pd.DataFrame(rows)[lambda frame: frame["seed"] < seeds]


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean over seeds with its 95 % interval by Student's t; without bounds for a single seed."""
    from scipy import stats

    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def summarise(runs: pd.DataFrame, coverage: dict[str, tuple[int, float]]) -> pd.DataFrame:
    """Return a row for each arm: accuracy, and how far it is above its control, by seeds."""
    by_arm = {arm: runs[runs["embedding"] == arm].sort_values("seed")["test"].to_numpy() for arm in ARMS}
    rows = []
    for arm, values in by_arm.items():
        control = SAME_WORDS if "pictured" in arm or arm.startswith("visual") else CONTROL
        mean, low, high = interval(values)
        above = (float("nan"),) * 3 if arm == control else interval(values - by_arm[control])
        rows.append(
            {
                "embedding": arm,
                "words": coverage[arm][0],
                "share of text": coverage[arm][1],
                "test accuracy": mean,
                "low": low,
                "high": high,
                "control": "" if arm == control else control,
                "above control": above[0],
                "above low": above[1],
                "above high": above[2],
            }
        )
    return pd.DataFrame(rows)


def coverage_of(texts: Texts, glove: WordVectors, visual: WordVectors) -> dict[str, tuple[int, float]]:
    """Return for each arm how many words have a vector, and what share of the training texts' known words they are."""
    found = {}
    for arm, table in tables(texts, glove, visual, 0).items():
        there = (table != 0).any(axis=1)
        found[arm] = (int(there.sum()), float(texts.share[there].sum()))
    return found


def draw(summary: pd.DataFrame, runs: pd.DataFrame) -> "Figure":
    """Return the figure: accuracy of each arm, a dot for each seed and a bar for the interval."""
    with style.figure_style():
        figure = style.new_figure(7.2, 3.2)
        axes = figure.subplots()
        for place, row in enumerate(summary[::-1].to_dict("records")):
            dots = runs[runs["embedding"] == row["embedding"]]["test"]
            colour = style.GROUPS[0] if row["embedding"].startswith("visual") else style.UNGROUPED
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=4, alpha=0.35)
            axes.scatter(dots, [place] * len(dots), color=colour, s=18, zorder=3)
        axes.set_yticks(range(len(summary)), summary["embedding"][::-1])
        axes.set_xlim(0, 1)
        axes.set_xlabel("test accuracy (bar: 95 % interval over seeds)")
        axes.set_title("20 Newsgroups by the same text network over six embeddings")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def page(summary: pd.DataFrame, texts: Texts, seeds: int, dim: int) -> str:
    """Return tables.md."""
    found = summary.set_index("embedding").to_dict("index")
    visual, control = found["visual, frozen"], found[SAME_WORDS]
    shown = summary.copy()
    shown["words"] = [f"{value:,}" for value in shown["words"]]
    columns = ["share of text", "test accuracy", "low", "high", "above control", "above low", "above high"]
    for column in columns:
        shown[column] = ["" if np.isnan(value) else f"{value:.1%}" for value in shown[column]]
    return f"""# 20 Newsgroups by embeddings of words

{len(texts.train):,} training and {len(texts.test):,} test posts, headers, footers and quotes removed, empty ones \
left out; their first {LENGTH} words, a vocabulary of {VOCABULARY:,}. The network: embedding of {dim} dimensions, \
convolution of {FILTERS} filters over {WIDTH} words, maximum over the text, dropout {DROPOUT}, dense; Adam, {EPOCHS} \
epochs, the epoch chosen on a tenth of the training posts. {seeds} seeds; intervals are Student's over seeds, \
differences paired by seed. They hold for other seeds, not for other posts: {len(texts.test):,} posts alone leave \
about ±{1.96 * np.sqrt(0.24 / len(texts.test)):.1%}.

{frame_to_markdown(shown)}
Visual vectors know {visual["words"]:,} of the words, {visual["share of text"]:.1%} of the text. They reach \
{visual["test accuracy"]:.1%}; random vectors of the same words {control["test accuracy"]:.1%}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, help="20news-bydate.tar.xz; without it scikit-learn fetches the posts")
    parser.add_argument("--glove", type=Path, required=True)
    parser.add_argument("--visual", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("reports/newsgroups_embeddings"))
    given = parser.parse_args()
    try:
        texts = index_texts(fetch() if given.archive is None else read_archive(given.archive))
        glove, visual = WordVectors.load(given.glove), WordVectors.load(given.visual)
        out = make_folder(given.out)
        settings = {"vocabulary": VOCABULARY, "length": LENGTH, "filters": FILTERS, "width": WIDTH, "epochs": EPOCHS}
        settings |= {"batch": BATCH, "rate": RATE, "dropout": DROPOUT, "scale": SCALE, "start": START}
        sources = {name: sha256_file(path) for name, path in vars(given).items() if name in FILES and path}
        runs = run_all(texts, glove, visual, given.seeds, out, stage_key(settings, sources))
        summary = summarise(runs, coverage_of(texts, glove, visual))
        figure = draw(summary, runs)
        for kind in ("png", "svg"):
            style.save_bytes(out / f"accuracy.{kind}", style.figure_bytes(figure, kind, dpi=150))
        write_text(out / "summary.csv", summary.round(4).to_csv(index=False))
        write_text(out / "tables.md", page(summary, texts, given.seeds, glove.vectors.shape[1]))
        about = {"settings": {**settings, "seeds": given.seeds}, "sha256": sources, "versions": versions()}
        write_json(out / "manifest.json", about)
    except confemb.ConfembError as error:
        raise SystemExit(f"newsgroups_embeddings: {error}") from error
    print((out / "tables.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
