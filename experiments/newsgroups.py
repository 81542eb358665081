"""Not only pictures: how a text classifier sees the 20 Newsgroups.

TF-IDF and a linear classifier read the posts, headers, footers and quotes removed; posts of which nothing is left are
dropped. Every post is predicted by a classifier that was not fitted on it (5 folds), its three most probable groups
become pairs, and skip-gram embeds the 20 groups in 10 dimensions (the paper: 5 for 10 classes). The names of the
groups are never seen by the classifier, so they tell how well the embedding does: the share of classes whose nearest
class has the same top-level name (comp, rec, sci, talk), beside that of the plain counts and of chance.

    python experiments/newsgroups.py                                    scikit-learn fetches the posts
    python experiments/newsgroups.py --archive 20news-bydate.tar.xz     a copy at hand, read without unpacking it

Found: out of fold 77.9 % of 18,331 posts right (515 of 18,846 are empty). The nearest class has the same top-level name
for 71 % of 17 classes (median of 20 seeds; 71 to 76 %), with the paper's 5 dimensions for 82 % (82 to 94 %), by the
plain counts for 82 %, by chance for 17 %. Religion, put together from three hierarchies, is one cluster; sci is none.
4.5 minutes on one CPU core; the result is in reports/newsgroups, the shares in nearest_group.md there.
"""

import argparse
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import confemb
from confemb.analysis.options import AnalysisOptions, ReportOptions
from confemb.embedders import embed_runs
from confemb.embedders.options import EmbedderOptions
from confemb.reporting.tables import frame_to_markdown
from confemb.result import analyze_counts
from confemb.result.folder import save_analysis, writing
from confemb.stats.seeds import nearest_in_group, summarise_runs
from confemb.support.files import write_text
from confemb.support.progress import Display

# What the newsgroups' names say, religion put together from three hierarchies. misc.forsale stands alone.
SUBJECTS = {
    "comp": [
        "comp.graphics",
        "comp.os.ms-windows.misc",
        "comp.sys.ibm.pc.hardware",
        "comp.sys.mac.hardware",
        "comp.windows.x",
    ],
    "rec": ["rec.autos", "rec.motorcycles", "rec.sport.baseball", "rec.sport.hockey"],
    "sci": ["sci.crypt", "sci.electronics", "sci.med", "sci.space"],
    "politics": ["talk.politics.guns", "talk.politics.mideast", "talk.politics.misc"],
    "religion": ["alt.atheism", "soc.religion.christian", "talk.religion.misc"],
}
K, DIM, SEEDS, FOLDS, SEED = 3, 10, 20, 5, 0
# 55,000 pairs are few: with 20 passes each class is trained about as often as one of CIFAR-10's in the paper's setting.
EPOCHS = 20
OTHER_K, OTHER_DIM = (1, 2, 3, 5), (5, 10)

_MEMBER = re.compile(r"20news-bydate-(train|test)/([a-z0-9.-]+)/([0-9]+)")


@dataclass(frozen=True)
class Posts:
    """N posts: texts, the newsgroup of each, and ids as "train/sci.med/58042", by which they are sorted."""

    texts: list[str]
    newsgroups: list[str]
    ids: list[str]


def stripped(text: str) -> str:
    """Take header, footer and quotes off a post, as scikit-learn does."""
    from sklearn.datasets import _twenty_newsgroups as rules

    for strip in (rules.strip_newsgroup_header, rules.strip_newsgroup_footer, rules.strip_newsgroup_quoting):
        text = strip(text)
    return text


