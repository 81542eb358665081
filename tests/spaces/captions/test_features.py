import numpy as np
import pytest

from confemb.spaces.captions import features as module
from confemb.spaces.captions.features import load_features, picture_features
from confemb.support.errors import ConfembError


@pytest.fixture
def files(album):
    return sorted((album / "pictures").iterdir())


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(module, "PICTURES_IN_PART", 16)


def test_features_are_computed_once(tmp_path, files, colours, album, small_parts):
    told = []
    found = picture_features(files, colours, folder=tmp_path, progress=lambda *each: told.append(each))
    np.testing.assert_allclose(found, np.load(album / "features.npy"), atol=1e-6)
    assert colours.seen == 40
    assert [each[1:] for each in told] == [(16, 40), (32, 40), (40, 40)]
    assert (picture_features(files, colours, folder=tmp_path) == found).all()
    # The order matters to the parts, the names do not.
    assert colours.seen == 40


def test_a_stopped_run_goes_on(tmp_path, files, colours, small_parts):
    def stop(text, done, total):
        if done == 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        picture_features(files, colours, folder=tmp_path, progress=stop)
    assert colours.seen == 32
    next(iter(tmp_path.glob("*.npy"))).write_bytes(b"broken")
    picture_features(files, colours, folder=tmp_path)
    assert colours.seen == 32 + 16 + 8


def test_another_picture_or_network_is_computed_anew(tmp_path, files, colours, small_parts):
    picture_features(files, colours, folder=tmp_path)
    picture_features([*files[:-1], files[0]], colours, folder=tmp_path)
    assert colours.seen == 40 + 8
    colours.name = "another/mean/1"
    picture_features(files, colours, folder=tmp_path)
    assert colours.seen == 40 + 8 + 40


def test_broken_and_missing_pictures_are_named(tmp_path, files, colours):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ConfembError, match=r"broken.png cannot be read as a picture .* Or remove its captions"):
        picture_features([*files, tmp_path / "broken.png"], colours, folder=tmp_path / "kept")
    with pytest.raises(ConfembError, match=r"none.png does not exist"):
        picture_features([tmp_path / "none.png"], colours, folder=tmp_path / "kept")
    with pytest.raises(ConfembError, match="no pictures"):
        picture_features([], colours, folder=tmp_path / "kept")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((39, 3)), r"has shape \(39, 3\), but 40 pictures have captions: it must be \(40, numbers\)"),
        (np.ones(40), r"has shape \(40,\)"),
        (np.ones((40, 0)), r"has shape \(40, 0\)"),
        (np.array([["a"] * 3] * 40), "no .npy file of numbers"),
        (np.where(np.arange(40)[:, None] == 7, np.nan, np.ones((40, 2))), "row 7: a number is not finite"),
    ],
)
def test_features_that_do_not_fit(tmp_path, array, message):
    np.save(tmp_path / "f.npy", array)
    with pytest.raises(ConfembError, match=message):
        load_features(tmp_path / "f.npy", 40)


def test_files_that_are_no_features(tmp_path):
    with pytest.raises(ConfembError, match="no file of features"):
        load_features(tmp_path / "f.npy", 40)
    (tmp_path / "f.npy").write_bytes(b"text")
    with pytest.raises(ConfembError, match="no .npy file of numbers"):
        load_features(tmp_path / "f.npy", 40)
    np.save(tmp_path / "g.npy", np.array([{"a": 1}] * 40, dtype=object), allow_pickle=True)
    with pytest.raises(ConfembError, match="no .npy file of numbers"):
        load_features(tmp_path / "g.npy", 40)
    np.save(tmp_path / "h.npy", np.ones((40, 2), np.float64))
    assert load_features(tmp_path / "h.npy", 40).dtype == np.float32
