import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from confemb.classifiers.adapters.sklearn import SklearnClassifier, out_of_fold
from confemb.classifiers.classification import classify
from confemb.support.errors import ConfembError

NAMES = ("zero", "one", "two")
LABELS = np.arange(60) % 3
INPUTS = np.random.default_rng(0).normal(size=(60, 4)) + np.eye(3, 4)[LABELS] * 2


def test_probabilities_of_string_classes():
    estimator = GaussianNB().fit(INPUTS, np.array(NAMES)[LABELS])
    classifier = SklearnClassifier(estimator)
    assert classifier.class_names == ("one", "two", "zero"), "scikit-learn's own order"
    assert not classifier.logits
    found = classify(classifier, INPUTS, LABELS, NAMES, k=3, batch_size=25)
    assert found.classifier == "GaussianNB"
    assert [found.class_names[i] for i in found.top_classes[:, 0]] == estimator.predict(INPUTS).tolist()
    assert [found.class_names[i] for i in found.labels] == [NAMES[i] for i in LABELS]
    np.testing.assert_allclose(found.top_probs, -np.sort(-estimator.predict_proba(INPUTS), axis=1), rtol=1e-6)


def test_numbered_classes_take_their_names():
    estimator = GaussianNB().fit(INPUTS[LABELS > 0], LABELS[LABELS > 0])
    assert SklearnClassifier(estimator, class_names=NAMES).class_names == ("one", "two")
    with pytest.raises(ConfembError, match=r"are numbers \('1', '2'\): give class_names"):
        SklearnClassifier(estimator)
    with pytest.raises(ConfembError, match="row 1 has the class 2, but there are only 2 classes"):
        SklearnClassifier(estimator, class_names=NAMES[:2])


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("estimator", [LinearSVC(random_state=0), SVC()])
def test_decisions_are_logits(estimator, count):
    labels = np.arange(60) % count
    names = np.array(["a", "b", "c", "d"][:count])
    estimator.fit(INPUTS, names[labels])
    classifier = SklearnClassifier(estimator, name="margins")
    assert classifier.logits
    found = classify(classifier, INPUTS, labels, names, k=count)
    assert names[found.top_classes[:, 0]].tolist() == estimator.predict(INPUTS).tolist()
    assert found.top_probs.sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_a_binary_decision_is_the_log_odds():
    estimator = LogisticRegression().fit(INPUTS, LABELS == 1)

    class Decides:
        classes_ = np.array([False, True])
        decision_function = staticmethod(estimator.decision_function)

    scored = SklearnClassifier(Decides(), class_names=["other", "one"])
    found = classify(scored, INPUTS, (LABELS == 1).astype(int), ["other", "one"], k=2)
    expected = classify(
        SklearnClassifier(estimator, class_names=["other", "one"]), INPUTS, LABELS % 2, ["other", "one"], k=2
    )
    np.testing.assert_array_equal(found.top_classes, expected.top_classes)
    np.testing.assert_allclose(found.top_probs, expected.top_probs, rtol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "sentence"),
    [
        (GaussianNB(), "the estimator GaussianNB has no classes: fit it first"),
        (StandardScaler().fit(INPUTS), "the estimator StandardScaler has no classes"),
        (GaussianNB().fit(INPUTS, LABELS + 0.0), r"are numbers \('0', '1', '2'\): give class_names"),
        (
            make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")).fit(INPUTS, np.array(NAMES)[LABELS]),
            "the estimator Pipeline scores pairs of classes .*: take 'ovr'",
        ),
    ],
)
def test_estimators_that_do_not_fit(estimator, sentence):
    with pytest.raises(ConfembError, match=sentence):
        SklearnClassifier(estimator)


def test_estimators_without_scores_and_names_given_twice():
    class Labels:
        classes_ = np.array(["a", "b"])

    with pytest.raises(ConfembError, match="the estimator Labels has neither predict_proba nor decision_function"):
        SklearnClassifier(Labels())
    with pytest.raises(ConfembError, match="have names already: leave class_names out"):
        SklearnClassifier(Labels(), class_names=["a", "b"])


