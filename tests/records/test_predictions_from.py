"""`predictions_from`: the same predictions from every type that people hold them in, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from confemb.records.predictions import predictions_from_scores
from confemb.records.predictions_from import predictions_from
from confemb.records.read_options import ReadOptions
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "ship", "truck")
GENERATOR = np.random.default_rng(3)
LABELS = GENERATOR.permutation(np.arange(40) % 4)
PROBS = GENERATOR.dirichlet(np.ones(4), size=40) * 0.4 + 0.6 * np.eye(4)[LABELS]
NAMED = np.array(NAMES, object)[LABELS]
BEST = predictions_from_scores(PROBS, LABELS, NAMES, k=4)
TOP = BEST.top_classes


def imported(name):
    return pytest.importorskip(name)


def polars_frame():
    return imported("polars").DataFrame(dict(zip(NAMES, PROBS.T, strict=True)))


def torch_scores(dtype="float64"):
    torch = imported("torch")
    return torch.tensor(PROBS, dtype=getattr(torch, dtype), requires_grad=True)


def jax_scores(dtype="float32"):
    jnp = imported("jax").numpy
    return jnp.asarray(PROBS, dtype=getattr(jnp, dtype))


FRAME = pd.DataFrame(PROBS, columns=list(NAMES))
# Scores over all classes in types of other libraries; in half precision only the order of clear ones stays.
SCORES = {
    "numpy": lambda: PROBS,
    "lists": lambda: PROBS.tolist(),
    "rows": lambda: list(PROBS),
    "float32": lambda: PROBS.astype(np.float32),
    "fortran": lambda: np.asfortranarray(PROBS),
    "matrix": lambda: np.ma.masked_array(PROBS),
    "frame": lambda: FRAME,
    "frame in another order": lambda: FRAME[["ship", "cat", "truck", "dog"]],
    "frame of prefixed columns": lambda: FRAME.add_prefix("prob_"),
    "frame without names": lambda: pd.DataFrame(PROBS),
    "frame with another index": lambda: FRAME.set_index(np.arange(40)[::-1]),
    "dictionaries": lambda: FRAME[["dog", "cat", "truck", "ship"]].to_dict("records"),
    "polars": polars_frame,
    "polars in another order": lambda: polars_frame().select("ship", "dog", "truck", "cat"),
    "torch with gradients": torch_scores,
    "torch bfloat16": lambda: torch_scores("bfloat16"),
    "torch half": lambda: torch_scores("float16"),
    "list of tensors": lambda: list(torch_scores()),
    "jax": jax_scores,
    "jax bfloat16": lambda: jax_scores("bfloat16"),
    "sparse": lambda: imported("scipy.sparse").csr_matrix(PROBS),
}


@pytest.mark.parametrize("name", SCORES)
def test_scores_of_any_library(name):
    for make in (predictions_from, lambda y, s, **how: predictions_from_scores(s, y, NAMES, k=how["k"])):
        found = make(LABELS, SCORES[name](), class_names=NAMES, k=4)
        assert found.class_names == NAMES
        np.testing.assert_array_equal(found.labels, BEST.labels)
        np.testing.assert_allclose(found.top_probs, BEST.top_probs, atol=4e-3)
        exact = "float16" not in name and "half" not in name and "bfloat16" not in name
        np.testing.assert_array_equal(*(top if exact else top[:, 0] for top in (found.top_classes, TOP)))


TRUE = {
    "names": lambda: NAMED,
    "list of names": lambda: NAMED.tolist(),
    "fixed width": lambda: NAMED.astype("U5"),
    "bytes": lambda: NAMED.astype("S5"),
    "indices": lambda: LABELS,
    "list": lambda: LABELS.tolist(),
    "column": lambda: LABELS[:, None],
    "floats": lambda: LABELS.astype(float),
    "uint8": lambda: LABELS.astype(np.uint8),
    "one-hot": lambda: np.eye(4, dtype=np.float32)[LABELS],
    "one-hot frame": lambda: pd.get_dummies(pd.Series(NAMED))[["ship", "cat", "dog", "truck"]],
    "series": lambda: pd.Series(NAMED),
    "string series": lambda: pd.Series(NAMED, dtype="string"),
    "nullable": lambda: pd.Series(LABELS, dtype="Int64"),
    "categories": lambda: pd.Series(pd.Categorical(NAMED, categories=["truck", *NAMES[:3]])),
    "frame": lambda: pd.DataFrame({"label": NAMED}),
    "polars": lambda: imported("polars").Series(NAMED.tolist()),
    "polars categories": lambda: imported("polars").Series(NAMED.tolist(), dtype=imported("polars").Categorical),
    "polars enum": lambda: imported("polars").Series(NAMED.tolist(), dtype=imported("polars").Enum(NAMES)),
    "arrow": lambda: imported("pyarrow").array(NAMED.tolist()),
    "torch": lambda: imported("torch").tensor(LABELS),
    "jax": lambda: imported("jax").numpy.asarray(LABELS),
}


@pytest.mark.parametrize("name", TRUE)
def test_true_classes_of_any_library(name):
    found = predictions_from(TRUE[name](), PROBS, class_names=NAMES, k=4)
    assert found.class_names == NAMES
    np.testing.assert_array_equal(found.labels, BEST.labels)
    np.testing.assert_array_equal(found.top_classes, TOP)


PREDICTED = {
    "names": (NAMED[TOP[:, 0].argsort()], None),
    "labels": (lambda: np.array(NAMES)[TOP[:, 0]], 1),
    "indices": (lambda: TOP[:, 0], 1),
    "floats": (lambda: TOP[:, 0].astype(float), 1),
    "column": (lambda: TOP[:, :1], 1),
    "one-hot": (lambda: np.eye(4, dtype=int)[TOP[:, 0]], 1),
    "one-hot floats": (lambda: np.eye(4)[TOP[:, 0]], 1),
    "one-hot booleans": (lambda: np.eye(4, dtype=bool)[TOP[:, 0]], 1),
    "one-hot frame": (lambda: pd.DataFrame(np.eye(4)[TOP[:, 0]][:, ::-1], columns=NAMES[::-1]), 1),
    "top 3": (lambda: TOP[:, :3], 3),
    "top 4": (lambda: TOP, 4),
    "top 3 as floats": (lambda: TOP[:, :3].astype(float), 3),
    "top 3 names": (lambda: np.array(NAMES, object)[TOP[:, :3]], 3),
    "top 2 in a frame": (lambda: pd.DataFrame(np.array(NAMES)[TOP[:, :2]], columns=["top1", "top2"]), 2),
    "top 2 indices in a frame": (lambda: pd.DataFrame(TOP[:, :2], columns=["top1", "top2"]), 2),
    "torch": (lambda: imported("torch").tensor(TOP[:, :3]), 3),
}
del PREDICTED["names"]


@pytest.mark.parametrize("name", PREDICTED)
@pytest.mark.parametrize("true", ["names", "indices"])
def test_predicted_classes_in_every_form(name, true):
    make, k = PREDICTED[name]
    found = predictions_from(TRUE[true](), make(), class_names=NAMES)
    assert (found.class_names, found.top_probs) == (NAMES, None)
    np.testing.assert_array_equal(found.labels, BEST.labels)
    np.testing.assert_array_equal(found.top_classes, TOP[:, :k])


def test_names_that_come_with_the_data_are_used():
    found = predictions_from(NAMED, FRAME[["truck", "cat", "dog", "ship"]])
    assert found.class_names == ("truck", "cat", "dog", "ship")
    assert found.accuracy == BEST.accuracy
    categories = pd.Series(pd.Categorical(NAMED, categories=["ship", "unused", "dog", "cat", "truck"]))
    found = predictions_from(categories, pd.Series(np.array(NAMES)[TOP[:, 0]]))
    assert found.class_names == ("ship", "dog", "cat", "truck"), "the order of the categories that occur"
    assert predictions_from(LABELS, PROBS).class_names == ("0", "1", "2", "3")
    assert predictions_from([3, 5, 3], [5, 5, 3], class_names=[3, 5]).labels.tolist() == [0, 1, 0]
    assert predictions_from([3, 5, 3], np.eye(2)[[0, 1, 0]] * 0.8 + 0.1, class_names=[3, 5]).accuracy == 1.0
    assert predictions_from(LABELS, TOP[:, 0], class_names=dict(enumerate(NAMES))).class_names == NAMES
    numbered = pd.DataFrame(PROBS, columns=["0", "1", "2", "3"])
    np.testing.assert_array_equal(predictions_from(LABELS, numbered, class_names=NAMES, k=4).top_classes, TOP)


def test_one_probability_for_each_row():
    second = np.array([0.2, 0.9, 0.4, 0.1])
    for scores in (second, second[:, None], second.tolist(), pd.Series(second)):
        for true in ([0, 1, 1, 0], [False, True, True, False], ["ham", "spam", "spam", "ham"]):
            names = ("ham", "spam") if isinstance(true[0], str) else None
            found = predictions_from(true, scores, class_names=names)
            assert found.top_classes.tolist() == [[0, 1], [1, 0], [0, 1], [0, 1]]
            np.testing.assert_allclose(found.top_probs[:, 0], [0.8, 0.9, 0.6, 0.9])
    hard = predictions_from([0, 1, 1, 0], [0.0, 1.0, 0.0, 0.0])
    assert hard.top_classes[:, 0].tolist() == [0, 1, 0, 0]


def test_pictures_of_several_classes():
    sets = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0]])
    probs = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.3, 0.6, 0.1]])
    expected = predictions_from_scores(probs, sets, ("a", "b", "c"), k=3)
    for true in (sets, sets.astype(bool), sets.astype(float), pd.DataFrame(sets, columns=["a", "b", "c"])):
        found = predictions_from(true, probs, class_names=("a", "b", "c"), k=3)
        np.testing.assert_array_equal(found.top_classes, expected.top_classes)
        np.testing.assert_array_equal(found.weights, expected.weights)
    found = predictions_from(sets, [0, 2, 1], class_names=("a", "b", "c"))
    assert (found.labels.tolist(), found.weights.tolist()) == ([0, 1, 2, 0], [0.5, 0.5, 1, 1])


REFUSED = {
    "lengths": (([0, 1], [0, 1, 2]), {}, r"shape \(2,\) and the predictions \(3,\)"),
    "nothing": (([], []), {}, "with the same N of at least 1"),
    "ragged": (([0, 1], [[0, 1], [1]]), {}, "rows of equal length|different lengths"),
    "missing": ((pd.Series(["a", None]), ["a", "b"]), {}, "y_true have missing values"),
    "missing numbers": (([0, 1], pd.Series([0.5, np.nan])), {}, "predictions have missing values"),
    "nan": (([0, 1], [[0.5, np.nan], [0.5, 0.5]]), {}, "row 0 of the predictions is not a finite number"),
    "logits": ((LABELS, np.log(PROBS) + 3), {}, r"are no probabilities: if they are logits, say so \(kind='logits'\)"),
    "percents": ((LABELS, PROBS * 100), {}, "are percents"),
    "probabilities as logits": ((LABELS, PROBS), {"kind": "logits"}, "are probabilities already"),
    "two classes": (([0, 1], [[0, 1], [1, 0]]), {}, r"in their order \(kind='topk'\) or a column for each class"),
    "several at once": (([0, 1], [[1, 1, 0], [0, 1, 0]]), {}, "with none or several 1 in a row"),
    "votes": (([0, 1], [[5, 3, 3], [1, 6, 4]]), {}, "occur twice in a row: they are not the top k classes"),
    "which column": ((NAMED, PROBS), {}, "which column of the scores is of which class is not said"),
    "other names": (
        (LABELS, FRAME.rename(columns={"ship": "boat"})), {"class_names": NAMES}, "'boat' are no class names"
    ),
    "fewer names": ((LABELS, PROBS), {"class_names": NAMES[:3]}, "4 columns, but there are 3 class names"),
    "counting from 1": ((LABELS[LABELS < 3] + 1, PROBS[LABELS < 3]), {"class_names": NAMES}, "--first-index"),
    "one of two": ((["a", "b"], [0.5, 0.25]), {}, "the classes are not said: give two class_names"),
    "neither": (([0, 1], [0.5, 2.5]), {}, "neither whole .* nor from 0 to 1"),
    "ascending": ((LABELS.repeat(3), TOP[:, ::-1].repeat(3, axis=0)), {}, "rising order.*--order rising"),
    "an unknown kind": ((LABELS, TOP), {"kind": "top"}, "unknown value 'top' in kind"),
    "a name alone": ((LABELS, PROBS), {"class_names": "cat"}, "class_names is the text 'cat'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_single_meaning_is_refused(name):
    given, options, sentence = REFUSED[name]
    with pytest.raises(ConfembError, match=sentence):
        predictions_from(*given, **options)


def test_what_is_said_is_believed():
    two = np.array([[0, 1], [1, 0], [1, 0]])
    assert predictions_from([0, 1, 1], two, kind="topk").top_classes.tolist() == two.tolist()
    assert predictions_from([1, 0, 0], two, kind="probs").top_classes[:, 0].tolist() == [1, 0, 0]
    found = predictions_from(LABELS, np.log(PROBS) + 3, kind="logits", k=4)
    np.testing.assert_allclose(found.top_probs, BEST.top_probs, rtol=1e-5)
    rising = predictions_from(LABELS, TOP[:, ::-1], options=ReadOptions(order="rising"))
    np.testing.assert_array_equal(rising.top_classes, TOP)


# Scores that must not be taken for something else.
@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        (np.eye(4)[LABELS] * 0.9 + 0.02, None),
        (1 / (1 + np.exp(-np.log(PROBS))), None),
        (np.full((40, 4), 0.25), None),
        (PROBS * 1e-3, None),
        (np.round(PROBS, 2), None),
        (np.log(PROBS), "logits"),
        (np.zeros((40, 4)), "logits"),
        (PROBS / 3, "logits"),
        (np.log(PROBS) / 100, "logits"),
        (np.arange(160).reshape(40, 4), "logits"),
    ],
)
def test_scores_that_must_not_be_refused(scores, kind):
    found = predictions_from(LABELS, scores, kind=kind, k=4)
    np.testing.assert_array_equal(found.top_classes, np.argsort(-scores, axis=1, kind="stable"))


def test_a_bad_classifier_is_not_taken_for_one_that_ranks_the_other_way():
    for accuracy in (0.0, 0.1, 0.25):
        wrong = np.where(GENERATOR.random(40) < accuracy, LABELS, (LABELS + 1) % 4)
        top = np.stack([wrong, (wrong + 1) % 4, (wrong + 2) % 4], axis=1)
        assert len(predictions_from(LABELS, top)) == 40


def test_text_from_numpy_is_quoted_as_text():
    with pytest.raises(ConfembError, match="known: 'cat', 'dog'"):
        predictions_from(np.array(["cat", "cow"]), np.array(["cat", "cat"]), class_names=np.array(["cat", "dog"]))
    with pytest.raises(ConfembError, match="the class name 'cat' stands twice"):
        predictions_from([0, 1], [0, 1], class_names=np.array(["cat", "cat"]))
