"""Numbers at the edge: each result is right, or refused in one sentence; never silently wrong.

    python -m tests.torture.numbers

Scores that are all equal, one-hot, tied, denormal, huge, infinite or not numbers, of every type, for one class, two and
a thousand, k = K: the most probable classes are compared with a sort of exact fractions, the probabilities with a
softmax in 60 decimal digits. The same scores go in by every way there is, which must agree. Then whole `confemb embed`
runs, by every embedder of pairs, on predictions in which some class is never predicted, every class has one picture,
all are alike: what comes out must be cosines.
"""

import argparse
import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.torture.trials import Trial

TINY = 5e-324


def scores(generator: np.random.Generator) -> Iterator[tuple[str, np.ndarray, bool]]:
    """Yield (what, (N, K) scores, whether they are logits): all of them finite."""
    for classes in (1, 2, 3, 17, 18, 1000):
        rows = 4 if classes == 1000 else 8
        values = generator.random((rows, classes))
        probs = values / values.sum(axis=1, keepdims=True)
        one_hot = np.eye(classes)[np.arange(rows) % classes]
        tied = np.round(values, 1)
        for what, logits, array in (
            ("random", False, probs),
            ("random logits", True, 20 * values - 10),
            ("all equal", False, np.full((rows, classes), 1 / classes)),
            ("all equal logits", True, np.full((rows, classes), -3.5)),
            ("all zero", False, np.zeros((rows, classes))),
            ("one-hot", False, one_hot),
            ("one-hot logits", True, one_hot * 3),
            ("one-hot, huge logits", True, one_hot * 1e308),
            ("opposite, huge logits", True, one_hot * 2e308 - 1e308 if classes < 2 else (one_hot * 2 - 1) * 1.7e308),
            ("tied", False, tied),
            ("tied logits", True, np.round(10 * values) * 100),
            ("denormal", False, np.round(values, 1) * 10 * TINY),
            ("denormal logits", True, np.round(10 * values) * TINY),
            ("one unit in the last place apart", False, 0.5 + np.round(9 * values) * 2**-53),
            ("zeros of both signs", False, np.where(values < 0.5, 0.0, -0.0)),
            ("far-off logits", True, np.round(9 * values) - 1e6),
        ):
            yield f"{what}, {classes} classes", array, logits


TYPES = ("f2", "f4", "f8", ">f4", ">f8")


def expected_top(row: np.ndarray, k: int) -> list[int]:
    """Return the k best columns of a row, by exact fractions: highest first, equals by lowest index."""
    exact = [Fraction(float(value)) for value in row]
    return sorted(range(len(row)), key=lambda index: (-exact[index], index))[:k]


def expected_probs(row: np.ndarray, chosen: list[int]) -> list[float]:
    """Return the softmax of a row at some columns, worked out in 60 decimal digits."""
    with localcontext() as context:
        context.prec = 60
        exact = [Decimal(float(value)) for value in row]
        largest = max(exact)
        powers = [(value - largest).exp() if value - largest > -5000 else Decimal(0) for value in exact]
        total = sum(powers)
        return [float(powers[index] / total) for index in chosen]


def check_scores(array: np.ndarray, logits: bool) -> str | None:
    """Compare what `predictions_from_scores` gives with the exact answer, for several k; return what differs."""
    from confemb.records.predictions import predictions_from_scores

    rows, classes = array.shape
    names = [f"c{i}" for i in range(classes)]
    for k in sorted({1, min(2, classes), min(16, classes), min(17, classes), classes}):
        found = predictions_from_scores(array, np.zeros(rows, int), names, k=k, logits=logits)
        for row, values in enumerate(array.astype(np.float64)):
            top = expected_top(values, k)
            if found.top_classes[row].tolist() != top:
                return f"k = {k}, row {row}: {found.top_classes[row][:5].tolist()} are not {top[:5]}"
            probs = expected_probs(values, top) if logits else values[top]
            if not np.allclose(found.top_probs[row], np.asarray(probs, np.float32), rtol=1e-5, atol=1e-30):
                return f"k = {k}, row {row}: {found.top_probs[row][:5]} are not {probs[:5]}"
    return None


def refused_scores() -> Iterator[tuple[str, np.ndarray]]:
    """Yield (what, scores) that are no scores."""
    sound = np.array([[0.5, 0.5], [0.25, 0.75]])
    for what, value in (("NaN", np.nan), ("infinite", np.inf), ("minus infinite", -np.inf)):
        for kind in ("f2", "f4", "f8", "longdouble"):
            wrong = sound.astype(kind)
            wrong[1, 1] = value
            yield f"{what}, {kind}", wrong
    yield "complex", sound + 0j
    yield "objects", np.full(sound.shape, {}, object)
    yield "texts", sound.astype(str)
    yield "dates", np.array([[1, 2], [3, 4]], "M8[s]")
    yield "whole numbers that float64 takes for equal", np.array([[2**60, 2**60 + 1], [1, 0]])
    yield "unsigned whole numbers beyond float64", np.array([[2**64 - 2, 2**64 - 1], [1, 0]], np.uint64)
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        yield "numbers beyond float64", np.array([["1e400", "1e399"], ["1", "0"]]).astype(np.longdouble)
        yield "numbers that float64 takes for equal", np.array([[1, 1 + np.finfo(np.longdouble).eps], [1, 0]])


