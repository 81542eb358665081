"""Labels and classes are matched by name, and every doubt is refused."""

import json

import numpy as np
import pytest

from confemb.classifiers.class_matching import load_map, match_classes
from confemb.references.wordnet_database import find_wordnet
from confemb.support.errors import ConfembError


def test_same_names_in_another_order():
    match = match_classes(["b", "a"], ["a", "b", "c"])
    assert match.places.tolist() == [1, 0]
    assert match.how == ("name", "name")
    assert match.as_record() == [["b", "b", "name"], ["a", "a", "name"]]
    assert match.summary() == "2 labels, 3 classes: 2 by name"


def test_spelling_parts_and_wordnet_ids():
    match = match_classes(
        ["Great_White-Shark", "tench", "n01443537", "n01494475_hammerhead", "Café"],
        ["cafe", "hammerhead", "goldfish, Carassius auratus", "Tinca tinca, tench", "great white shark"],
    )
    assert match.places.tolist() == [4, 3, 2, 1, 0]
    assert match.how == ("spelling", "part", "wnid", "wnid", "spelling")
    assert "tench -> Tinca tinca, tench" in match.summary()


def test_a_class_named_by_its_id():
    assert match_classes(["goldfish", "tench"], ["n01440764", "n01443537"]).places.tolist() == [1, 0]


def test_synonyms_by_the_first_sense():
    try:
        find_wordnet()
        pytest.importorskip("nltk")
    except ConfembError:
        pytest.skip("WordNet is not installed")
    match = match_classes(["automobile", "deer"], ["car", "cervid", "horse"])
    assert match.places.tolist() == [0, 1]
    assert match.how == ("synonym", "synonym")


@pytest.mark.parametrize(
    ("labels", "names", "said"),
    [
        (["crane"], ["crane, bird", "crane, machine"], "could be any of the classes"),
        (["a", "A"], ["a", "b"], "both match the class 'a'"),
        (["0", "1"], ["cat", "dog"], "labels are numbers"),
        (["cat", "dog"], ["LABEL_0", "LABEL_1"], "no names, only numbers"),
        (["cat", "emu"], ["cat", "dog"], "1 of the data's 2 labels are not among"),
        (["emu"], ["cat", "dog"], "none of the data's labels"),
    ],
)
def test_doubts_are_refused(labels, names, said):
    with pytest.raises(ConfembError, match=said):
        match_classes(labels, names)


def test_numbers_match_the_same_numbers():
    assert match_classes(["3", "1"], ["0", "1", "2", "3"]).places.tolist() == [3, 1]


def test_left_out_on_demand():
    match = match_classes(["cat", "emu"], ["cat", "dog"], unmatched="leave-out")
    assert match.places.tolist() == [0, -1]
    assert match.left_out == ("emu",)
    assert match.summary().endswith("left out: 'emu'")
    with pytest.raises(ConfembError, match="none of the data's labels"):
        match_classes(["emu"], ["cat"], unmatched="leave-out")


def test_the_map_says_more(tmp_path):
    (tmp_path / "map.csv").write_text("label,class\nlorry,truck\nvan,truck\nother,\n")
    mapping = load_map(tmp_path / "map.csv")
    assert mapping == {"lorry": "truck", "van": "truck", "other": None}
    match = match_classes(["lorry", "van", "other", "car"], ["car", "truck"], mapping=mapping)
    assert match.places.tolist() == [1, 1, -1, 0]
    assert match.how == ("map", "map", "", "name")
    (tmp_path / "map.json").write_text(json.dumps(mapping))
    assert load_map(tmp_path / "map.json") == mapping
    for wrong, said in (({"bus": "car"}, "unknown label 'bus'"), ({"van": "bus"}, "unknown class 'bus'")):
        with pytest.raises(ConfembError, match=said):
            match_classes(["van"], ["car"], mapping=wrong)
    (tmp_path / "twice.csv").write_text("label,class\na,b\na,c\n")
    with pytest.raises(ConfembError, match="line 3 has the label 'a' again"):
        load_map(tmp_path / "twice.csv")
    (tmp_path / "headless.csv").write_text("a,b\n")
    with pytest.raises(ConfembError, match="header label,class"):
        load_map(tmp_path / "headless.csv")


def test_order_never_counts():
    rng = np.random.default_rng(0)
    names = [f"class {i}" for i in range(50)]
    for _ in range(10):
        shuffled = list(rng.permutation(names))
        match = match_classes(names, shuffled)
        assert [shuffled[place] for place in match.places] == names
