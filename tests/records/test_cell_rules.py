"""The one rule for indices and names: the same cells in every format, what is refused, and what must not be."""

import json

import numpy as np
import pandas as pd
import pytest

from confemb.records.cell_rules import encode_classes
from confemb.records.class_cells import load_class_list
from confemb.records.pairs import count_pairs
from confemb.records.prediction_files import load_pairs, load_predictions
from confemb.records.read_options import ReadOptions
from confemb.support.errors import ConfembError

ANIMALS = ("cat", "dog", "ship", "truck")
# As an ImageFolder sorts folders that are called by numbers.
SORTED_AS_TEXT = tuple(sorted(map(str, range(12))))


def encode(*columns, names=None, **options):
    cells = {f"column {i}": np.array(column, object) if isinstance(column[0], str) else np.array(column)
             for i, column in enumerate(columns)}  # fmt: skip
    found, names = encode_classes(cells, names, row_name=lambda row: f"row {row}", options=ReadOptions(**options))
    return [column.tolist() for column in found.values()], names


# Cells of true and predicted classes, names, options, and the names that each cell must stand for.
READ = [
    # Names, letter by letter; by first appearance where none are known.
    (["dog", "cat"], ["ship", "cat"], None, {}, ["dog", "cat"]),
    (["dog", "cat"], ["ship", "cat"], ANIMALS, {}, ["dog", "cat"]),
    # Blanks around, no-break spaces, and accents in another encoding.
    (["cat ", "cat"], ["cat", "\u00a0cat"], None, {}, ["cat", "cat"]),
    (["sports\u00a0car", "cat"], ["cat", "cat"], ("cat", "sports car"), {}, ["sports car", "cat"]),
    (["cafe\u0301", "cat"], ["cat", "caf\u00e9"], ("cat", "caf\u00e9"), {}, ["caf\u00e9", "cat"]),
    # Indices, typed or as texts; whole floats, too.
    ([0, 3], [2, 1], ANIMALS, {}, ["cat", "truck"]),
    ([0.0, 3.0], [2, 1], ANIMALS, {}, ["cat", "truck"]),
    (["0", "3"], ["2", "1"], ANIMALS, {}, ["cat", "truck"]),
    (["0.0", "3.0"], ["2.0", "1.0"], ANIMALS, {}, ["cat", "truck"]),
    ([0, 2], [1, 0], None, {}, ["0", "2"]),
    (["0", "2"], ["1", "0"], None, {}, ["0", "2"]),
    # Without names, numbers that count from 1 name themselves all the same.
    ([1, 3], [2, 1], None, {}, ["1", "3"]),
    (["1", "3"], ["2", "1"], None, {}, ["1", "3"]),
    # Numbers with leading zeros are texts.
    (["07", "7"], ["12", "7"], None, {}, ["07", "7"]),
    (["001", "002"], ["002", "001"], None, {}, ["001", "002"]),
    (["001", "002"], ["002", "001"], ("002", "001"), {}, ["001", "002"]),
    (["07", "0"], ["3", "2"], tuple("abcdefgh"), {"cells": "indices"}, ["h", "a"]),
    # Numbers that are names and, read as indices, the same classes.
    (["3", "0"], ["1", "2"], ("0", "1", "2", "3"), {}, ["3", "0"]),
    # Numbers that are names and cannot all be indices.
    (["10", "20"], ["20", "10"], ("10", "20"), {}, ["10", "20"]),
    ([10, 20], [20, 10], ("10", "20"), {}, ["10", "20"]),
    # Typed numbers are indices; texts that are both need a word.
    ([2, 3], [0, 1], SORTED_AS_TEXT, {}, ["10", "11"]),
    (["2", "3"], ["0", "1"], SORTED_AS_TEXT, {"cells": "indices"}, ["10", "11"]),
    (["2", "3"], ["0", "1"], SORTED_AS_TEXT, {"cells": "names"}, ["2", "3"]),
    ([2, 3], [0, 1], SORTED_AS_TEXT, {"cells": "names"}, ["2", "3"]),
    # Booleans.
    ([True, False], [False, True], None, {}, ["True", "False"]),
    (["True", "False"], ["False", "True"], None, {}, ["True", "False"]),
    ([True, False], [False, True], ("ham", "spam"), {}, ["spam", "ham"]),
    (["true", "false"], ["False", "True"], ("ham", "spam"), {}, ["spam", "ham"]),
    # Names beside indices, where the names are known.
    (["dog", "cat"], [0, 3], ANIMALS, {}, ["dog", "cat"]),
    # Counting from 1, where it is said; and indices that do not begin at 0 for another reason.
    ([1, 4], [2, 3], ANIMALS, {"first_index": 1}, ["cat", "truck"]),
    ([1, 2], [2, 3], ANIMALS, {"first_index": 0}, ["dog", "ship"]),
    ([2, 3], [2, 3], ANIMALS, {}, ["ship", "truck"]),
    ([1, 3], [3, 1], (*ANIMALS, "deer"), {}, ["dog", "truck"]),
    ([417, 1], [3, 999], tuple(f"class {i}" for i in range(1000)), {}, ["class 417", "class 1"]),
    # One class alone tells nothing of counting.
    ([1, 1], [1, 1], ANIMALS, {}, ["dog", "dog"]),
    # Versions, which are no whole numbers, and names that hold digits.
    (["1.0", "2.1"], ["2.1", "1.0"], None, {}, ["1.0", "2.1"]),
    (["n01440764", "n01443537"], ["n01443537", "n01440764"], None, {}, ["n01440764", "n01443537"]),
    (["Cat", "cat"], ["cat", "Cat"], None, {}, ["Cat", "cat"]),
    (["-1", "1"], ["1", "-1"], ("-1", "1"), {}, ["-1", "1"]),
]  # fmt: skip


