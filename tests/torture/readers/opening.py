"""Where confemb opens files for reading, by its source: so that no reader is forgotten by the trials.

`opens()` lists the functions in whose text a file is opened; `reached()` says which functions a reader comes through.
`test_torture.py` compares the two: each of the former is reached by a reader of the trials, or stands here with the
reason why not.
"""

import ast
import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

import confemb
from confemb.support.errors import ConfembError
from tests.torture.fuzz import place
from tests.torture.readers.reader import Reader

PACKAGE = Path(confemb.__path__[0])
# Functions that open by whatever they are called from, and those of libraries' modules.
OPENERS = {
    *("open", "open_file", "read_bytes", "read_text", "read_lines", "unpacked_gzip", "open_memmap", "memmap"),
    *("fromfile", "loadtxt", "genfromtxt", "read_csv", "read_parquet", "read_table", "safe_open", "from_pretrained"),
    *("ParquetFile", "InferenceSession", "restore"),
}
OF_MODULES = {
    f"{module}.{name}"
    for modules, names in (
        (("np", "torch", "json", "tomllib", "pickle", "yaml", "onnx"), ("load", "loads")),
        (("h5py", "zipfile"), ("File", "ZipFile")),
    )
    for module in modules
    for name in names
}

# Reached only by `fresh` readers, see `all_readers`.
FRESH = {
    "classifiers/adapters/onnx.py:_open",
    "spaces/captions/space.py:JointSpace._read",
    "spaces/captions/space.py:_read_captions",
    "datasets/tfds_source.py:_check_files",
}
OWN_TEXT = "it is part of confemb, or was made by it a moment before"
PINNED = "a download that is used only if it has a known SHA-256"
TRANSFORMERS = "transformers reads: safetensors only, no code"
EXPORTED = "tests/classifiers/models/test_model_families.py changes its files"
ORBAX = "Orbax reads its own checkpoints; tests/networks/training/test_loop.py damages them"
NOT_FUZZED = {
    "stats/count_replicates.py:CountReplicates.save": "it writes",
    "spaces/captions/run.py:_train_captions": OWN_TEXT,
    "classifiers/adapters/huggingface.py:HuggingFaceClassifier.load": TRANSFORMERS,
    "classifiers/models/transformers_models.py:_configuration": TRANSFORMERS,
    "classifiers/models/transformers_models.py:_open_audio": TRANSFORMERS,
    "classifiers/models/transformers_models.py:_open_pictures": TRANSFORMERS,
    "classifiers/models/transformers_models.py:_tokenizer": TRANSFORMERS,
    "classifiers/models/transformers_models.py:load_weights": TRANSFORMERS,
    "classifiers/models/clip_models.py:_transformers_encoders": TRANSFORMERS,
    "classifiers/models/exported_torch.py:_json": EXPORTED,
    "classifiers/models/exported_torch.py:check_archive": EXPORTED,
    "classifiers/models/onnx_models.py:_names_in": "it parses what ONNX Runtime has read",
    "classifiers/score_parts.py:write_all_scores": "it writes",
    "spaces/captions/training.py:train_space": ORBAX,
    "cli/app.py:_open_closed_streams": "standard streams that were closed are led nowhere",
    "networks/training/checkpoints.py:Checkpoints.restore": ORBAX,
    "datasets/cifar10.py:binary_rows.rows": PINNED,
    "datasets/cifar10.py:npm_rows.rows": PINNED,
    "networks/training/distributed.py:Team.share_file": OWN_TEXT,
    "networks/pretrained/keras_h5.py:answer": "it runs in the process that read_keras_h5 starts",
    "support/locks.py:alone_in": "a folder is opened to lock it",
    "support/output_folder.py:Mover._parent": "a folder is opened, so that no link is followed",
    "support/part_files.py:_refuse_others": "it looks whether the file is that of the manifest, which is tried",
    "references/cifar10h.py:canonical_labels": OWN_TEXT,
    "reporting/explorer/page.py:_read": OWN_TEXT,
    "reporting/html.py:_read": OWN_TEXT,
    "result/result.py:Result.frame": OWN_TEXT,
    "reporting/style.py:_with_fewer_colours": OWN_TEXT,
    "networks/training/loop.py:train": ORBAX,
    "pipeline/unknown_run.py:held_out_logits": "its file is used only if it has the SHA-256 of the manifest",
    "references/wordnet_database.py:fetch_wordnet": PINNED,
}


def opens() -> set[str]:
    """Return the functions of confemb that open a file for reading: "records/pairs.py:PairCounts.load"."""
    found = set()
    for file in sorted(PACKAGE.rglob("*.py")):
        where = file.relative_to(PACKAGE).as_posix()
        found |= {f"{where}:{name}" for name in _within(ast.parse(file.read_text(encoding="utf-8")), ())}
    return found


def _within(node: ast.AST, outer: tuple[str, ...]) -> Iterable[str]:
    for child in ast.iter_child_nodes(node):
        inner = (*outer, child.name) if isinstance(child, ast.FunctionDef | ast.ClassDef) else outer
        if isinstance(child, ast.Call) and _is_opening(child):
            yield ".".join(inner)
        yield from _within(child, inner)


def _is_opening(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name in OF_MODULES:
        return True
    # `temporary.open("wb")` and `open(temporary, "wb")` write.
    texts = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    writes = any(isinstance(text, str) and set(text) & set("wax+") and len(text) <= 3 for text in texts)
    return name.split(".")[-1] in OPENERS and not writes


def reached(readers: Iterable[Reader], folder: Path) -> set[str]:
    """Return the functions of confemb that run while sound files are read, named as in `opens`."""
    files: dict[str, str] = {}
    found = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code
            if code.co_filename not in files:
                path = Path(code.co_filename)
                files[code.co_filename] = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else ""
            if files[code.co_filename]:
                found.add(f"{files[code.co_filename]}:{code.co_qualname.replace('.<locals>', '')}")

    for number, reader in enumerate(readers):
        for seed in range(len(reader.seeds)):
            path = place(reader, folder / f"{number}-{seed}", reader.seeds[seed])
            sys.setprofile(watch)
            try:
                # One is pinned by its hash: no small file can stand for it.
                with contextlib.suppress(ConfembError):
                    reader.read(path)
            finally:
                sys.setprofile(None)
    return found
