"""The gallery's own parts: simulated answers, languages' distances, what the classifiers give."""

import importlib.util
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from experiments.gallery import file_types, language_model, languages


def needs(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def test_simulated_answers_are_the_same_each_time_and_near_the_truth(tmp_path):
    for name in ("a", "b"):
        language_model.simulate(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    rows = [json.loads(line) for line in (tmp_path / "a").read_text().splitlines()]
    assert Counter(row["label"] for row in rows) == dict.fromkeys(language_model.PLACES, 100)
    answers = [(row["label"], answer.strip(".").lower()) for row in rows for answer in row["answers"]]
    assert len(answers) == 6_000
    of_joy = Counter(answer for label, answer in answers if label == "joy")
    assert of_joy.most_common(1)[0][0] == "joy"
    # A neighbour on the plane is answered more often than one across it.
    assert of_joy["delight"] > 50 * of_joy["sadness"]
    unsure = sum(answer == "i am not sure" for _, answer in answers) / len(answers)
    assert unsure == pytest.approx(language_model.NOTHING, abs=0.01)


@needs("lang2vec")
def test_distances_of_languages(tmp_path):
    tables = languages.write_distances(tmp_path, ["ru", "uk", "de", "fi"])
    family = pd.read_csv(tables["family"], index_col=0)
    assert np.allclose(np.diag(family), 0)
    assert family.loc["ru", "uk"] < family.loc["ru", "de"] < family.loc["ru", "fi"] == 1


@needs("lang2vec", "wordfreq", "py3langid")
def test_languages_are_identified(tmp_path):
    identifier = languages.Identifier()
    assert {"ru", "uk", "pt", "es"} <= set(identifier.class_names)
    scores = identifier.scores(["das ist ein kleines haus", "это маленький дом"])
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert [identifier.class_names[i] for i in scores.argmax(axis=1)] == ["de", "ru"]
    for name in ("a.csv", "b.csv"):
        languages.write_texts(tmp_path / name, 2, ["de", "ru"])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    frame = pd.read_csv(tmp_path / "a.csv")
    assert frame["label"].value_counts().to_dict() == {"de": 300, "ru": 300}
    assert frame["text"].str.split().str.len().eq(2).all()


@needs("magika")
def test_file_types_are_identified(tmp_path):
    identifier = file_types.Identifier()
    (tmp_path / "x").write_text(
        "#!/usr/bin/env python3\nimport sys\n\ndef main():\n    print(sys.argv)\n\nmain()\n" * 3
    )
    scores = identifier.scores([tmp_path / "x"])
    assert identifier.class_names[int(scores.argmax())] == "python"
    assert scores.sum() == pytest.approx(1, abs=1e-4)
    assert identifier.suffixes()["png"] == "png"
    assert "h" not in identifier.suffixes()