def ways(array: np.ndarray, logits: bool, folder: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Return every way by which scores become top classes: name -> the (N, k) top classes of all of them."""
    from confemb.classifiers.adapters.callables import CallableClassifier
    from confemb.classifiers.classification import classify
    from confemb.records.prediction_files import load_predictions, save_predictions
    from confemb.records.predictions import predictions_from_scores

    rows, classes = array.shape
    names = [f"c{i}" for i in range(classes)]
    labels = np.zeros(rows, int)
    k = min(5, classes)
    with np.errstate(all="ignore"):
        single = array.astype(np.float32)

    def direct() -> np.ndarray:
        return predictions_from_scores(array, labels, names, k=k, logits=logits).top_classes

    def by_classifier() -> np.ndarray:
        classifier = CallableClassifier(lambda batch: array[batch], names, logits=logits)
        return classify(classifier, np.arange(rows), labels, names, k=k, batch_size=3).top_classes

    def by_npz() -> np.ndarray:
        np.savez(
            folder / "s.npz", labels=labels, class_names=np.array(names), **{"logits" if logits else "probs": array}
        )
        return load_predictions(folder / "s.npz", keep=k).top_classes

    def by_file(suffix: str) -> Callable[[], np.ndarray]:
        def read() -> np.ndarray:
            found = predictions_from_scores(array, labels, names, k=k, logits=logits)
            if suffix == "parquet":
                save_predictions(found, folder / "s.parquet")
            else:
                assert found.top_probs is not None
                header = ["label", *(f"top{i + 1}" for i in range(k)), *(f"prob{i + 1}" for i in range(k))]
                lines = [
                    ",".join([names[0], *(names[c] for c in top), *map(repr, map(float, probs))])
                    for top, probs in zip(found.top_classes, found.top_probs, strict=True)
                ]
                (folder / "s.csv").write_text("\n".join([",".join(header), *lines]) + "\n")
            return load_predictions(folder / f"s.{suffix}", class_names=names).top_classes

        return read

    def by_jax() -> np.ndarray:
        import jax

        # JAX's own choice, which confemb leaves aside, breaks ties alike.
        return np.asarray(jax.lax.top_k(single, k)[1])

    found = {"directly": direct, "a classifier, in batches": by_classifier, "NPZ": by_npz}
    found |= {"Parquet": by_file("parquet"), "CSV": by_file("csv")}
    # JAX on a CPU takes denormal numbers for 0, and -0 for less than 0.
    normal = (array == 0) & ~np.signbit(array) | (np.abs(array) > 1e-37)
    if normal.all() and (single.astype(array.dtype) == array).all():
        found["jax.lax.top_k"] = by_jax
    return found


def tables(generator: np.random.Generator) -> Iterator[tuple[str, np.ndarray, np.ndarray, list[str]]]:
    """Yield (what, labels (N,), top classes (N, k), options) to embed whole."""

    def ranked(labels: np.ndarray, classes: int, k: int) -> np.ndarray:
        noisy = generator.random((len(labels), classes))
        noisy[np.arange(len(labels)), labels] += 0.5
        return np.argsort(-noisy, axis=1, kind="stable")[:, :k]

    six = np.arange(60) % 6
    yield "one class, k = K = 1", np.zeros(5, int), np.zeros((5, 1), int), []
    yield "two classes, k = 1", np.arange(20) % 2, ranked(np.arange(20) % 2, 2, 1), []
    yield "two classes, k = K = 2", np.arange(20) % 2, ranked(np.arange(20) % 2, 2, 2), ["-k", "2"]
    yield "two classes, one picture each", np.arange(2), np.array([[0, 1], [1, 0]]), ["-k", "2"]
    yield "six classes, k = K", six, ranked(six, 6, 6), ["-k", "6"]
    yield "never wrong, k = 1", six, six[:, None], []
    yield "always class 0, k = 1", six, np.zeros((60, 1), int), []
    yield "all scores equal", six, np.tile(np.arange(3), (60, 1)), []
    yield "a class that is never predicted", six, np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]])[six % 3], []
    yield (
        "a class that is predicted and has no picture",
        six[six < 5],
        ranked(six[six < 5], 6, 3),
        [
            "--missing-classes",
            "drop",
        ],
    )
    yield "no self-pairs", six, ranked(six, 6, 3), ["--self-pairs", "drop"]
    yield "two groups that are never confused", six, (six // 3 * 3)[:, None] + (six[:, None] + np.arange(3)) % 3, []
    yield "every class has one picture", np.arange(60), ranked(np.arange(60), 60, 3), []
    yield (
        "one class has all pictures but one",
        np.array([0] * 50 + [1, 2]),
        ranked(np.array([0] * 50 + [1, 2]), 3, 3),
        [],
    )


EMBEDDERS = ("diffusion", "counts", "ppmi", "balanced", "directed", "skipgram")


def embed_whole(labels: np.ndarray, top: np.ndarray, options: list[str], folder: Path) -> str | None:
    """Run `confemb embed` on predictions; return what was wrong with what came out."""
    from typer.testing import CliRunner

    from confemb.cli.app import app
    from confemb.records.embedding import ClassEmbedding
    from confemb.records.similarity import SimilarityMatrix
    from confemb.support.errors import ConfembError

    classes = 1 + int(max(labels.max(), top.max()))
    names = np.array([f"c{i}" for i in range(classes)])
    folder.mkdir()
    np.savez(folder / "p.npz", labels=labels, topk=top, class_names=names)
    arguments = ["embed", str(folder / "p.npz"), "--out", str(folder / "out"), "--seeds", "2", "--bootstraps", "3"]
    with warnings.catch_warnings(record=True) as raised, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        found = CliRunner().invoke(app, [*arguments, *options])
    if isinstance(found.exception, ConfembError):
        return None
    if found.exit_code:
        return f"{type(found.exception).__name__}: {found.exception}"
    if raised:
        return f"a warning: {raised[0].message} ({Path(raised[0].filename).name}:{raised[0].lineno})"
    matrix = SimilarityMatrix.load_matrix(folder / "out" / "similarity_matrix.csv")
    values = matrix.values
    if not (np.isfinite(values).all() and (np.abs(values) <= 1).all() and (np.diag(values) == 1).all()):
        return f"they are no cosines: {values.tolist()}"
    embedding = ClassEmbedding.load(folder / "out" / "embedding.txt")
    if embedding.class_names != matrix.class_names or not np.isfinite(embedding.vectors).all():
        return "the vectors are not of the same classes, or not finite"
    return None


def try_arrays(generator: np.random.Generator, *, most: int = 1000, kinds: tuple[str, ...] = TYPES) -> list[Trial]:
    """Try every array of at most `most` classes in every type, and those that are no scores."""
    from confemb.records.predictions import predictions_from_scores
    from confemb.support.errors import ConfembError

    tried, wrong, ways_tried, differing = 0, [], 0, []
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="confemb-numbers-") as name:
        for what, array, logits in scores(generator):
            for kind in kinds if array.shape[1] <= most else ():
                with np.errstate(all="ignore"):
                    typed = array.astype(kind)
                if not np.isfinite(typed).all():
                    continue
                tried += 1
                try:
                    # A warning is a failure, too.
                    warnings.simplefilter("error", RuntimeWarning)
                    if said := check_scores(typed, logits):
                        wrong.append(f"{what}, {kind}: {said}")
                    answers = {way: answer() for way, answer in ways(typed, logits, Path(name)).items()}
                except Exception as error:
                    wrong.append(f"{what}, {kind}: {type(error).__name__}: {error}")
                    continue
                ways_tried += len(answers)
                first = answers["directly"]
                differing += [
                    f"{what}, {kind}: {w}" for w, answer in answers.items() if not np.array_equal(answer, first)
                ]
        taken = []
        impossible = list(refused_scores())
        for what, array in impossible:
            try:
                predictions_from_scores(array, np.array([0, 1]), ["a", "b"], k=2, logits=True)
                taken.append(f"{what}: taken")
            except ConfembError:
                continue
            except Exception as error:
                taken.append(f"{what}: {type(error).__name__}: {error}")
    return [
        Trial.of("arrays of scores: top classes and probabilities as by exact arithmetic", tried, wrong),
        Trial.of("ways from scores to top classes: all break ties alike", ways_tried, differing),
        Trial.of("arrays that are no scores: refused", len(impossible), taken),
    ]


def run(seconds: float, seed: int) -> list[Trial]:
    """Try every array and every table once, whatever the time."""
    generator = np.random.default_rng(seed)
    trials = try_arrays(generator)
    whole, failed = 0, []
    with tempfile.TemporaryDirectory(prefix="confemb-numbers-") as name:
        for number, (what, labels, top, options) in enumerate(tables(generator)):
            for embedder in EMBEDDERS:
                whole += 1
                said = embed_whole(labels, top, [*options, "--embedder", embedder], Path(name) / f"{number}{embedder}")
                if said:
                    failed.append(f"{what}, {embedder}: {said}")
    return [*trials, Trial.of("`confemb embed` on predictions at the edge: cosines, or refused", whole, failed)]


def main() -> None:
    """Run the trials and print what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    for trial in run(0, parser.parse_args().seed):
        print(f"{trial.what}: {trial.held} of {trial.tried}")
        for failure in trial.failures:
            print(f"   {failure}")


if __name__ == "__main__":
    main()
