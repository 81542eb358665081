from dataclasses import replace

import pytest

from confemb.analysis.options import AnalysisOptions
from confemb.embedders.options import EmbedderOptions
from confemb.pipeline.run import run_experiment
from confemb.records.pairs import count_pairs
from confemb.result import analyze_counts
from confemb.result.folder import write_result_report
from confemb.support.errors import ConfembError


def without_nines(dataset):
    rows = dataset.labels != 9
    return replace(dataset, images=dataset.images[rows], labels=dataset.labels[rows], ids=dataset.ids[rows])


def test_a_class_without_pictures_is_found_before_the_training(
    tmp_path, nothing_runs, mini, section, called, change_pictures
):
    nothing_runs("train")
    change_pictures(without_nines)
    with pytest.raises(ConfembError, match="1 of 10 classes of digits have no picture: 'nine'; add some, or set"):
        run_experiment(mini(), tmp_path)
    with pytest.raises(called):
        run_experiment(section("pairs", missing_classes="drop"), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prediction": {"k": 11}}, "k = 11 is out of range: there are 10 classes"),
        ({"pairs": {"k": 4}}, r"k = 4 is out of range: there are 3 classes kept for each picture \(prediction\.k\)"),
        ({"report": {"groups": {"odd": ["nein"]}}}, "unknown class 'nein' in report.groups.odd: did you mean 'nine'"),
        ({"report": {"reference": "papers"}}, "unknown reference 'papers': did you mean 'paper'"),
        ({"report": {"reference": "paper"}}, "the reference 'paper' knows fewer than 2 of the classes"),
        ({"dataset": {"name": "digit"}}, "unknown dataset 'digit': did you mean 'digits'"),
        ({"dataset": {"test": "tests"}}, "unknown split 'tests' in digits: did you mean 'test'"),
        ({"dataset": {"path": "somewhere"}}, "the dataset 'digits' does not take the option path"),
        ({"embedding": {"name": "skipgrams"}}, "unknown embedder 'skipgrams': did you mean 'skipgram'"),
        ({"embedding": {"dims": 4}}, "unknown option 'dims' in .*: did you mean 'dim'"),
        ({"embedding": {"dim": 0}}, r"embedding\.dim = 0 is not allowed"),
        ({"classifier": {"name": "fast"}}, "unknown classifier 'fast': did you mean 'fast_cnn'"),
        ({"classifier": {"width": [4]}}, "unknown option 'width' in .*: did you mean 'widths'"),
        ({"classifier": {"widths": [8, 8, 8]}}, "3 blocks need pictures larger than 8 pixels a side"),
    ],
)
def test_mistakes_are_found_before_the_training(tmp_path, nothing_runs, mini, changes, message):
    nothing_runs("train")
    with pytest.raises(ConfembError, match=message):
        run_experiment(mini(**changes), tmp_path)


def test_folders_that_cannot_be_used(tmp_path, predictions, finished, mini):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfembError, match="cannot make the folder .*file"):
        run_experiment(mini(), tmp_path / "file" / "out")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfembError, match=r"cannot read .*manifest\.json .*; remove it to run every stage anew"):
        run_experiment(mini(), tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ConfembError, match=r"manifest\.json is no confemb manifest"):
        run_experiment(mini(), tmp_path)
    with pytest.raises(ConfembError, match=r"there is no folder .*none; give the folder of a result"):
        write_result_report(tmp_path / "none")


def test_results_of_both_kinds_do_not_mix(finished, tmp_path, predictions, monkeypatch, mini, contents):
    monkeypatch.setattr("confemb.reporting.write.write_figures", lambda analysis, folder: {})

    def embed(folder, kept=predictions):
        counts = count_pairs(predictions)
        options = AnalysisOptions(title="Blocks", embedding=EmbedderOptions(seeds=1))
        analyze_counts(counts, kept, options, source={"file": "x"}).save(folder)

    before = contents(finished[0])
    with pytest.raises(ConfembError, match="holds the result of an experiment; choose another folder"):
        embed(finished[0])
    assert contents(finished[0]) == before
    embed(tmp_path)
    assert (tmp_path / "predictions.parquet").is_file()
    embed(tmp_path, kept=None)
    assert not (tmp_path / "predictions.parquet").exists()
    with pytest.raises(ConfembError, match="holds the result of `confemb embed`; choose another folder"):
        run_experiment(mini(), tmp_path)
