"""The block of a page: what is packed is what was given."""

import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import confemb.reporting.explorer
from confemb.reporting.explorer.items import make_thumbnails, most_informative, rows_within
from confemb.reporting.explorer.pack import SCALE, UNKNOWN, pack
from confemb.reporting.explorer.page import render_explorer
from confemb.reporting.explorer.records import Comparison, ExplorerData, ExplorerItems, wilson
from confemb.support.errors import ConfembError

FOLDER = Path(confemb.reporting.explorer.__file__).parent
TYPES = {"f8": "<f8", "f4": "<f4", "i4": "<i4", "u4": "<u4", "u2": "<u2", "i2": "<i2", "u1": "u1"}


def unpack(block):
    """Read a block as the browser does."""
    assert block[:4] == b"CEX1"
    (length,) = struct.unpack("<I", block[4:8])
    header = json.loads(block[8 : 8 + length])
    start = -(-(8 + length) // 8) * 8
    arrays = {}
    for name, (kind, offset, count) in header["arrays"].items():
        assert offset % 8 == 0
        arrays[name] = np.frombuffer(block, TYPES[kind], count, start + offset)
    return header, arrays


@pytest.fixture
def data():
    """Three classes, eight pictures: cat is taken for dog once, dog for cat twice."""
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    top = np.array([[0, 1], [0, 1], [1, 0], [0, 1], [0, 1], [1, 2], [2, 1], [2, 0]])
    probs = np.array(
        [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.5, 0.5], [1.0, 0.0], [0.75, 0.25], [0.99, 0.01]]
    )
    cosine = np.array([[1.0, 0.8, -0.25], [0.8, 1.0, np.nan], [-0.25, np.nan, 1.0]])
    return ExplorerData(
        title="Pets",
        class_names=("cat", "dog", "fish"),
        true=np.array([0, 0, 1, 1, 2]),
        predicted=np.array([0, 1, 0, 1, 2]),
        counts=np.array([2.0, 1.0, 2.0, 1.0, 2.0]),
        hits=np.array([2.0, 1.0, 2.0]),
        cosine=cosine,
        intervals={"seeds": (cosine - 0.1, np.minimum(cosine + 0.1, 1.0), 20)},
        both=[((0, 2), (-0.25, 0.5))],
        tree=np.array([[0.0, 1.0, 0.2, 2.0], [2.0, 3.0, 1.25, 3.0]]),
        order=np.array([0, 1, 2]),
        places=np.array([[0.0, 1.0], [0.5, -1.0], [2.0, 0.0]]),
        items=ExplorerItems(labels, top, probs, [f"p{i}" for i in range(8)]),
    )


def test_everything_comes_back(data):
    header, arrays = unpack(pack(data, None, None, budget=100_000))
    assert (header["title"], header["names"]) == ("Pets", ["cat", "dog", "fish"])
    assert header["results"] == [
        {"name": "", "sources": [{"name": "seeds", "replicates": 20}], "total": 8.0, "right": 5.0}
    ]
    np.testing.assert_array_equal(arrays["0.count"], data.counts)
    np.testing.assert_array_equal(arrays["0.support"], [3, 3, 2])
    np.testing.assert_array_equal(arrays["0.named"], [4, 2, 2])
    np.testing.assert_allclose(arrays["0.cosine"][:2] / SCALE, [0.8, -0.25], atol=1 / SCALE)
    assert arrays["0.cosine"][2] == UNKNOWN
    np.testing.assert_allclose(arrays["0.seeds.low"][:2] / SCALE, [0.7, -0.35], atol=1 / SCALE)
    np.testing.assert_allclose(arrays["0.both.values"], [-0.25, 0.5])
    np.testing.assert_array_equal(arrays["tree.children"], [0, 1, 2, 3])
    np.testing.assert_allclose(arrays["positions"], data.places.ravel())


def test_items_keep_their_classes_and_probabilities(data):
    header, arrays = unpack(pack(data, None, None, budget=100_000))
    (one,) = header["sets"]
    assert (one["shown"], one["total"], one["k"]) == (8, 8, [2])
    rows = [int(key[1:]) for key in one["ids"]]
    assert sorted(rows) == list(range(8))
    np.testing.assert_array_equal(arrays["set0.label"], data.items.labels[rows])
    np.testing.assert_array_equal(arrays["set0.top0"].reshape(-1, 2), data.items.top_classes[rows])
    np.testing.assert_allclose(arrays["set0.prob0"].reshape(-1, 2) / 65_535, data.items.top_probs[rows], atol=1e-5)


