"""Reading several classifiers: folders, files, one NPZ of many."""

from dataclasses import replace

import numpy as np
import pytest

from confemb.records.prediction_files import save_predictions
from confemb.result.model_files import load_classifier, load_classifiers, load_many
from confemb.support.errors import ConfembError
from confemb.support.manifest import Manifest


def test_one_file_of_many_classifiers(tmp_path):
    labels = np.array([0, 1, 2], np.uint8)
    arrays = {"top1": np.array([0, 1, 1], np.uint8), "top2": np.array([[0, 2], [1, 0], [2, 1]])}
    np.savez(tmp_path / "many.npz", labels=labels, filenames=np.array(["x", "y", "z"]), **arrays)
    found = load_many(tmp_path / "many.npz")
    assert list(found) == ["top1", "top2"]
    assert [one.k for one in found.values()] == [1, 2]
    assert found["top1"].class_names == ("0", "1", "2")
    assert found["top1"].accuracy == pytest.approx(2 / 3)
    assert load_many(tmp_path / "many.npz", class_names=["a", "b", "c"])["top2"].class_names == ("a", "b", "c")
    np.savez(tmp_path / "named.npz", labels=labels, class_names=np.array(["u", "v", "w"]), **arrays)
    assert load_many(tmp_path / "named.npz")["top1"].class_names == ("u", "v", "w")
    with pytest.raises(ConfembError, match=r"many.npz: row 1 has the class index 1 in column 'labels'"):
        load_many(tmp_path / "many.npz", class_names=["a"])
    np.savez(tmp_path / "none.npz", labels=labels)
    with pytest.raises(ConfembError, match="no array of whole numbers, .N,. or .N, k., beside labels"):
        load_many(tmp_path / "none.npz")


def test_folders_files_and_arrays_together(predictions, tmp_path):
    save_predictions(predictions, tmp_path / "file.parquet")
    folder = tmp_path / "folder"
    folder.mkdir()
    save_predictions(predictions, folder / "predictions.parquet")
    Manifest(folder).record("predict", "key", ["predictions.parquet"])
    np.savez(tmp_path / "many.npz", labels=predictions.labels, one=predictions.top_classes)
    paths = [str(tmp_path / name) for name in ("file.parquet", "folder", "many.npz")]
    found = load_classifiers(paths, class_names=predictions.class_names)
    assert list(found) == ["file", "folder", "one"]
    for one in found.values():
        np.testing.assert_array_equal(one.top_classes, predictions.top_classes)
    with pytest.raises(ConfembError, match="not of the same classes; give the class names"):
        load_classifiers(paths)
    with pytest.raises(ConfembError, match="two classifiers are called 'file'"):
        load_classifiers([paths[0], paths[0]])
    with pytest.raises(ConfembError, match=r"holds no predictions \(predictions.parquet\)"):
        load_classifier(tmp_path)


def test_a_split_that_is_not_there(files):
    (files / "p.csv").write_text("label,top1,split\na,b,train\nb,b,test\n")
    assert len(load_classifier(files / "p.csv", split="test")) == 1
    with pytest.raises(ConfembError, match=r"no pictures of the split 'val': it has 'train', 'test'\."):
        load_classifier(files / "p.csv", split="val")
    (files / "p.csv").write_text("label,top1\na,b\nb,b\n")
    with pytest.raises(ConfembError, match="its predictions do not say which split a picture is of"):
        load_classifier(files / "p.csv", split="test")


def test_an_npz_file_of_one_classifier_is_read_as_such(files, predictions):
    found = load_classifiers([str(files / "p.npz")])
    assert list(found) == ["p"]
    np.testing.assert_array_equal(found["p"].top_probs, predictions.top_probs)


def test_the_first_ones_order_of_classes_is_taken_over(predictions, tmp_path):
    turned = replace(
        predictions,
        labels=5 - predictions.labels,
        top_classes=5 - predictions.top_classes,
        class_names=predictions.class_names[::-1],
    )
    save_predictions(predictions, tmp_path / "a.parquet")
    save_predictions(turned, tmp_path / "b.parquet")
    found = load_classifiers([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")])
    np.testing.assert_array_equal(found["a"].labels, found["b"].labels)
    np.testing.assert_array_equal(found["a"].top_classes, found["b"].top_classes)