@pytest.mark.parametrize(("true", "predicted", "names", "options", "expected"), READ)
def test_cells_are_read_as_the_rule_says(true, predicted, names, options, expected):
    (labels, _), found = encode(true, predicted, names=names, **options)
    assert [found[label] for label in labels] == expected
    assert names is None or found == names


REFUSED = [
    (["2", "3"], ["0", "1"], SORTED_AS_TEXT, {}, "names and indices alike: '2' is the class of that name, or .*'10'"),
    ([1, 2], [2, 3], ANIMALS, {}, "from 1 to 3 and none is 0.*Then 1 is 'cat'; .* 0 it is 'dog'.*--first-index"),
    (["1", "2"], ["2", "3"], ANIMALS, {}, "do they count from 1"),
    ([1, 4], [2, 3], ANIMALS, {}, "go from 1 to 4, and the last of 4 class names has the index 3: do they"),
    ([0, 4], [2, 3], ANIMALS, {}, r"row 1 has the class index 4 .* at most 4 classes \(0 to 3\)"),
    (["07", "7"], ["1", "2"], tuple("abcdefgh"), {}, "unknown class '07'.*written 7"),
    (["1", "1.0"], ["1", "2"], None, {}, "in two forms, '1' and '1.0'"),
    ([0.5, 1], [1, 0], ANIMALS, {}, "row 0 has 0.5 in column 'column 0'"),
    ([np.nan, 1], [1, 0], ANIMALS, {}, "row 0 has no value in column 'column 0'"),
    (["cat", "dog"], ["0", "1"], None, {}, "holds numbers where others hold class names"),
    (["cat", "dgo"], ["cat", "cat"], ANIMALS, {}, "unknown class 'dgo'.*did you mean 'dog'"),
    (["yes", "no"], ["no", "yes"], ("a", "b"), {}, "unknown class 'yes'"),
    (["cat", "dog"], ["cat", "cat"], ANIMALS, {"cells": "indices"}, "'cat' in column 'column 0': it is said to"),
    ([1, 2], [2, 1], ANIMALS, {"cells": "ids"}, "the list of classes has none"),
]  # fmt: skip


@pytest.mark.parametrize(("true", "predicted", "names", "options", "sentence"), REFUSED)
def test_what_has_two_readings_or_none_is_refused(true, predicted, names, options, sentence):
    with pytest.raises(ConfembError, match=sentence):
        encode(true, predicted, names=names, **options)


def write(path, labels, tops, *, typed):
    frame = pd.DataFrame({"label": labels, "top1": tops})
    frame = frame if typed else frame.astype(str)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".npz":
        np.savez(path, labels=np.array(frame["label"].tolist()), topk=np.array(frame[["top1"]].values.tolist()))
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".feather":
        frame.to_feather(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


# What every format must say of the same cells: the classes of the rows, or the refusal.
SAME = [
    ([0, 2, 1], [1, 2, 1], ANIMALS, ["cat", "ship", "dog"]),
    (["dog", "cat", "cat"], ["cat", "cat", "dog"], ANIMALS, ["dog", "cat", "cat"]),
    (["07", "7", "12"], ["7", "7", "12"], None, ["07", "7", "12"]),
    ([1, 2, 3], [2, 2, 3], ANIMALS, "do they count from 1"),
    ([1, 2, 3], [2, 2, 3], None, ["1", "2", "3"]),
    (["cat ", "dog", "cat"], ["dog", "dog", "cat"], None, ["cat", "dog", "cat"]),
    ([True, False, True], [True, True, False], ("ham", "spam"), ["spam", "ham", "spam"]),
    ([0.0, 1.0, 2.0], [1.0, 1.0, 0.0], ANIMALS, ["cat", "dog", "ship"]),
]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "feather", "npz"])
@pytest.mark.parametrize(("labels", "tops", "names", "expected"), SAME)
def test_the_rule_is_the_same_for_all_formats(tmp_path, suffix, labels, tops, names, expected):
    for typed in (True, False):
        path = tmp_path / f"p.{suffix}"
        write(path, labels, tops, typed=typed)
        if isinstance(expected, str):
            with pytest.raises(ConfembError, match=expected):
                load_predictions(path, class_names=names)
            continue
        found = load_predictions(path, class_names=names)
        assert [found.class_names[label] for label in found.labels] == expected