def test_wilson_intervals_are_those_of_statsmodels(data):
    # statsmodels.stats.proportion.proportion_confint(k, n, method="wilson") for (2, 3) and (0, 10).
    low, high = wilson(np.array([2, 0, 0]), np.array([3, 10, 0]))
    np.testing.assert_allclose(low, [0.2076596, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(high, [0.9385081, 0.2775328, 1.0], atol=1e-6)


def test_the_most_informative_items_come_first(data):
    order = most_informative(data.items).tolist()
    # One turn for each cell: of dog -> cat the most confident (3), of cat -> dog the only one (2).
    first = order[:7]
    assert 3 in first
    assert 2 in first
    # Of what is right both ends go to the first turn: 0 and 1 (cat), 6 and 7 (fish), 5 (dog).
    assert {0, 1, 5, 6, 7} <= set(first)
    assert order[-1] == 4


def test_a_small_budget_shows_fewer_items_and_says_so(data):
    header, _ = unpack(pack(data, None, None, budget=60))
    (one,) = header["sets"]
    assert 0 < one["shown"] < 8
    assert any(f"holds {one['shown']:,} of 8 pictures" in note for note in header["notes"])
    assert len(rows_within(data.items, 10)) == 0


def test_thumbnails_keep_to_the_budget():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (300, 16, 16, 3), dtype=np.uint8)
    items = ExplorerItems(
        np.arange(300) % 3,
        np.zeros((300, 1), int),
        None,
        [str(i) for i in range(300)],
        pictures=lambda rows: images[rows],
    )
    whole = make_thumbnails(items, np.arange(300), 10_000_000)
    assert (whole.size, len(whole.sheets)) == (16, 3)
    budget = len(whole.sheets[0]) * 3 // 2
    assert make_thumbnails(items, np.arange(300), budget).sheets == whole.sheets[:1]


def test_a_comparison_has_both_results_and_its_tests(data):
    other = replace(
        data, name="B", counts=data.counts[::-1], items=replace(data.items, top_classes=data.items.top_classes[:, ::-1])
    )
    comparison = Comparison(np.array([0]), np.array([1]), np.array([0.01]), np.array([0.5, 0.02, np.nan]))
    header, arrays = unpack(pack(data, other, comparison, budget=100_000))
    assert [one["name"] for one in header["results"]] == ["", "B"]
    assert [one["by"] for one in header["sets"]] == [[0, 1]]
    rows = [int(key[1:]) for key in header["sets"][0]["ids"]]
    np.testing.assert_array_equal(arrays["set0.top1"].reshape(-1, 2), other.items.top_classes[rows])
    np.testing.assert_allclose(arrays["pair.q"], [0.01])
    with pytest.raises(ConfembError, match="different classes"):
        pack(data, replace(other, class_names=("cat", "dog", "cow")), None, budget=1000)


def test_the_same_data_gives_the_same_page(data):
    assert render_explorer(data).html == render_explorer(data).html
    with pytest.raises(ConfembError, match="budget"):
        render_explorer(data, budget=0)


def test_hostile_names_stay_text(data):
    hostile = replace(
        data, title='</title><script>alert("1")</script>', class_names=("</script>", "\x1b[31m", "\u202eabc")
    )
    page = render_explorer(hostile).html
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "alert(&#34;1&#34;)" in page
    header, _ = unpack(pack(hostile, None, None, budget=1000))
    assert header["names"] == ["</script>", "\\x1b[31m", "\\u202eabc"]


def test_the_policy_allows_no_network_and_names_both_hashes(data):
    page = render_explorer(data).html
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_bundle_is_small_and_says_its_licence():
    bundle = (FOLDER / "explorer.js").read_text(encoding="utf-8")
    assert len(bundle.encode()) < 150_000
    assert "MIT" in bundle.splitlines()[0]
    assert not re.search(r"\beval\b|new Function|innerHTML|insertAdjacentHTML|document\.write", bundle)
