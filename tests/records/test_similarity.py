import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from confemb.records.embedding import cosines
from confemb.records.similarity import SimilarityMatrix, agreement
from confemb.references.paper import paper_similarities
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "ship", "NA")
VALUES = np.array([[1, 0.9, 0.1, 0.2], [0.9, 1, 0.2, np.nan], [0.1, 0.2, 1, -0.5], [0.2, np.nan, -0.5, 1]])


@pytest.fixture
def matrix() -> SimilarityMatrix:
    return SimilarityMatrix(VALUES, NAMES)


def test_ranks(matrix):
    assert matrix.between("cat", "ship") == 0.1
    assert matrix.ranked("cat") == [("dog", 0.9), ("NA", 0.2), ("ship", 0.1)]
    assert matrix.ranked("dog") == [("cat", 0.9), ("ship", 0.2)], "an unknown similarity has no rank"
    assert matrix.complete_classes() == ["cat", "ship"]


def test_equal_similarities_go_by_class_order():
    matrix = SimilarityMatrix(np.full((4, 4), 0.5), tuple("dcba"))
    assert [name for name, _ in matrix.ranked("c")] == ["d", "b", "a"]


def test_restricted_to_some_classes(matrix):
    part = SimilarityMatrix(VALUES, NAMES, VALUES - 1, VALUES + 1).restricted_to(("ship", "cat"))
    np.testing.assert_array_equal(part.values, [[1, 0.1], [0.1, 1]])
    np.testing.assert_array_equal(part.low, part.values - 1)
    np.testing.assert_array_equal(part.high, part.values + 1)
    with pytest.raises(ConfembError, match="unknown class 'shop'.*did you mean 'ship'"):
        matrix.restricted_to(("shop",))


def test_laid_out_for_classes_of_which_some_are_not_known(matrix):
    a, b, *_ = matrix.class_names
    values = matrix.laid_out(["unheard of", b, a])
    assert np.isnan(values[0]).all()
    assert np.isnan(values[:, 0]).all()
    assert values[1, 2] == values[2, 1] == matrix.between(a, b)


def test_long_form(matrix):
    frame = SimilarityMatrix(VALUES, NAMES, VALUES - 1, VALUES + 1).to_frame()
    assert list(frame.columns) == ["class_1", "class_2", "cosine", "low", "high"]
    assert list(zip(frame.class_1, frame.class_2, frame.cosine, strict=True)) == [
        ("cat", "dog", 0.9),
        ("cat", "ship", 0.1),
        ("cat", "NA", 0.2),
        ("dog", "ship", 0.2),
        ("ship", "NA", -0.5),
    ]
    np.testing.assert_allclose(frame.high - frame.low, 2)
    assert list(matrix.to_frame().columns) == ["class_1", "class_2", "cosine"]


def test_save_and_load(tmp_path, matrix):
    matrix.save_matrix(tmp_path / "matrix.csv")
    text = (tmp_path / "matrix.csv").read_text()
    assert text.splitlines()[:2] == [",cat,dog,ship,NA", "cat,1.000000,0.900000,0.100000,0.200000"]
    loaded = SimilarityMatrix.load_matrix(tmp_path / "matrix.csv")
    assert loaded.class_names == NAMES
    np.testing.assert_array_equal(loaded.values, VALUES)


def test_names_survive_the_file(tmp_path):
    names = ("01", "1.0", "null", 'say "cat", dog', "=1+1", "'-x", "été")
    SimilarityMatrix(np.eye(7), names).save_matrix(tmp_path / "matrix.csv")
    assert SimilarityMatrix.load_matrix(tmp_path / "matrix.csv").class_names == names


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (",cat,dog\ncat,1,2\nship,2,1\n", "must name the same classes"),
        (",cat,dog\ncat,1,x\ndog,x,1\n", "no square similarity matrix"),
        (",cat,dog\ncat,1,2\n", "must name the same classes"),
        (",cat,dog\ncat,1,2\ndog,3,1\n", "must be symmetric"),
        ("", "is empty"),
    ],
)
def test_broken_matrix_files(tmp_path, text, sentence):
    (tmp_path / "matrix.csv").write_text(text)
    with pytest.raises(ConfembError, match=sentence):
        SimilarityMatrix.load_matrix(tmp_path / "matrix.csv")


def test_shapes_are_checked():
    with pytest.raises(ConfembError, match=r"shape \(2, 2\), but there are 3 classes"):
        SimilarityMatrix(np.eye(2), ("a", "b", "c"))


def test_agreement_is_scipys():
    ours, theirs = (
        SimilarityMatrix(cosines(np.random.default_rng(seed).normal(size=(6, 3))), tuple("abcdef")) for seed in (1, 2)
    )
    upper = np.triu_indices(6, k=1)
    result = agreement(ours, theirs)
    assert result.pairs == 15
    assert result.spearman == pytest.approx(stats.spearmanr(ours.values[upper], theirs.values[upper]).statistic)
    assert result.pearson == pytest.approx(np.corrcoef(ours.values[upper], theirs.values[upper])[0, 1])
    wrong = [(c, ours.ranked(c)[0][0], theirs.ranked(c)[0][0]) for c in "abcdef"]
    assert result.nearest_wrong == tuple(row for row in wrong if row[1] != row[2])
    assert result.nearest_right == 6 - len(result.nearest_wrong)


@given(st.permutations(range(10)))
def test_agreement_does_not_depend_on_class_order(order):
    paper = paper_similarities()
    turned = paper.restricted_to(tuple(paper.class_names[i] for i in order))
    result = agreement(turned, paper)
    assert (result.pairs, result.nearest_right, result.nearest_columns) == (44, 8, 8)
    assert result.spearman == pytest.approx(1)
    assert result.pearson == pytest.approx(1)


def test_agreement_over_the_pairs_both_know(matrix):
    full = SimilarityMatrix(np.where(np.isnan(VALUES), 0.7, VALUES), NAMES)
    for a, b in ((matrix, full), (full, matrix)):
        result = agreement(a, b)
        assert (result.pairs, result.nearest_columns, result.nearest_right) == (5, 2, 2)


def test_too_few_classes_in_common(matrix):
    with pytest.raises(ConfembError, match="have 1 classes in common"):
        agreement(matrix, SimilarityMatrix(np.eye(2), ("cat", "tree")))
    two = agreement(matrix, SimilarityMatrix(np.eye(2), ("cat", "dog")))
    assert np.isnan(two.spearman)
    assert two.nearest_right == 2
