import json

import pytest

from confemb.records.class_cells import load_class_names
from confemb.support.errors import ConfembError


@pytest.mark.parametrize(
    ("file", "text", "path"),
    [
        ("names.txt", "cat\n golden retriever \nship\n", "names.txt"),
        ("names", "\ufeffcat\r\ngolden retriever\r\nship", "names"),
        ("names.txt", "cat\ngolden retriever\nship\n\n \n", "names.txt"),
        ("names.json", json.dumps(["cat", "golden retriever", "ship"]), "names.json"),
        ("names.csv", "index,name\n0,cat\n1,golden retriever\n2,ship\n", "names.csv:name"),
        ("names.json", json.dumps({"2": "ship", "0": "cat", "1": "golden retriever"}), "names.json"),
        ("names.json", json.dumps({"id2label": {"2": "ship", "0": "cat", "1": "golden retriever"}}), "names.json"),
        ("names.json", json.dumps({"golden retriever": 1, "ship": 2, "cat": 0}), "names.json"),
        (
            "names.json",
            json.dumps({"0": ["n0", "cat"], "1": ["n1", "golden retriever"], "2": ["n2", "ship"]}),
            "names.json",
        ),
        ("names.tsv", "name\tid\ncat\t0\ngolden retriever\t1\nship\t2\n", "names.tsv:name"),
        ("names.csv", "index;name\n0;cat\n1;golden retriever\n2;ship\n", "names.csv:name"),
        ("a:b.txt", "cat\ngolden retriever\nship\n", "a:b.txt"),
    ],
)
def test_class_names_in_index_order(tmp_path, file, text, path):
    (tmp_path / file).write_text(text, encoding="utf-8", newline="")
    assert load_class_names(tmp_path / path) == ("cat", "golden retriever", "ship")


@pytest.mark.parametrize(
    ("file", "text", "path", "sentence"),
    [
        ("names.txt", "cat\n\ndog\n", "names.txt", r"names\.txt: class 1 has the name ''"),
        ("names.txt", "cat\ncat\n", "names.txt", r"names\.txt: the class name 'cat' stands twice"),
        ("names.txt", "", "names.txt", "is empty"),
        ("names.txt", "cat\n", "none.txt", r"none\.txt does not exist"),
        ("names.json", '{"cat": "a"}', "names.json", "must hold a JSON list"),
        ("names.json", "[1, 2]", "names.json", "must hold a JSON list"),
        ("names.json", "[", "names.json", "no valid JSON"),
        ("names.csv", "index,name\n0,cat\n", "names.csv", "its columns are 'index', 'name'"),
        ("names.csv", "index,name\n0,cat\n", "names.csv:title", r"names\.csv:COLUMN"),
    ],
)
def test_class_names_that_cannot_be_read(tmp_path, file, text, path, sentence):
    (tmp_path / file).write_text(text)
    with pytest.raises(ConfembError, match=sentence):
        load_class_names(tmp_path / path)
