"""References: similarities from elsewhere to compare a result with.

A reference is named "paper", "cifar10h", "wordnet:wup", "glove:FILE", "captions:SPACE", "distances:FILE",
"similarities:FILE", "groups:FILE", or by another result's folder or square CSV. `comparison` says how well two
similarities agree.

May import: support, records, datasets, embedders, stats. A reference that needs a higher room registers itself as an
entry point (`captions`).
Start reading at: `Reference` here, then `paper`.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from confemb.records.similarity import SimilarityMatrix
from confemb.support.errors import ConfembError, quoted_list, unknown_name
from confemb.support.files import is_there
from confemb.support.progress import Progress
from confemb.support.registry import Registry

REFERENCES = Registry(
    "reference",
    "confemb.references",
    {
        "cifar10h": "confemb.references.cifar10h:cifar10h_reference",
        "distances": "confemb.references.tables:distances_reference",
        "glove": "confemb.references.glove:glove_reference",
        "groups": "confemb.references.tables:groups_reference",
        "paper": "confemb.references.paper:paper_reference",
        "result": "confemb.references.result:result_reference",
        "similarities": "confemb.references.tables:similarities_reference",
        "wordnet": "confemb.references.wordnet:wordnet_reference",
    },
)

# What `confemb fetch` gets, and the function that does.
REFERENCE_FILES = {
    "cifar10h": "confemb.references.cifar10h:fetch_cifar10h",
    "wordnet": "confemb.references.wordnet_database:fetch_wordnet",
}


@dataclass(frozen=True)
class NoiseCeiling:
    """How well a reference agrees with itself.

    A noiseless measure of the same thing would agree with the whole reference at about the root of `whole`; beyond that
    agreement is with the reference's noise.

    Attributes:
        halves: the mean Spearman correlation of the similarities from two random halves, from -1 to 1.
        whole: what follows for the whole reference, 2 r / (1 + r) (Spearman 1910; Brown 1910), averaged over splits.
        split: what was halved, "pictures".
        splits: how many random splits.
    """

    halves: float
    whole: float
    split: str
    splits: int


class Reference(Protocol):
    """Similarities that can be asked for by class names.

    Attributes:
        name: how it was named, "wordnet:wup".
        title: what it is called in a sentence, "WordNet (Wu-Palmer)".
        class_names: the classes it knows, or None where any name may be asked for.
    """

    name: str
    title: str
    class_names: tuple[str, ...] | None

    def similarity(self, class_names: Sequence[str]) -> SimilarityMatrix:
        """Return the similarities of those of the classes that are known, in the order asked for.

        Raises:
            ConfembError: fewer than two of them are known, or the data it rests on is missing.
        """
        ...

    def noise_ceiling(self, class_names: Sequence[str]) -> NoiseCeiling | None:
        """Return how well it agrees with itself over those classes; None where that cannot be told."""
        ...


@dataclass(frozen=True, eq=False)
class KnownSimilarities:
    """A reference whose similarities are a matrix: a table, another result."""

    name: str
    title: str
    matrix: SimilarityMatrix

    @property
    def class_names(self) -> tuple[str, ...]:
        """The matrix's classes."""
        return self.matrix.class_names

    def similarity(self, class_names: Sequence[str]) -> SimilarityMatrix:
        """Return the matrix of those of the classes that it has."""
        return self.matrix.restricted_to(known_classes(self.name, class_names, set(self.matrix.class_names)))

    def noise_ceiling(self, class_names: Sequence[str]) -> None:
        """Return None: a matrix alone does not say how sure it is."""
        return


def known_ceilings(references: Sequence[Reference], class_names: Sequence[str]) -> dict[str, NoiseCeiling]:
    """Return by title how well the references agree with themselves, without those of which that is not known."""
    found = {one.title: one.noise_ceiling(class_names) for one in references}
    return {title: ceiling for title, ceiling in found.items() if ceiling is not None}


def open_reference(text: str, *, kind: str | None = None) -> Reference:
    """Return the reference of that name, with what stands behind a colon as its argument; or a result, by its path.

    Args:
        text: the name or path.
        kind: what a square CSV holds, "similarity" or "distance"; None: similarities, unless they look otherwise.

    Raises:
        ConfembError: an unknown name, an argument it cannot use, or a path that holds no result.
    """
    name, colon, argument = text.partition(":")
    if name == "result" or (name not in REFERENCES.names() and is_there(text)):
        path = (argument if colon else None) if name == "result" else text
        result: Reference = REFERENCES.get("result")(path, kind=kind)
        return result
    if name in REFERENCES.names():
        reference: Reference = REFERENCES.get(name)(argument if colon else None)
        return reference
    raise unknown_name("reference", text, [*REFERENCES.names(), "a result folder", "a square CSV"])


def fetch_reference(name: str, progress: Progress | None = None) -> Path:
    """Get the file or folder that a reference of `REFERENCE_FILES` rests on into the cache, unless it is there.

    Raises:
        ConfembError: an unknown name, a source that cannot be reached, or something other than what was expected.
    """
    if name not in REFERENCE_FILES:
        raise unknown_name("reference", name, REFERENCE_FILES)
    module, _, function = REFERENCE_FILES[name].partition(":")
    found: Path = getattr(importlib.import_module(module), function)(progress)
    return found


def no_argument(name: str, argument: str | None) -> None:
    """Raise ConfembError where a reference that takes no argument is given one."""
    if argument is not None:
        raise ConfembError(f"the reference {name!r} takes nothing behind a colon: leave out {':' + argument!r}.")


def known_classes(name: str, class_names: Sequence[str], known: set[str]) -> tuple[str, ...]:
    """Return those of the classes that the reference `name` knows.

    Raises:
        ConfembError: fewer than two.
    """
    found = tuple(class_name for class_name in class_names if class_name in known)
    if len(found) < 2:
        raise ConfembError(
            f"the reference {name!r} knows fewer than 2 of the classes ({quoted_list(class_names, limit=3)}): "
            "class names must be alike; give another reference, or none."
        )
    return found


def left_out(class_names: Sequence[str], similarity: SimilarityMatrix) -> list[str]:
    """Return the classes that were asked for and that a reference does not know."""
    known = set(similarity.class_names)
    return [name for name in class_names if name not in known]
