import json

import numpy as np
import pytest

from confemb.spaces.captions.sources import Captions, load_captions, picture_files, split_pictures
from confemb.support.errors import ConfembError

ROWS = [("b.jpg", "A dog runs ."), ("a.jpg", "two cats"), ("b.jpg", "the dog is fast")]


def coco(images, annotations):
    return json.dumps({"info": {}, "images": images, "annotations": annotations})


FORMATS = {
    "table.tsv": "image\tcaption\nb.jpg\tA dog runs .\n\na.jpg\ttwo cats\nb.jpg\tthe dog is fast\n",
    "flickr.token.txt": "b.jpg#0\tA dog runs .\na.jpg#0\ttwo cats\nb.jpg#1\tthe dog is fast\n",
    "annotations.10k.txt": "b.jpg A dog runs .\na.jpg two cats\nb.jpg the  dog is fast\n",
    "captions.txt": "image,caption\nb.jpg,A dog runs .\na.jpg,two cats\nb.jpg,the dog is fast\n",
    "without_header.txt": 'b.jpg,A dog runs .\na.jpg,two cats\nb.jpg,"the dog is fast"\n',
    "captions.csv": '"image","caption"\n"b.jpg","A dog runs ."\n"a.jpg","two cats"\n"b.jpg","the dog is fast"\n',
    "results.csv": "image_name| comment_number| comment\nb.jpg| 0| A dog runs .\na.jpg| 0| two cats\nb.jpg| 1| "
    "the dog is fast\n",
    "bars.txt": "b.jpg|A dog runs .\na.jpg|two cats\nb.jpg|the dog is fast\n",
    "captions_val2014.json": coco(
        [{"id": 7, "file_name": "b.jpg"}, {"id": 9, "file_name": "none.jpg"}, {"id": 3, "file_name": "a.jpg"}],
        [
            {"id": 1, "image_id": 3, "caption": "two cats\n"},
            {"id": 2, "image_id": 7, "caption": "A dog runs ."},
            {"id": 5, "image_id": 7, "caption": "the dog is fast"},
        ],
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_agree(tmp_path, name):
    (tmp_path / name).write_text(FORMATS[name], encoding="utf-8")
    captions = load_captions(tmp_path / name)
    assert captions.pictures == ("b.jpg", "a.jpg")
    assert captions.texts == ("A dog runs .", "the dog is fast", "two cats")
    assert captions.picture_of.tolist() == [0, 0, 1]
    assert captions.first_of_each(1).tolist() == [0, 2]
    assert captions.first_of_each(2).tolist() == [0, 1, 2]
    assert captions.of_pictures(np.array([0])).tolist() == [0, 1]


IMAGES = [{"id": 1, "file_name": "a.jpg"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.tsv", "image\tcaption\na.jpg\tone\nb.jpg two\n", r"c.tsv, line 3: expected a picture, a tab"),
        ("c.tsv", "a.jpg\tone\n\tno picture\n", "line 2: expected a picture, a tab"),
        ("c.tsv", "a.jpg\tone\nb.jpg\t \n", "line 2: the caption of b.jpg is empty"),
        ("c.tsv", "a.jpg\tone\nb.jpg\t. !\n", "caption of b.jpg has no words"),
        ("c.tsv", "image\tcaption\n", "holds no captions"),
        ("c.tsv", "", "is empty"),
        ("c.txt", "a.jpg,one\nb.jpg\n", "line 2: expected a picture, ',' and its caption"),
        ("c.txt", "a.jpg,one\nb.jpg,\n", "line 2: the caption of b.jpg is empty"),
        (
            "c.json",
            coco(IMAGES, [{"id": 1, "image_id": 1, "caption": "x"}, {"id": 8, "image_id": 1, "caption": None}]),
            r"the caption of the annotation with the id 8 \(number 1\) is null",
        ),
        ("c.json", coco(IMAGES, [{"id": 4, "image_id": 1, "caption": ["x"]}]), "annotation with the id 4 .* is a list"),
        ("c.json", coco([{"id": 1, "file_name": None}], []), "the file_name of the image with the id 1 .* is null"),
        ("c.txt", "a.jpg one\nb.jpg\n", "line 2: expected a picture's name"),
        ("c.json", "{}", "is not MSCOCO's JSON"),
        ("c.json", "[1]", "is not MSCOCO's JSON"),
        ("c.json", "{", "is no valid JSON"),
        ("c.json", coco(IMAGES * 2, []), "the id 1 stands twice among the images"),
        (
            "c.json",
            coco([*IMAGES, {"id": 2, "file_name": "a.jpg"}], []),
            "the id 'a.jpg' stands twice among the file names",
        ),
        ("c.json", coco(IMAGES, [{"id": 1, "image_id": 1, "caption": "x"}] * 2), "stands twice among the annotations"),
        ("c.json", coco(IMAGES, [{"id": 1, "image_id": 5, "caption": "x"}]), "of image 5, which is not among"),
        ("c.json", coco(IMAGES, [{"id": 1, "image_id": 1, "caption": " "}]), "a caption of a.jpg has no words"),
        ("c.json", coco(IMAGES, [{"id": 1, "image_id": 1}]), "is not MSCOCO's JSON"),
        ("c.json", coco(IMAGES, []), "holds no captions"),
    ],
)
def test_refusals(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfembError, match=message):
        load_captions(tmp_path / name)


def test_commas_that_are_part_of_a_caption(tmp_path):
    for text in ("a.jpg,one, two\nb.jpg,three\n", 'a.jpg,"one, two"\nb.jpg,three\n'):
        (tmp_path / "c.txt").write_text(text)
        assert load_captions(tmp_path / "c.txt").texts == ("one, two", "three")
    # Annotations parted by a blank, whose captions hold commas and bars.
    (tmp_path / "c.txt").write_text("a.jpg one , two | three\nb.jpg four\n")
    assert load_captions(tmp_path / "c.txt").texts == ("one , two | three", "four")


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(ConfembError, match="does not exist"):
        load_captions(tmp_path / "none.tsv")
    (tmp_path / "c.tsv").write_bytes(b"a.jpg\t\xff\xfe\n")
    with pytest.raises(ConfembError, match="no UTF-8 text"):
        load_captions(tmp_path / "c.tsv")


def test_pictures_that_are_missing_are_named(tmp_path):
    captions = Captions.of_rows("c", ROWS)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ConfembError, match=r"1 of the 2 pictures of c are not in .*'b.jpg'"):
        picture_files(captions, tmp_path)
    (tmp_path / "b.jpg").touch()
    assert [file.name for file in picture_files(captions, tmp_path)] == ["b.jpg", "a.jpg"]
    with pytest.raises(ConfembError, match="no folder of pictures"):
        picture_files(captions, tmp_path / "none")


def test_the_split_depends_on_names_and_seed_only():
    rows = [(f"{i:03}.jpg", f"word{i} {j}") for i in range(100) for j in range(2)]
    captions, backwards = Captions.of_rows("c", rows), Captions.of_rows("c", rows[::-1])
    parts = split_pictures(captions, validation=20, test=30, seed=4)
    assert [int((parts == part).sum()) for part in ("train", "validation", "test")] == [50, 20, 30]
    again = split_pictures(backwards, validation=20, test=30, seed=4)
    assert dict(zip(captions.pictures, parts, strict=True)) == dict(zip(backwards.pictures, again, strict=True))
    assert (parts != split_pictures(captions, validation=20, test=30, seed=5)).any()
    # The test pictures stay the same when fewer are held apart for validation.
    assert ((parts == "test") == (split_pictures(captions, validation=5, test=30, seed=4) == "test")).all()
    with pytest.raises(ConfembError, match="fewer than 2 are left"):
        split_pictures(captions, validation=50, test=49, seed=0)
