"""Where an experiment's classifier comes from: trained here, made with weights from elsewhere, or a plug-in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confemb.datasets import Dataset
from confemb.datasets.options import DatasetOptions
from confemb.networks import CLASSIFIERS, WITH_WEIGHTS, check_options, make_network
from confemb.pipeline.experiment import Experiment
from confemb.records.classifier import BATCH_SIZE, Classifier
from confemb.support.errors import ConfembError
from confemb.support.progress import Progress

# A network for pictures of 224 x 224 has activations of some 20 MB a picture.
LARGE_PICTURE_BATCH_SIZE = 16


class TrainedHere:
    """A network of the registry that confemb trains on the dataset's training split."""

    needs_training = True
    picture_size: tuple[int, int] | None = None
    batch_size = BATCH_SIZE

    def __init__(self, experiment: Experiment) -> None:
        """Raise ConfembError for an unknown option, or an experiment that does not say how to train."""
        self._experiment = experiment
        check_options(experiment.classifier.name, experiment.classifier.options)
        if experiment.training is None:
            raise ConfembError(
                f"the experiment {experiment.name!r} lacks the section [training], which the classifier "
                f"{experiment.classifier.name!r} needs; add it."
            )

    def learns_from(self, dataset: DatasetOptions) -> list[str]:
        """Return the splits that training reads."""
        return [dataset.train] if dataset.test is None else [dataset.train, dataset.test]

    def identity(self) -> Any:
        """Return what its weights depend on besides data and seed, JSON-able."""
        from confemb.networks.training.smoothing import smoothing_identity

        dumped = self._experiment.model_dump(mode="json", exclude_none=True)
        assert self._experiment.training is not None
        smoothed = smoothing_identity(self._experiment.training)
        return [dumped["classifier"], dumped["training"], *([] if smoothed is None else [smoothed])]

    def own_names(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return the dataset's class names as this classifier calls them: it takes them over."""
        return tuple(class_names)

    def network(self, training: Dataset) -> Any:
        """Return the network with fresh weights."""
        return make_network(
            self._experiment.classifier.name,
            training.images.shape[1:],
            len(training.class_names),
            seed=self._experiment.seed,
            options=self._experiment.classifier.options,
        )

    def all_names(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return every class it tells apart, the dataset's being `class_names`: just those."""
        return tuple(class_names)

    def classifier(self, training: Dataset, weights: Path | None) -> Classifier:
        """Return the trained network as a classifier, its weights read from `weights`."""
        from confemb.classifiers.adapters.flax import FlaxClassifier
        from confemb.networks.pretrained.weights import load_weights

        assert weights is not None
        network = self.network(training)
        load_weights(network, weights)
        return FlaxClassifier(
            network,
            training.class_names,
            name=self._experiment.classifier.name,
            mirror=self._experiment.prediction.mirror,
        )


class WithWeights:
    """A network with weights from elsewhere: published ones by name, or a file."""

    needs_training = False
    batch_size = LARGE_PICTURE_BATCH_SIZE

    def __init__(self, experiment: Experiment, progress: Progress | None) -> None:
        """Get the weights; raises ConfembError for weights that cannot be had, or of another network."""
        from confemb.networks.pretrained.models import load_pretrained

        section = experiment.classifier
        assert section.weights is not None
        self._mirror = experiment.prediction.mirror
        self._pretrained = load_pretrained(
            section.weights, classifier=section.name, options=section.options, progress=progress
        )
        preprocessing = self._pretrained.network.preprocessing
        self.picture_size: tuple[int, int] | None = (preprocessing.resize, preprocessing.crop)

    def learns_from(self, dataset: DatasetOptions) -> list[str]:
        """Return no split: it has learned elsewhere."""
        return []

    def identity(self) -> Any:
        """Return the hash of the weights and what was said of them."""
        preprocessing = self._pretrained.network.preprocessing
        return [self._pretrained.classifier, self._pretrained.sha256, preprocessing.as_dict()]

    def own_names(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return the dataset's class names as this classifier calls them: ImageNet's wnids become names."""
        from confemb.records.imagenet import imagenet_classes

        names = {c.wnid: c.name for c in imagenet_classes()}
        known = set(self._pretrained.class_names)
        return tuple(name if name in known else names.get(name, name) for name in class_names)

    def all_names(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return every class it tells apart, of which the dataset may have only some."""
        return self._pretrained.class_names

    def classifier(self, training: Dataset, weights: Path | None) -> Classifier:
        """Return the network as a classifier over its own classes."""
        from confemb.classifiers.adapters.flax import FlaxClassifier

        return FlaxClassifier(
            self._pretrained.network,
            self._pretrained.class_names,
            name=self._pretrained.weights,
            mirror=self._mirror,
        )


class PlugIn:
    """A registered factory: `factory(training, *, seed, **options)` returns a classifier."""

    needs_training = False
    picture_size: tuple[int, int] | None = None
    batch_size = BATCH_SIZE

    def __init__(self, experiment: Experiment) -> None:
        """Raise ConfembError for options the factory does not take."""
        self._experiment = experiment
        check_options(experiment.classifier.name, experiment.classifier.options)
        if experiment.prediction.mirror:
            raise ConfembError(
                f"prediction.mirror works with networks only, and {experiment.classifier.name!r} is a plug-in; "
                "leave it out."
            )

    def learns_from(self, dataset: DatasetOptions) -> list[str]:
        """Return the split that the factory is given."""
        return [dataset.train]

    def identity(self) -> Any:
        """Return what it is made from."""
        return [self._experiment.classifier.model_dump(mode="json", exclude_none=True), self._experiment.seed]

    def own_names(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return the dataset's class names: a plug-in is asked for the same."""
        return tuple(class_names)

    def all_names(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return every class it tells apart, the dataset's being `class_names`: just those."""
        return tuple(class_names)

    def classifier(self, training: Dataset, weights: Path | None) -> Classifier:
        """Make the classifier from the training split."""
        section = self._experiment.classifier
        made: Classifier = CLASSIFIERS.get(section.name)(training, seed=self._experiment.seed, **section.options)
        return made


ClassifierSource = TrainedHere | WithWeights | PlugIn


def classifier_source(experiment: Experiment, *, progress: Progress | None = None) -> ClassifierSource:
    """Return where the experiment's classifier comes from.

    Raises:
        ConfembError: an unknown classifier or option, a network that is not trained here and has no weights.
    """
    section = experiment.classifier
    part = CLASSIFIERS.get(section.name)
    if section.weights is not None:
        return WithWeights(experiment, progress)
    if hasattr(part, "augment"):
        return TrainedHere(experiment)
    if section.name in WITH_WEIGHTS:
        raise ConfembError(
            f"the classifier {section.name!r} is not trained here; give it weights, for example "
            'classifier.weights = "resnet50:keras".'
        )
    return PlugIn(experiment)