def test_numbers_that_are_names_too_are_never_read_in_two_ways(tmp_path):
    """Folders "0".."11" sorted as text: numbers are indices, texts are refused, and the option makes them the same."""
    names = tuple(map(str, SORTED_AS_TEXT))
    labels = np.arange(12).repeat(4)
    tops = np.where(np.arange(48) % 4 == 0, labels ^ 1, labels)
    for suffix in ("parquet", "npz", "jsonl", "feather"):
        write(tmp_path / f"typed.{suffix}", labels, tops, typed=True)
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        write(tmp_path / f"text.{suffix}", labels, tops, typed=False)
    read = [load_predictions(path, class_names=names) for path in sorted(tmp_path.glob("typed.*"))]
    for path in sorted(tmp_path.glob("text.*")):
        with pytest.raises(ConfembError, match="class names and indices alike.*--cells names or --cells indices"):
            load_predictions(path, class_names=names)
        read.append(load_predictions(path, class_names=names, options=ReadOptions(cells="indices")))
    expected = count_pairs(read[0], k=1).matrix().toarray()
    assert [read[0].class_names[label] for label in read[0].labels[::4]] == list(names)
    for one in read:
        assert one.class_names == names
        np.testing.assert_array_equal(count_pairs(one, k=1).matrix().toarray(), expected)


def test_a_file_of_ours_refers_to_its_classes_by_name(tmp_path):
    from confemb.records.prediction_files import save_predictions
    from confemb.records.predictions import Predictions

    predictions = Predictions(np.array([2, 3]), np.array([[2], [0]]), None, SORTED_AS_TEXT)
    save_predictions(predictions, tmp_path / "p.parquet")
    for names in (None, SORTED_AS_TEXT, tuple(reversed(SORTED_AS_TEXT))):
        found = load_predictions(tmp_path / "p.parquet", class_names=names)
        assert [found.class_names[label] for label in found.labels] == ["10", "11"]


def test_ids_of_a_class_list(tmp_path):
    coco = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}, {"id": 90, "name": "toothbrush"}]
    (tmp_path / "coco.json").write_text(json.dumps({"categories": coco}))
    (tmp_path / "coco.csv").write_text("id,name\n1,person\n3,car\n90,toothbrush\n")
    for path in (tmp_path / "coco.json", f"{tmp_path / 'coco.csv'}:name"):
        listed = load_class_list(path)
        assert listed.names == ("person", "car", "toothbrush")
        assert listed.ids == (1, 3, 90)
    ids = {"class_ids": (1, 3, 90)}
    (labels, _), names = encode([90, 1], [3, 3], names=listed.names, **ids)
    assert [names[label] for label in labels] == ["toothbrush", "person"]
    # Rows of the list, as 0 is no id.
    assert encode(["0", "2"], ["1", "1"], names=listed.names, **ids)[0][0] == [0, 2]
    with pytest.raises(
        ConfembError, match="can be ids of the class list or rows of it.*--cells ids or --cells indices"
    ):
        encode([1, 1], [1, 1], names=listed.names, **ids)
    assert encode([1, 1], [1, 1], names=listed.names, cells="ids", **ids)[0][0] == [0, 0]
    assert encode([1, 1], [1, 1], names=listed.names, cells="indices", first_index=0, **ids)[0][0] == [1, 1]
    with pytest.raises(ConfembError, match="row 1 has 7 in column 'column 0', which is no id of the class list"):
        encode([1, 7], [1, 1], names=listed.names, cells="ids", **ids)
    assert encode(["car", "person"], ["car", "car"], names=listed.names, **ids)[0][0] == [1, 0]


def test_labels_that_count_from_1_beside_scores(tmp_path):
    probs = np.full((40, 4), 0.1)
    labels = np.arange(40) % 3
    probs[np.arange(40), labels] = 0.7
    np.savez(tmp_path / "p.npz", labels=labels + 1, probs=probs)
    with pytest.raises(ConfembError, match="counted from 1 they agree with the scores in 40 of 40 rows.*--first-index"):
        load_predictions(tmp_path / "p.npz")
    found = load_predictions(tmp_path / "p.npz", options=ReadOptions(first_index=1))
    assert found.accuracy == 1.0
    # No picture of class 0, and right otherwise.
    shown = labels > 0
    np.savez(tmp_path / "p.npz", labels=labels[shown], probs=probs[shown])
    assert load_predictions(tmp_path / "p.npz").accuracy == 1.0


def test_class_lists_that_name_a_class_twice_say_the_line(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\ncat \n")
    with pytest.raises(
        ConfembError, match=r"names\.txt: the class name 'cat' stands twice \(classes 0 and 2\).*line 1"
    ):
        load_class_list(tmp_path / "names.txt")


def test_the_advice_does_not_hide_a_shift(tmp_path):
    (tmp_path / "p.csv").write_text("label,top1\n1,1\n2,2\n3,2\n2,3\n")
    for policy in ("error", "drop"):
        with pytest.raises(ConfembError, match="do they count from 1"):
            load_pairs(tmp_path / "p.csv", class_names=ANIMALS, missing_classes=policy)
