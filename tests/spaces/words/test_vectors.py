"""Word vectors: cosines, neighbours, analogies, and every file format there and back through gensim."""

import gzip
import zipfile

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

from confemb.records.word_vectors import WordVectors
from confemb.support.errors import ConfembError

KING = WordVectors(
    ("king", "man", "woman", "queen", "apple"),
    np.array([[1, 1, 0], [0.1, 1, 0], [0.1, 0, 1], [1, 0, 1], [-1, -1, -1]], np.float32),
)


def test_similarity_is_the_cosine():
    found = KING.similarity("king", "queen")
    assert found == pytest.approx(0.5)
    assert KING.similarity("man", "man") == pytest.approx(1)
    assert KING.similarity("king", "apple") == pytest.approx(-2 / np.sqrt(6))


def test_nearest_leaves_the_word_out_and_is_in_order():
    found = KING.nearest("king", top=2)
    assert [word for word, _ in found] == ["man", "queen"]
    assert found[1][1] == pytest.approx(0.5)
    assert [word for word, _ in KING.nearest("king", top=99)] == ["man", "queen", "woman", "apple"]


def test_king_less_man_more_woman_is_queen():
    assert KING.analogy(["king", "woman"], ["man"], top=1)[0][0] == "queen"
    assert not {"king", "man", "woman"} & {word for word, _ in KING.analogy(["king", "woman"], ["man"])}


def test_analogy_and_neighbours_are_gensims():
    keyed = KING.keyed_vectors()
    theirs = keyed.most_similar(positive=["king", "woman"], negative=["man"], topn=2)
    ours = KING.analogy(["king", "woman"], ["man"], top=2)
    assert [word for word, _ in ours] == [word for word, _ in theirs]
    assert KING.nearest("queen", top=4) == [
        (w, pytest.approx(c, abs=1e-6)) for w, c in keyed.most_similar("queen", topn=4)
    ]


def test_ties_go_by_row():
    same = WordVectors(tuple("abcdef"), np.ones((6, 2), np.float32))
    assert [word for word, _ in same.nearest_to(np.ones(2), top=3)] == ["a", "b", "c"]


@given(st.integers(0, 2**32 - 1), st.integers(1, 35))
def test_nearest_is_what_sorting_all_gives(seed, top):
    # Small whole numbers: many ties.
    vectors = np.random.default_rng(seed).integers(1, 4, (30, 2))
    words = WordVectors(tuple(f"w{i}" for i in range(30)), vectors)
    cosines = words.units @ words.units[7]
    found = words.nearest("w7", top=top)
    wanted = np.sort(np.delete(cosines, 7))[::-1][:top]
    np.testing.assert_allclose([cosine for _, cosine in found], wanted, atol=1e-6)
    assert all(cosine == pytest.approx(words.similarity("w7", word), abs=1e-6) for word, cosine in found)
    assert len({word for word, _ in found} - {"w7"}) == min(top, 29)


@pytest.mark.parametrize("name", ["v.bin", "v.txt"])
def test_gensim_opens_the_file_and_the_numbers_are_the_same(tmp_path, name):
    words = ("fire engine", "café", "x")
    vectors = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
    WordVectors(words, vectors).save(tmp_path / name)
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=name.endswith(".bin"))
    assert keyed.index_to_key == ["fire_engine", "café", "x"]
    np.testing.assert_array_equal(keyed.vectors, vectors)
    again = WordVectors.load(tmp_path / name)
    assert again.words == ("fire_engine", "café", "x")
    np.testing.assert_array_equal(again.vectors, vectors)
    assert WordVectors.load(tmp_path / name, limit=2).words == ("fire_engine", "café")


@pytest.mark.parametrize("binary", [True, False])
def test_what_gensim_wrote_is_read(tmp_path, binary):
    path = tmp_path / ("v.bin" if binary else "v.txt")
    KING.keyed_vectors().save_word2vec_format(str(path), binary=binary)
    again = WordVectors.load(path)
    assert again.words == KING.words
    np.testing.assert_allclose(again.vectors, KING.vectors, rtol=1e-6)


