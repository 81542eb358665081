"""Makes the files of the readers in `made_elsewhere.py`: python -m tests.torture.readers.make_files FOLDER."""

import importlib.util
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.readers.reader import TFDS_SET


def make_space(folder: Path) -> None:
    """Write a small space of captions, not trained."""
    from flax import nnx

    from confemb.spaces.captions.model import JointModel, place_all
    from confemb.spaces.captions.settings import CaptionsExperiment, SpaceSection
    from confemb.spaces.captions.sources import Captions
    from confemb.spaces.captions.space import JointSpace
    from confemb.spaces.captions.text import Vocabulary

    experiment = CaptionsExperiment(name="small", title="Small", space=SpaceSection(dim=4, word_dim=3))
    vocabulary = Vocabulary(("<eos>", "cat", "dog", "naïve"))
    rows = [("a.jpg", "a cat"), ("a.jpg", "naïve cat"), ("b.jpg", "a dog"), ("c.jpg", "cat dog")]
    captions = Captions.of_rows("captions", iter(rows))
    features = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    model = JointModel(experiment.space, features=5, words=len(vocabulary), rngs=nnx.Rngs(0))
    ids = vocabulary.encode(captions.texts, length=4)
    places = place_all(model, features, "pictures"), place_all(model, ids, "captions")
    parts = np.array(["train", "validation", "test"])
    JointSpace(experiment, model, vocabulary, captions, parts, *places).save(folder)


def make_tfds(folder: Path) -> None:
    """Let TFDS prepare a small set of grey pictures."""
    from PIL import Image

    from confemb.datasets.tfds_source import prepare, quiet_tfds

    with quiet_tfds() as tfds:

        class Grey(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[misc,call-arg]
            name = TFDS_SET
            VERSION = tfds.core.Version("1.0.0")

            def _info(self) -> Any:
                features = {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(names=["zebra", "ant"]),
                }
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, manager: Any) -> Any:
                return {"train": self._generate_examples(6), "test": self._generate_examples(3)}

            def _generate_examples(self, rows: int) -> Any:
                for row in range(rows):
                    encoded = io.BytesIO()
                    Image.fromarray(np.full((8, 8), 20 * row, np.uint8)).save(encoded, format="png")
                    encoded.seek(0)
                    yield row, {"id": f"{row:04d}", "image": encoded, "label": row % 2}

    scratch = folder.with_name("scratch")
    prepare(lambda data_dir: Grey(data_dir=str(data_dir), file_format="array_record"), scratch, folder)


def make_onnx(path: Path) -> None:
    """Write an ONNX file that multiplies rows (n, 3) by a table; nothing where its libraries are not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime")):
        return
    import onnx
    from onnx import TensorProto, helper

    ends = [
        helper.make_tensor_value_info(*end)
        for end in (("rows", TensorProto.FLOAT, ["n", 3]), ("scores", TensorProto.FLOAT, ["n", 2]))
    ]
    table = onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "table")
    node = helper.make_node("MatMul", ["rows", "table"], ["scores"])
    graph = helper.make_graph([node], "graph", ends[:1], ends[1:], [table])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def main() -> None:
    """Make the files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    make_space(folder / "space")
    make_tfds(folder / "tfds")
    make_onnx(folder / "linear.onnx")


if __name__ == "__main__":
    main()
