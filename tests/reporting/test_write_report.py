import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from confemb.analysis.derived import analyse
from confemb.analysis.record import AnalysisRecord, Examples, KnownReference
from confemb.records.embedding import ClassEmbedding, EmbeddingRuns
from confemb.records.pairs import count_pairs
from confemb.records.predictions import Predictions
from confemb.records.similarity import SimilarityMatrix
from confemb.reporting.findings import finding, group_sentence, seeds_sentence
from confemb.reporting.html import flatten, heat_step, render_page
from confemb.reporting.write import write_report
from confemb.support.errors import ConfembError

FIGURES = {"similarity_heatmap", "class_map", "dendrogram", "reference", "seeds_spread", "examples", "training"}
FIGURES |= {"intervals", "dimension"}
HOSTILE = '<script>alert("1")</script>'


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "report"
    write_report(analyse(result), folder, manifest=result.provenance)
    return folder


def test_every_file_is_there(written):
    names = {"embedding.txt", "similarities.csv", "similarity_matrix.csv", "tables.md", "tables.tex", "tables.csv"}
    names |= {"report.html", "figures"} | {f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg")}
    assert {path.relative_to(written).as_posix() for path in written.rglob("*")} == names


def test_the_same_result_gives_the_same_bytes(written, result, tmp_path):
    write_report(analyse(result), tmp_path / "again", manifest=result.provenance)
    for path in written.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(written)).read_bytes(), path.name


def test_similarities_are_long_and_in_class_order(written, analysis):
    frame = pd.read_csv(written / "similarities.csv")
    columns = ["class_1", "class_2", "cosine", "seeds_low", "seeds_high", "pictures_low", "pictures_high"]
    columns += ["embedding", "count_similarity", "reference"]
    assert list(frame.columns) == columns
    assert len(frame) == 15
    assert list(zip(frame.class_1, frame.class_2, strict=True))[:6] == [
        ("a", "b"), ("a", "c"), ("a", "x"), ("a", "y"), ("a", "z"), ("b", "c"),
    ]  # fmt: skip
    for row in frame.itertuples():
        assert row.cosine == pytest.approx(analysis.similarity.between(row.class_1, row.class_2), abs=1e-6)
        assert row.embedding == pytest.approx(analysis.medoid.between(row.class_1, row.class_2), abs=1e-6)
        assert row.count_similarity == pytest.approx(analysis.counts.between(row.class_1, row.class_2), abs=1e-6)
    assert frame.reference.notna().sum() == 3
    assert frame.pictures_low.isna().tolist() == [True] + 14 * [False]
    assert (frame.pictures_high[1:] == 0.3).all()
    assert (frame.seeds_low <= frame.cosine).all()


def test_the_embedding_is_the_medoid_run(written, result, analysis):
    saved = ClassEmbedding.load(written / "embedding.txt")
    np.testing.assert_array_equal(saved.vectors, result.runs.vectors[analysis.runs.medoid])
    matrix = SimilarityMatrix.load_matrix(written / "similarity_matrix.csv")
    np.testing.assert_allclose(matrix.values, analysis.similarity.values, atol=1e-6)


class _Page(HTMLParser):
    """Collects what a page would fetch and checks that tags close."""

    VOID = {"meta", "img", "br", "input"}  # noqa: RUF012

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.links, self.ids, self.policy = [], [], [], set(), ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        assert not {"style", "onclick", "onload"} & set(attrs)
        self.sources += [attrs[key] for key in ("src", "srcset", "data") if key in attrs]
        self.links += [attrs["href"]] if "href" in attrs else []
        self.ids |= {attrs["id"]} if "id" in attrs else set()
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_from_outside(written, many):
    for text in ((written / "report.html").read_text(encoding="utf-8"), render_page(many, {}, {})):
        page = _Page(text)
        assert all(source.startswith("data:image/") for source in page.sources)
        assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
        assert "default-src 'none'" in page.policy
        for tag in ("style", "script"):
            for inner in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL):
                digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
                assert f"{tag}-src 'sha256-{digest}'" in page.policy


def test_the_page_shows_the_figures_and_begins_with_the_finding(written, analysis):
    text = (written / "report.html").read_text(encoding="utf-8")
    assert len(_Page(text).sources) == len(FIGURES)
    assert text.index('class="finding"') < text.index('id="similarity"')
    assert finding(analysis)[0].split(" (cosine")[0] in text
    assert "(prefers-color-scheme: dark)" in text
    assert 'name="viewport"' in text
    assert "config.embedder.name" in text