def test_glove_text_plain_and_packed(tmp_path):
    text = "the 0.5 -1 2e-1\n, 1 2 3\n"
    (tmp_path / "g.txt").write_text(text)
    (tmp_path / "g.txt.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "g.zip", "w") as archive:
        archive.writestr("g.txt", text)
    for name in ("g.txt", "g.txt.gz", "g.zip"):
        found = WordVectors.load(tmp_path / name)
        assert found.words == ("the", ",")
        np.testing.assert_allclose(found.vectors, [[0.5, -1, 0.2], [1, 2, 3]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"a 1 2\nb 1\n", r"a\.txt, line 2: expected a word and 2 numbers"),
        ("a.txt", b"a 1 2\nb 1 x\n", r"line 2: expected a word and 2 numbers"),
        ("a.txt", b"a 1 2\nb 1 2", None),
        ("a.txt", b"3 2\na 1 2\nb 1 2\n", r"promises 3 words but holds 2"),
        ("a.txt", b"", r"is empty"),
        ("a.txt", b"a 1 2\na 3 4\n", r"the word 'a' has two vectors"),
        ("a.txt", b"a 1 2\nb 0 0\n", r"the word 'b' has no usable vector"),
        ("a.txt", b"a 1 2\nb nan 0\n", r"the word 'b' has no usable vector"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00\xff", r"a\.txt"),
        ("a.txt.gz", gzip.compress(b"a 1 2\nb 1 2\n" * 99, mtime=0)[:-12], r"truncated or broken"),
        ("a.txt.gz", b"a 1 2\n", r"truncated or broken"),
        ("a.zip", b"a 1 2\n", r"truncated or broken"),
        ("a.bin", b"2 2\na \x00\x00\x80?\x00\x00\x80?\nb \x00\x00", r"promises 2 words but holds 1"),
        ("a.bin", b"a 1 2\n", r"no word2vec binary"),
        ("a.bin", b"9 2\n" + b"x" * 5000, r"word 1 does not end"),
    ],
)
def test_files_that_are_wrong_are_refused_in_one_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    if said is None:
        assert len(WordVectors.load(tmp_path / name)) == 2
        return
    with pytest.raises(ConfembError, match=said) as error:
        WordVectors.load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_missing_files_and_archives_of_several_are_refused(tmp_path):
    with pytest.raises(ConfembError, match="does not exist"):
        WordVectors.load(tmp_path / "none.txt")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a", "a 1")
        archive.writestr("b", "b 1")
    with pytest.raises(ConfembError, match=r"holds 'a', 'b': name one of its files, as .*two\.zip/a\."):
        WordVectors.load(tmp_path / "two.zip")


def test_questions_without_an_answer_are_refused():
    with pytest.raises(ConfembError, match="unknown word 'quen': did you mean 'queen'"):
        KING.nearest("quen")
    with pytest.raises(ConfembError, match="cancel out"):
        KING.analogy(["king"], ["king"])
    with pytest.raises(ConfembError, match="needs a word to add"):
        KING.analogy([], ["king"])
    with pytest.raises(ConfembError, match="the same layer of the same classifier"):
        KING.nearest_to(np.ones(4))
    with pytest.raises(ConfembError, match="no direction"):
        KING.nearest_to(np.zeros(3))
    with pytest.raises(ConfembError, match="shape"):
        WordVectors(("a",), np.ones((2, 3)))


def test_words_that_blanks_made_different_are_kept_apart(tmp_path):
    two = WordVectors(("a b", "a_b"), np.eye(2))
    two.save(tmp_path / "v.bin")
    assert WordVectors.load(tmp_path / "v.bin").words == ("a\u2423b", "a_b")


def test_one_of_a_zips_files_is_named_as_in_a_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as archive:
        archive.writestr("glove/glove.2d.txt", "a 1 2\nb 3 4\n")
        archive.writestr("glove/glove.bin", b"1 3\nc " + np.array([1, 2, 3], "<f4").tobytes())
    assert WordVectors.load(tmp_path / "glove.6B.zip/glove.2d.txt").words == ("a", "b")
    assert WordVectors.load(tmp_path / "glove.6B.zip/glove.bin").vectors.tolist() == [[1, 2, 3]]
    with pytest.raises(ConfembError, match=r"unknown file 'glove.3d.txt' .*did you mean 'glove.2d.txt'"):
        WordVectors.load(tmp_path / "glove.6B.zip/glove.3d.txt")


def test_all_files_of_the_same_vectors_agree(tmp_path):
    words = tuple(f"w{i}" for i in range(50))
    vectors = np.random.default_rng(1).normal(size=(50, 9)).astype(np.float32)
    keyed = WordVectors(words, vectors).keyed_vectors()
    keyed.save_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    keyed.save_word2vec_format(str(tmp_path / "v.txt"), binary=False)
    # GloVe's own text has no first line of counts.
    text = (tmp_path / "v.txt").read_bytes().partition(b"\n")[2]
    (tmp_path / "glove.txt").write_bytes(text)
    for name in ("v.bin", "v.txt", "glove.txt"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr(name, data)
        for packed in ("", ".gz", ".zip"):
            found = WordVectors.load(tmp_path / f"{name}{packed}")
            assert found.words == words
            np.testing.assert_array_equal(found.vectors, vectors, err_msg=name + packed)


def test_words_may_hold_blanks_as_in_glove_840b(tmp_path):
    (tmp_path / "g.txt").write_text("the 1 2\n. . . 3 4\nat 5 6 7\n")
    found = WordVectors.load(tmp_path / "g.txt")
    assert found.words == ("the", ". . .", "at 5")
    assert found.vectors.tolist() == [[1, 2], [3, 4], [6, 7]]


def test_an_unknown_word_among_many_gets_near_ones():
    words = [f"filler{i:04}" for i in range(1200)] + ["woman", "women", "wombat", "omen"]
    many = WordVectors(tuple(words), np.ones((len(words), 1)))
    with pytest.raises(ConfembError, match=r"unknown word 'womn': did you mean 'wom[ae]n' or 'wom[ae]n' or 'wombat'\?"):
        many.nearest("womn")
    with pytest.raises(ConfembError, match="unknown word 'zzz': it is none of the 1,204 words with a vector"):
        many.nearest("zzz")


def test_blanks_are_underscores():
    vectors = WordVectors(("sports_car", "wagon", "dog"), np.array([[1, 0.1], [0.9, 0.2], [0, 1]], np.float32))
    assert "sports car" in vectors
    assert vectors.similarity("sports car", "wagon") == vectors.similarity("sports_car", "wagon")
    assert [word for word, _ in vectors.nearest("sports car")] == ["wagon", "dog"]
    assert vectors.analogy(["sports car"])[0][0] == "wagon"
    with pytest.raises(ConfembError, match="unknown word 'sport car': did you mean 'sports_car'"):
        vectors.index("sport car")


CUT = "\u043f\u0440\u0438\u0432\u0435\u0442".encode()[:-1]


@pytest.mark.parametrize("binary", [True, False])
def test_words_cut_within_a_letter_are_left_out_and_said(tmp_path, binary, caplog):
    words = [b"cat", CUT, b"dog"]
    path = tmp_path / ("v.bin" if binary else "v.txt")
    numbers = [np.array([i, 1], "<f4").tobytes() if binary else b"%d 1" % i for i in range(3)]
    rows = [word + b" " + number + b"\n" for word, number in zip(words, numbers, strict=True)]
    path.write_bytes(b"3 2\n" + b"".join(rows))
    vectors = WordVectors.load(path)
    assert vectors.words == ("cat", "dog")
    assert vectors.vectors.tolist() == [[0, 1], [2, 1]]
    assert "1 of 3 words are not UTF-8" in caplog.messages[0]
    assert WordVectors.load(path, limit=1).words == ("cat",)


def test_another_encoding_is_refused(tmp_path):
    lines = [f"m\u00fcller{i} 1 {i}\n".encode("latin-1") for i in range(40)]
    (tmp_path / "v.txt").write_bytes(b"".join(lines))
    with pytest.raises(ConfembError, match=r"v\.txt holds many words that are not UTF-8"):
        WordVectors.load(tmp_path / "v.txt")