def read_archive(path: Path) -> Posts:
    """Read the posts from the public archive, member by member; nothing is written to disk.

    Raises:
        ConfembError: no such archive, or a member that is no post of it.
    """
    found = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.isdir():
                    continue
                parts = _MEMBER.fullmatch(member.name)
                if parts is None or not member.isreg():
                    raise confemb.ConfembError(
                        f"{path} has the member {member.name!r}, which is no post of 20news-bydate: "
                        "take the public archive."
                    )
                file = archive.extractfile(member)
                assert file is not None
                found["/".join(parts.groups())] = stripped(file.read().decode("latin-1"))
    except (OSError, EOFError, tarfile.TarError) as error:
        raise confemb.ConfembError(f"cannot read the archive {path}: {error}.") from error
    if not found:
        raise confemb.ConfembError(f"{path} holds no post: take the public archive.")
    return _posts(found)


def fetch() -> Posts:
    """Get the posts through scikit-learn, which keeps them in its own cache."""
    from sklearn.datasets import fetch_20newsgroups

    found = {}
    for split in ("train", "test"):
        bunch = fetch_20newsgroups(subset=split, shuffle=False, remove=("headers", "footers", "quotes"))
        for text, target, file in zip(bunch.data, bunch.target, bunch.filenames, strict=True):
            found[f"{split}/{bunch.target_names[target]}/{Path(file).name}"] = text
    return _posts(found)


def _posts(found: dict[str, str]) -> Posts:
    ids = sorted(found)
    return Posts([found[name] for name in ids], [name.split("/")[1] for name in ids], ids)


def predict(posts: Posts, *, k: int, folds: int = FOLDS, display: Display | None = None) -> confemb.Predictions:
    """Return out-of-fold predictions of the posts that are not empty."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    names = tuple(sorted(set(posts.newsgroups)))
    rows = [row for row, text in enumerate(posts.texts) if text.strip()]
    ids = np.array([posts.ids[row] for row in rows], dtype=object)
    with (display or Display()).bar() as update:
        return confemb.out_of_fold(
            make_pipeline(
                TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english"),
                # A fixed number of passes: one logistic regression for each class, in seconds.
                SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=20, tol=None),
            ),
            [posts.texts[row] for row in rows],
            np.array([names.index(posts.newsgroups[row]) for row in rows]),
            names,
            folds=folds,
            seed=SEED,
            k=k,
            ids=ids,
            dataset="20 Newsgroups",
            name="TF-IDF + logistic regression",
            progress=lambda done, total: update("folds", done, total),
        )


def top_level_names(class_names: tuple[str, ...]) -> dict[str, list[str]]:
    """Group classes by the first part of their names: "sci.med" is in "sci"."""
    groups: dict[str, list[str]] = {}
    for name in class_names:
        groups.setdefault(name.split(".")[0], []).append(name)
    return groups


def nearest_shares(
    counts: confemb.PairCounts, runs: confemb.EmbeddingRuns, groups: dict[str, list[str]]
) -> dict[str, float]:
    """Return the share of classes whose nearest is of their group: over the seeds, by counts, by chance."""
    each = [nearest_in_group(runs[i].cosine(), groups).share for i in range(len(runs))]
    plain = nearest_in_group(confemb.count_similarity(counts), groups)
    return {
        "classes": plain.classes,
        "median": float(np.median(each)),
        "lowest": min(each),
        "highest": max(each),
        "counts": plain.share,
        "chance": plain.chance,
    }


def compare_settings(predictions: confemb.Predictions) -> pd.DataFrame:
    """Return a row for each k, dimension and way of grouping, with its shares."""
    rows = []
    for k in OTHER_K:
        counts = confemb.count_pairs(predictions, k=k)
        for dim in OTHER_DIM:
            runs = embed_runs(confemb.SkipGram(dim=dim, epochs=EPOCHS), counts, range(SEED, SEED + SEEDS))
            for by, groups in (("top-level name", top_level_names(counts.class_names)), ("subject", SUBJECTS)):
                rows.append({"groups by": by, "k": k, "dim": dim, **nearest_shares(counts, runs, groups)})
    return pd.DataFrame(rows).sort_values(["groups by", "k", "dim"], ascending=[False, True, True], kind="stable")


def nearest_table(counts: confemb.PairCounts, runs: confemb.EmbeddingRuns) -> pd.DataFrame:
    """Return each class with its nearest, by the median over the seeds and by the plain counts."""
    similarity, plain = summarise_runs(runs).similarity, confemb.count_similarity(counts)
    rows = []
    for name in counts.class_names:
        (nearest, cosine), by_counts = similarity.ranked(name)[0], plain.ranked(name)[0][0]
        rows.append({"class": name, "nearest": nearest, "cosine": cosine, "nearest by counts": by_counts})
    return pd.DataFrame(rows)


def findings(settings: pd.DataFrame, nearest: pd.DataFrame, posts: int, predictions: confemb.Predictions) -> str:
    """Return the page nearest_group.md."""
    found = settings.set_index(["groups by", "k", "dim"]).to_dict("index")
    name, subject, paper = (
        found[by, K, dim] for by, dim in (("top-level name", DIM), ("subject", DIM), ("top-level name", 5))
    )
    return f"""# Is a newsgroup's nearest newsgroup of its own kind?

