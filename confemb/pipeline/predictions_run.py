"""Runs an experiment on predictions that were made elsewhere, of one classifier or of many."""

from pathlib import Path

from confemb.analysis.options import AnalysisOptions
from confemb.embedders import make_pair_embedder
from confemb.pipeline.predictions_experiment import PredictionsExperiment, PredictionsSection
from confemb.records.class_cells import load_class_names
from confemb.records.pairs import count_pairs
from confemb.records.prediction_files import DEFAULT_KEEP, classes_to_keep
from confemb.records.predictions import Predictions, check_k
from confemb.reporting.study import write_study
from confemb.result import analyze_counts
from confemb.result.folder import save_analysis, writing
from confemb.result.model_files import load_classifiers, pool
from confemb.studies.models import join_pictures
from confemb.studies.models_report import compare_models, models_study
from confemb.support.errors import ConfembError, unknown_name
from confemb.support.files import sha256_file
from confemb.support.manifest import is_plain, study_manifest
from confemb.support.output_folder import output_folder
from confemb.support.progress import Display

# Within the result of many classifiers: each one's vectors, and how alike they see the classes.
EMBEDDINGS, MODELS = "embeddings", "models"


def run_predictions(experiment: PredictionsExperiment, folder: Path, *, display: Display | None = None) -> str:
    """Embed the classes of one classifier, or of many: all of them together, each by itself, and compared.

    The result of one classifier is that of `confemb embed`. That of many is made from the sum of their pair counts, and
    other pictures are drawn for all of them at once; `embeddings` within it holds each one's vectors as word2vec text
    (with the first seed), and `models` the study of how alike they see the classes.

    Returns:
        The report in short, to print.

    Raises:
        ConfembError: files that cannot be read or do not fit each other, an unknown classifier or option, a folder that
            holds another kind of result.
    """
    display = display or Display()
    section = experiment.pairs
    embedder = make_pair_embedder(experiment.embedding.name, experiment.embedding.options)
    found = read_classifiers(experiment.predictions, keep=classes_to_keep(section.k))
    check_k(section.k, min(one.k for one in found.values()), what="classes kept for each picture")
    several = len(found) > 1
    for name in found:
        # Each one's vectors go into a file of its name, and an NPZ file may call its arrays anything.
        if several and (not is_plain(name) or Path(name).name != name):
            raise ConfembError(f"the classifier {name!r} cannot give a file its name: call it by letters and digits.")
    together = pool(found, k=section.k) if several else next(iter(found.values()))
    hashes = {Path(path).name: sha256_file(path) for path in experiment.predictions.paths if Path(path).is_file()}
    with writing(folder) as draft:
        result = analyze_counts(
            count_pairs(together, **section.model_dump()),
            together,
            _options(experiment),
            source={"files": hashes, "settings": experiment.model_dump(mode="json", exclude_none=True)},
            display=display,
        )
        summary = save_analysis(result, draft, display=display)
    if not several:
        return summary
    display.stage(f"each of {len(found)} classifiers")
    with display.bar() as update, output_folder(folder / EMBEDDINGS, older=["*.txt"]) as each:
        for done, (name, one) in enumerate(found.items(), start=1):
            vectors = embedder.embed(count_pairs(one, **section.model_dump()), seed=experiment.seed)
            vectors.save(each.new(f"{name}.txt"))
            update("embedding", done, len(found))
    display.stage("how alike they see the classes")
    comparison = compare_models(
        found,
        title=f"{experiment.title}: how alike",
        pairs=section,
        embedder=embedder,
        seeds=range(experiment.seed, experiment.seed + experiment.embedding.seeds),
        splits=20 if experiment.uncertainty.split_halves is None else experiment.uncertainty.split_halves,
        families=_families(experiment),
        manifest=study_manifest(files=hashes, experiment=experiment.model_dump(mode="json", exclude_none=True)),
    )
    return f"{summary}\n\n{write_study(models_study(comparison), folder / MODELS)}"


def _options(experiment: PredictionsExperiment) -> AnalysisOptions:
    """Return how the pooled predictions become an analysis."""
    return AnalysisOptions(
        title=experiment.title,
        description=experiment.description,
        seed=experiment.seed,
        pairs=experiment.pairs,
        embedding=experiment.embedding,
        uncertainty=experiment.uncertainty,
        report=experiment.report,
    )


def read_classifiers(section: PredictionsSection, *, keep: int = DEFAULT_KEEP) -> dict[str, Predictions]:
    """Read what an experiment's section [predictions] names: name -> predictions of the same pictures in one order.

    Args:
        section: says which.
        keep: as in `confemb.load_predictions`.

    Raises:
        ConfembError: files that cannot be read or do not fit each other, or a classifier that is not among them.
    """
    names = None if section.classes is None else load_class_names(section.classes)
    found = load_classifiers(section.paths, class_names=names, keep=keep)
    for name in section.classifiers or []:
        if name not in found:
            raise unknown_name("classifier", name, found, where="predictions.classifiers")
    wanted = section.classifiers or list(found)
    joined = join_pictures([found[name] for name in wanted])
    return dict(zip(wanted, joined, strict=True))


def _families(experiment: PredictionsExperiment) -> dict[str, list[str]]:
    """Return the families, of the chosen classifiers only where some were chosen."""
    chosen = experiment.predictions.classifiers
    if chosen is None:
        return experiment.families
    kept = {family: [name for name in members if name in chosen] for family, members in experiment.families.items()}
    return {family: members for family, members in kept.items() if members}
