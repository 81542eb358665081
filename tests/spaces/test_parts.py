import numpy as np
import pytest

from confemb.spaces.parts import PartStore


@pytest.mark.parametrize(("names", "ending"), [(["rows", "words"], ".npz"), (["rows"], ".npy")])
def test_a_finished_part_is_taken_a_damaged_one_is_not(names, ending, tmp_path):
    store = PartStore(tmp_path / "parts", names)
    assert store.load("a", whole=lambda part: True) is None
    arrays = {"rows": np.arange(6.0).reshape(2, 3), "words": np.array(["cat", "dog"])}
    store.save("a", **{name: arrays[name] for name in names})
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [f"a{ending}"]
    again = PartStore(tmp_path / "parts", names).load("a", whole=lambda part: len(part["rows"]) == 2)
    assert list(again) == names
    for name in names:
        np.testing.assert_array_equal(again[name], arrays[name])
    assert store.load("a", whole=lambda part: len(part["rows"]) == 3) is None
    file = tmp_path / "parts" / f"a{ending}"
    file.write_bytes(file.read_bytes()[:-20])
    assert store.load("a", whole=lambda part: True) is None