{posts:,} posts without header, footer and quotes; {posts - len(predictions):,} of them, empty then, are dropped. \
Out of fold the classifier is right for {predictions.accuracy:.1%}.

With the top {K} and {DIM} dimensions the nearest class has the same top-level name for {name["median"]:.0%} of \
{name["classes"]} classes (median of {SEEDS} seeds, {name["lowest"]:.0%} to {name["highest"]:.0%}); for \
{name["counts"]:.0%} by the plain counts, {name["chance"]:.0%} by chance. With the paper's 5 dimensions it is \
{paper["median"]:.0%} ({paper["lowest"]:.0%} to {paper["highest"]:.0%}). Grouped by subject, which puts the three \
groups on religion together and leaves politics to talk.politics, it is {subject["median"]:.0%} of \
{subject["classes"]} ({subject["lowest"]:.0%} to {subject["highest"]:.0%}); {subject["counts"]:.0%} by the plain \
counts, {subject["chance"]:.0%} by chance. Classes alone in their group are not asked, but may be the nearest.

{DIM} dimensions were set before anything was measured, in the paper's proportion to the number of classes; the other \
settings, for comparison:

{frame_to_markdown(settings)}
The nearest class of each, with the top {K} and {DIM} dimensions:

{frame_to_markdown(nearest)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, help="20news-bydate.tar.xz or .tar.gz")
    parser.add_argument("--out", type=Path, default=Path("reports/newsgroups"))
    given = parser.parse_args()
    display = Display()
    try:
        posts = fetch() if given.archive is None else read_archive(given.archive)
        predictions = predict(posts, k=max(OTHER_K), display=display)
        counts = confemb.count_pairs(predictions, k=K)
        options = AnalysisOptions(
            title="How a text classifier sees the 20 Newsgroups",
            description="TF-IDF and a linear classifier read the posts without headers, footers and quotes; each post "
            "is predicted by a classifier that was not fitted on it.",
            seed=SEED,
            embedding=EmbedderOptions(seeds=SEEDS, dim=DIM, epochs=EPOCHS),
            report=ReportOptions(groups=SUBJECTS, item="post"),
        )
        source = {
            "dataset": predictions.dataset,
            "classifier": predictions.classifier,
            "folds": FOLDS,
            "seed": SEED,
            "posts": len(posts.texts),
            "empty posts dropped": len(posts.texts) - len(predictions),
            "accuracy": round(predictions.accuracy, 4),
        }
        with writing(given.out) as draft:
            result = analyze_counts(counts, predictions, options, source=source, display=display)
            summary = save_analysis(result, draft, display=display)
        settings = compare_settings(predictions)
        write_text(given.out / "nearest_group.csv", settings.round(4).to_csv(index=False))
        write_text(
            given.out / "nearest_group.md",
            findings(settings, nearest_table(counts, result.runs), len(posts.texts), predictions),
        )
    except confemb.ConfembError as error:
        raise SystemExit(f"newsgroups: {error}") from error
    print(summary)


if __name__ == "__main__":
    main()
