import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from confemb.records.embedding import ClassEmbedding, EmbeddingRuns, cosines
from confemb.support.errors import ConfembError

ANY_FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**60), max_value=2.0**60)


@st.composite
def embeddings(draw):
    names = draw(
        st.lists(
            st.text(st.characters(min_codepoint=33, exclude_categories=("C", "Z")), min_size=1, max_size=8),
            min_size=1,
            max_size=5,
            unique=True,
        )
    )
    vectors = draw(hnp.arrays(np.float32, (len(names), draw(st.integers(1, 4))), elements=ANY_FLOAT32))
    # A vector needs a length above zero, also where its square underflows.
    vectors[np.abs(vectors).max(axis=1) < 2.0**-60, 0] = 1
    return ClassEmbedding(vectors, tuple(names))


@given(embeddings())
def test_save_and_load_are_bit_exact(tmp_path_factory, embedding):
    path = tmp_path_factory.mktemp("embedding") / "embedding.txt"
    embedding.save(path)
    loaded = ClassEmbedding.load(path)
    assert loaded.class_names == embedding.class_names
    assert loaded.vectors.tobytes() == embedding.vectors.tobytes()


def test_gensim_reads_what_is_saved(tmp_path):
    from gensim.models import KeyedVectors

    generator = np.random.default_rng(1)
    embedding = ClassEmbedding(generator.normal(size=(3, 4)), ("cat", "golden retriever", "été"))
    embedding.save(tmp_path / "embedding.txt")
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / "embedding.txt"))
    assert keyed.index_to_key == ["cat", "golden_retriever", "été"]
    np.testing.assert_array_equal(keyed.vectors, embedding.vectors)
    ours = embedding.keyed_vectors()
    assert ours.similarity("cat", "été") == pytest.approx(embedding.cosine().between("cat", "été"), abs=1e-6)


@given(embeddings())
def test_cosines_are_symmetric_and_bounded(embedding):
    values = cosines(embedding.vectors)
    assert (values == values.T).all()
    assert (np.abs(values) <= 1).all()
    assert (np.diag(values) == 1).all()


def test_cosines_known_answer():
    values = cosines(np.array([[1.0, 0.0], [2.0, 2.0], [-3.0, 0.0]]))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(values, [[1, half, -1], [half, 1, -half], [-1, -half, 1]], atol=1e-15)


def test_analogy_is_gensims():
    generator = np.random.default_rng(5)
    embedding = ClassEmbedding(generator.normal(size=(8, 5)), tuple("abcdefgh"))
    ours = embedding.analogy(["a", "b"], ["c"], top=4)
    theirs = embedding.keyed_vectors().most_similar(positive=["a", "b"], negative=["c"], topn=4)
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    np.testing.assert_allclose([c for _, c in ours], [c for _, c in theirs], atol=1e-6)
    with pytest.raises(ConfembError, match="no class to start from"):
        embedding.analogy([])


def test_unknown_class_gives_the_nearest_name():
    embedding = ClassEmbedding(np.eye(2), ("automobile", "truck"))
    with pytest.raises(ConfembError, match="unknown class 'autmobile'.*did you mean 'automobile'"):
        embedding.vector("autmobile")


@pytest.mark.parametrize(
    ("vectors", "sentence"),
    [
        ([[1.0, 0.0]], "there are 2 classes"),
        ([[1.0, 0.0], [0.0, 0.0]], "'dog' has no usable vector: its length is 0.0"),
        ([[np.nan, 0.0], [0.0, 1.0]], "'cat' has no usable vector"),
    ],
)
def test_vectors_that_do_not_fit(vectors, sentence):
    with pytest.raises(ConfembError, match=sentence):
        ClassEmbedding(np.array(vectors), ("cat", "dog"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n", "no word2vec text"),
        ("cat 1 2\n", "no word2vec text"),
        ("2 2\ncat 1 2\n", "promises 2 vectors but holds 1"),
        ("1 2\ncat 1\n", "line 2: expected a word and 2 numbers"),
        ("1 2\ncat 1 two\n", "line 2"),
        ("1 1\ncat 1 2\n", "line 2"),
    ],
)
def test_broken_text_is_named(tmp_path, text, sentence):
    path = tmp_path / "embedding.txt"
    path.write_text(text)
    with pytest.raises(ConfembError, match=sentence):
        ClassEmbedding.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfembError, match=r"none\.txt does not exist"):
        ClassEmbedding.load(tmp_path / "none.txt")


def test_names_that_differ_in_their_blanks_only_are_kept_apart(tmp_path):
    from gensim.models import KeyedVectors

    names = ("ice cream", "ice_cream", "big cat", "a b", "a  b", "a\u2423b")
    path = tmp_path / "embedding.txt"
    ClassEmbedding(np.eye(6), names).save(path)
    words = ("ice\u2423cream", "ice_cream", "big_cat", "a\u2423b\u2423", "a\u2423\u2423b", "a\u2423b")
    assert ClassEmbedding.load(path).class_names == words
    read = KeyedVectors.load_word2vec_format(path)
    assert np.array_equal(np.stack([read[word] for word in words]), np.eye(6))


def test_runs(tmp_path):
    generator = np.random.default_rng(2)
    runs = EmbeddingRuns(generator.normal(size=(3, 4, 2)).astype(np.float32), (0, 1, 5), ("a", "b", "c", "d"))
    runs.save(tmp_path / "one.npz")
    runs.save(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    loaded = EmbeddingRuns.load(tmp_path / "one.npz")
    assert (loaded.seeds, loaded.class_names, len(loaded)) == (runs.seeds, runs.class_names, 3)
    assert loaded.vectors.tobytes() == runs.vectors.tobytes()
    np.testing.assert_allclose(runs.cosines()[1], runs[1].cosine().values, atol=1e-7)
    (tmp_path / "one.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ConfembError, match="cannot read the embedding runs"):
        EmbeddingRuns.load(tmp_path / "one.npz")
