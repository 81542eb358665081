"""Class names placed in a joint space as a reference: what captions of photographs make of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from confemb.records.embedding import cosines
from confemb.records.similarity import SimilarityMatrix
from confemb.references import known_classes
from confemb.spaces.captions.space import JointSpace
from confemb.support.errors import ConfembError


@dataclass(frozen=True)
class SpaceReference:
    """Cosine of the class names' places in a joint space of pictures and captions, from -1 to 1.

    A name is read as a caption of its words, as "golden retriever". A name with a word that the space does not know is
    left out.

    Attributes:
        path: the space's folder.
    """

    path: str
    class_names: None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """How it is named."""
        return f"captions:{self.path}"

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return f"pictures and captions ({Path(self.path).name})"

    def similarity(self, class_names: Sequence[str]) -> SimilarityMatrix:
        """Return the cosines of those of the class names whose words are all known."""
        sentences = {name: name.replace("_", " ") for name in class_names}
        known = {name for name, sentence in sentences.items() if not self._space.vocabulary.unknown(sentence)}
        names = known_classes(self.name, class_names, known)
        return SimilarityMatrix(cosines(self._space.place_captions([sentences[name] for name in names])), names)

    def noise_ceiling(self, class_names: Sequence[str]) -> None:
        """Return None: the space was trained once."""
        return

    @cached_property
    def _space(self) -> JointSpace:
        return JointSpace.load(self.path)


def space_reference(argument: str | None) -> SpaceReference:
    """Return a space in a folder; raises ConfembError without one."""
    if not argument:
        raise ConfembError('the reference "captions" needs the folder of a space: captions:FOLDER.')
    return SpaceReference(str(Path(argument).expanduser()))