def test_out_of_fold_is_scikit_learns_own():
    found = out_of_fold(GaussianNB(), INPUTS, LABELS, NAMES, folds=4, seed=3, k=3, dataset="blobs", name="bayes")
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    expected = cross_val_predict(GaussianNB(), INPUTS, LABELS, cv=folds, method="predict_proba")
    np.testing.assert_array_equal(found.top_classes, np.argsort(-expected, axis=1, kind="stable"))
    np.testing.assert_allclose(found.top_probs, -np.sort(-expected, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert (found.dataset, found.classifier, found.class_names) == ("blobs", "bayes", NAMES)


def test_no_input_is_predicted_by_what_it_was_fitted_on():
    # A nearest neighbour that has seen an input is always right; labels at random cannot be guessed.
    labels = np.random.default_rng(1).permutation(np.arange(300) % 3)
    inputs = np.random.default_rng(2).normal(size=(300, 5))
    found = out_of_fold(KNeighborsClassifier(1), inputs, labels, NAMES, k=1)
    assert found.accuracy == pytest.approx(1 / 3, abs=0.1)


def test_texts_sparse_rows_and_frames():
    words = (("cat", "dog", "hen"), ("car", "bus", "van"), ("oak", "elm", "fir"))
    generator = np.random.default_rng(4)
    texts = [" ".join(generator.choice(words[label], 4)) for label in LABELS]
    pipeline = make_pipeline(TfidfVectorizer(), LinearSVC())
    seen = []
    found = out_of_fold(
        pipeline, texts, LABELS, NAMES, folds=3, k=2, ids=np.arange(60).astype(str), progress=lambda *n: seen.append(n)
    )
    assert found.accuracy == 1
    assert found.classifier == "Pipeline"
    assert found.ids[59] == "59"
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert not hasattr(pipeline[-1], "classes_"), "the estimator given is not fitted"
    dense = out_of_fold(LogisticRegression(), INPUTS, LABELS, NAMES)
    for inputs in (scipy.sparse.csr_matrix(INPUTS), pd.DataFrame(INPUTS), INPUTS.tolist()):
        other = out_of_fold(LogisticRegression(), inputs, LABELS, NAMES)
        np.testing.assert_array_equal(other.top_classes, dense.top_classes)


def test_the_seed_decides_everything():
    def run(seed):
        forest = make_pipeline(StandardScaler(), RandomForestClassifier(5))
        return out_of_fold(forest, INPUTS, LABELS, NAMES, folds=2, seed=seed).top_probs.tobytes()

    np.random.seed(1)  # noqa: NPY002
    one = run(0)
    np.random.seed(2)  # noqa: NPY002
    assert run(0) == one
    assert run(1) != one
    fixed = [
        out_of_fold(
            DummyClassifier(strategy="uniform", random_state=state), INPUTS, LABELS, NAMES
        ).top_classes.tobytes()
        for state in (5, 5)
    ]
    assert fixed[0] == fixed[1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"folds": 1}, "folds is 1; it must be at least 2"),
        ({"folds": 21}, r"3 of 3 classes have fewer members than the 21 folds: 'zero \(20\)', 'one \(20\)'"),
        ({"class_names": (*NAMES, "three")}, r"1 of 4 classes have fewer members than the 5 folds: 'three \(0\)'"),
        ({"labels": LABELS[:50]}, r"there are 60 inputs but labels of shape \(50,\)"),
        ({"labels": LABELS + 1}, "has the label 3, but there are only 3 classes"),
        ({"k": 4}, "k = 4 is out of range"),
    ],
)
def test_out_of_fold_errors(changes, sentence):
    with pytest.raises(ConfembError, match=sentence):
        out_of_fold(**{"estimator": GaussianNB(), "inputs": INPUTS, "labels": LABELS, "class_names": NAMES, **changes})


def test_estimators_of_several_outputs_are_refused():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.multioutput import MultiOutputClassifier

    one_hot = np.eye(3, dtype=int)[LABELS]
    for estimator in (RandomForestClassifier(5, random_state=0), MultiOutputClassifier(GaussianNB())):
        with pytest.raises(ConfembError, match="has several outputs"):
            SklearnClassifier(estimator.fit(INPUTS, one_hot), class_names=NAMES)
