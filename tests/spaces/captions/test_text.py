import json

import pytest

from confemb.spaces.captions.text import Vocabulary, tokenise
from confemb.support.errors import ConfembError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man in the snow on some skis .", "a man in the snow on some skis"),
        ("The dog's ball isn't there; don't!", "the dog 's ball is n't there do n't"),
        ("dog 's toy", "dog 's toy"),
        ("They’re “here”, he'll say (3) 'yes'", "they 're here he 'll say 3 yes"),
        ("a T-shirt, black-and-white; AT&T s.c.u.b.a.", "a t-shirt black-and-white at&t s.c.u.b.a"),
        ("O'Neill -pendant _x_ ``quoted''", "o'neill pendant x quoted"),
        ("Ein Hund läuft über die Straße", "ein hund läuft über die straße"),
        ("ﬁve dogs", "five dogs"),
        ("...!? -- ", ""),
        ("", ""),
    ],
)
def test_tokens(text, words):
    assert tokenise(text) == words.split()


def test_tokens_of_tokens_are_the_same():
    text = "The dog's T-shirt isn't at AT&T, it's s.c.u.b.a."
    assert tokenise(" ".join(tokenise(text))) == tokenise(text)


def test_the_vocabulary_is_by_frequency_then_by_first_place():
    vocabulary = Vocabulary.of(["b a c", "A d.", "c a"])
    assert vocabulary.words == ("<eos>", "a", "c", "b", "d")
    assert Vocabulary.of(["b a c", "A d.", "c a"], min_count=2).words == ("<eos>", "a", "c")


def test_ids_are_filled_and_cut_at_the_beginning():
    vocabulary = Vocabulary(("<eos>", "a", "dog", "runs"))
    ids = vocabulary.encode(["A dog runs.", "a dog a dog runs", "a cat runs", ""], length=4)
    assert ids.tolist() == [[0, 1, 2, 3], [2, 1, 2, 3], [0, 1, 0, 3], [0, 0, 0, 0]]
    assert ids.dtype == "int32"
    assert vocabulary.unknown("A cat, a bird, a cat; dog") == ["cat", "bird"]


def test_a_vocabulary_is_saved_as_json_of_words_and_ids(tmp_path):
    vocabulary = Vocabulary.of(["a dog, ein Hündchen", "a"])
    vocabulary.save(tmp_path / "vocabulary.json")
    assert json.loads((tmp_path / "vocabulary.json").read_text(encoding="utf-8"))["hündchen"] == 4
    assert Vocabulary.load(tmp_path / "vocabulary.json") == vocabulary


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is no vocabulary"),
        ("{", "is no valid JSON"),
        ('{"<eos>": 0, "a": "x"}', "is no vocabulary"),
        ('{"<eos>": 0, "a": 2}', "must be 0 to 1"),
        ('{"<eos>": 0, "a": 1, "b": 1}', "must be 0 to 2"),
        ('{"a": 0}', "word 0 must be '<eos>'"),
    ],
)
def test_broken_vocabularies(tmp_path, content, message):
    (tmp_path / "v.json").write_text(content)
    with pytest.raises(ConfembError, match=message):
        Vocabulary.load(tmp_path / "v.json")


def test_words_stand_once():
    with pytest.raises(ConfembError, match="all be different"):
        Vocabulary(("<eos>", "a", "a"))