def test_the_page_of_many_classes_can_be_searched(many):
    text = render_page(many, {}, {})
    assert 'id="search"' in text
    assert text.count("<tr data-name=") == 40
    assert "Strongest pairs" in text
    assert "Clusters" in text


def test_text_of_the_user_is_escaped_everywhere(make_result, result, tmp_path):
    names = (HOSTILE, "=1+1", "-b|c", "{{ 7 * 7 }}", "y,z", "z_")
    renamed = replace(result.predictions, class_names=names)
    runs = replace(result.runs, class_names=names)
    hostile = make_result(
        title=HOSTILE,
        description=HOSTILE,
        counts=count_pairs(renamed, k=3),
        runs=runs,
        predictions=renamed,
        groups={HOSTILE: list(names[:3]), "other": list(names[3:])},
        references=[KnownReference(HOSTILE, SimilarityMatrix(np.eye(3) + 0.1 * (1 - np.eye(3)), names[:3]))],
    )
    write_report(analyse(hostile), tmp_path, manifest={HOSTILE: HOSTILE})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page
    for name in ("similarities.csv", "similarity_matrix.csv", "tables.csv"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert not re.search(r'(^|[,"])(=1|-b)', text, re.MULTILINE), name
        assert "'=1+1" in text
    assert SimilarityMatrix.load_matrix(tmp_path / "similarity_matrix.csv").class_names == names


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("seeds", [1, 5])
def test_few_classes_work(tmp_path, size, seeds):
    names = tuple("abc"[:size])
    predictions = Predictions(np.arange(size), np.arange(size)[:, None], None, names)
    vectors = np.random.default_rng(0).normal(size=(seeds, size, 2)).astype(np.float32)
    runs = EmbeddingRuns(vectors, tuple(range(seeds)), names)
    counts = count_pairs(predictions, k=1)
    record = AnalysisRecord(title="t", description="", counts=counts, runs=runs)
    write_report(analyse(record), tmp_path, manifest={})
    _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(pd.read_csv(tmp_path / "similarities.csv")) == size * (size - 1) // 2


def test_a_figure_of_an_older_result_goes(make_result, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "training.png").touch()
    write_report(analyse(make_result(history=None, examples=None)), tmp_path, manifest={})
    assert not (tmp_path / "figures" / "training.png").exists()
    assert (tmp_path / "figures" / "class_map.png").exists()


def test_finding_sentences(analysis, make_result):
    first = finding(analysis)[0]
    i, j = analysis.strongest_pairs(1)[0]
    assert f"{analysis.class_names[i]} and {analysis.class_names[j]}" in first
    assert "Spearman" in finding(analysis)[1]
    assert group_sentence(analyse(make_result(groups={}))) == ""
    assert "One seed only" in seeds_sentence(analyse(make_result(seeds=1)))


def test_separated_groups_are_called_apart(make_result):
    vectors = np.zeros((1, 6, 2), np.float32)
    vectors[0, :3, 0] = vectors[0, 3:, 1] = 1.0
    runs = replace(make_result().runs, vectors=vectors, seeds=(0,))
    sentence = group_sentence(analyse(make_result(runs=runs)))
    assert sentence == "It keeps letters and unknowns apart: the mean cosine is 1.00 within a group and 0.00 across."


def test_heat_steps():
    assert [heat_step(c) for c in (-1, 0, 1, 1.2)] == [0, 10, 20, 20]


def test_flatten():
    manifest = {"a": {"b": 1, "c": {}}, "list": [1, 2], "rows": [{"x": None}]}
    assert flatten(manifest) == [("a.b", "1"), ("a.c", "{}"), ("list", "1, 2"), ("rows.0.x", "–")]
    assert flatten({}) == []


def test_counts_and_embedding_must_be_of_the_same_classes(make_result):
    runs = replace(make_result().runs, class_names=("a", "b", "c", "x", "z", "y"))
    with pytest.raises(ConfembError, match="same classes"):
        make_result(runs=runs)


def test_examples_of_unequal_length():
    with pytest.raises(ConfembError, match="unequal lengths"):
        Examples(np.zeros((2, 4, 4, 1), np.uint8), np.zeros(1, int), np.zeros((2, 1)), np.ones((2, 1)), np.zeros(2))


def test_an_unknown_class_in_a_group_is_named(make_result):
    with pytest.raises(ConfembError, match="unknown class 'q' in the group 'g'"):
        analyse(make_result(groups={"g": ["q"]}))
