"""Each family of models gives the scores that its own library gives."""

import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "models"))

import tiny_models as tiny

from confemb.classifiers.data.decoding import Recording, decode
from confemb.classifiers.models.model_names import open_model
from confemb.classifiers.scoring_records import ModelSettings
from confemb.support.errors import ConfembError

TEXTS = ["the good film", "a bad play of the cat .", "dog", "is this a good example of a car , is this"]
CLASSES = ModelSettings(class_names=tiny.NAMES)


def pictures(count=5, size=24):
    rng = np.random.default_rng(1)
    return [Image.fromarray(rng.integers(0, 256, (size, size + 4, 3), dtype=np.uint8)) for _ in range(count)]


def softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def pipeline_probs(results, names):
    return np.array([[{r["label"]: r["score"] for r in one}[name] for name in names] for one in results])


def test_hf_pictures_as_the_pipeline(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = tiny.vit(tmp_path / "vit")
    model = open_model(f"hf:{folder}", data_kind="picture")
    assert (model.class_names, model.takes, model.logits) == (tiny.NAMES, ("picture",), True)
    items = pictures()
    theirs = transformers.pipeline("image-classification", str(folder), device="cpu")(items, top_k=3)
    assert np.allclose(softmax(model.scores(items)), pipeline_probs(theirs, tiny.NAMES), atol=1e-5)


def test_hf_texts_as_the_pipeline(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = tiny.bert(tmp_path / "bert")
    model = open_model(f"hf:{folder}", data_kind="text")
    theirs = transformers.pipeline("text-classification", str(folder), device="cpu")(TEXTS, top_k=3, truncation=True)
    assert np.allclose(softmax(model.scores(TEXTS)), pipeline_probs(theirs, tiny.NAMES), atol=1e-5)


def test_hf_recordings_as_the_pipeline(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = tiny.wav2vec(tmp_path / "wav2vec")
    model = open_model(f"hf:{folder}", data_kind="audio")
    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=n).astype(np.float32) * 0.1 for n in (900, 900, 900)]
    theirs = transformers.pipeline("audio-classification", str(folder), device="cpu")(
        [{"raw": s, "sampling_rate": 8000} for s in sounds], top_k=3
    )
    own = softmax(model.scores([Recording(s, 8000) for s in sounds]))
    assert np.allclose(own, pipeline_probs(theirs, tiny.NAMES), atol=1e-4)


def test_hf_zero_shot_texts_as_the_pipeline(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = tiny.bert(tmp_path / "nli", names=("contradiction", "neutral", "entailment"))
    settings = ModelSettings(prompts="this is a {} .")
    model = open_model(f"hf:{folder}", settings, data_kind="text", label_names=tiny.NAMES)
    assert model.class_names == tiny.NAMES
    theirs = transformers.pipeline("zero-shot-classification", str(folder), device="cpu")(
        TEXTS, list(tiny.NAMES), hypothesis_template="this is a {} ."
    )
    expected = np.array([[dict(zip(r["labels"], r["scores"], strict=True))[n] for n in tiny.NAMES] for r in theirs])
    assert np.allclose(softmax(model.scores(TEXTS)), expected, atol=1e-5)
    # Several prompts a class: the best of them counts.
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps({"cat": ["a cat", "this is a cat ."], "dog": "this is a dog .", "car": "a car"}))
    several = open_model(f"hf:{folder}", ModelSettings(prompts=str(file)), label_names=tiny.NAMES).scores(TEXTS)
    one = model.scores(TEXTS)
    assert (several[:, 0] >= one[:, 0] - 1e-6).all()
    assert np.allclose(several[:, 1], one[:, 1], atol=1e-6)
    with pytest.raises(ConfembError, match="not a model of natural-language inference"):
        open_model(f"hf:{tiny.bert(tmp_path / 'plain')}", settings, label_names=tiny.NAMES)


def test_hf_refuses_what_is_not_a_classifier(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(ConfembError, match="say clip:"):
        open_model(f"hf:{tiny.clip(tmp_path / 'clip')}")
    with pytest.raises(ConfembError, match="cannot be loaded"):
        open_model(f"hf:{tmp_path / 'nowhere'}")
    folder = tiny.vit(tmp_path / "vit")
    with pytest.raises(ConfembError, match="3 classes, but 2 names"):
        open_model(f"hf:{folder}", ModelSettings(class_names=("a", "b")))
    with pytest.raises(ConfembError, match="scores pictures, and the data holds texts"):
        open_model(f"hf:{folder}", data_kind="text")
    with pytest.raises(ConfembError, match="does not take --checkpoint"):
        open_model(f"hf:{folder}", ModelSettings(checkpoint=Path("x")))


def test_clip_as_the_pipeline(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = tiny.clip(tmp_path / "clip")
    settings = ModelSettings(prompts="a photo of a {}.")
    model = open_model(f"clip:{folder}", settings, data_kind="picture", label_names=tiny.NAMES)
    items = pictures()
    theirs = transformers.pipeline("zero-shot-image-classification", str(folder), device="cpu")(
        items, candidate_labels=list(tiny.NAMES), hypothesis_template="a photo of a {}."
    )
    assert np.allclose(softmax(model.scores(items)), pipeline_probs(theirs, tiny.NAMES), atol=1e-4)
    # The same prompt twice is the same vector.
    file = tmp_path / "templates.txt"
    file.write_text("a photo of a {}.\na photo of a {}.\n")
    twice = open_model(f"clip:{folder}", ModelSettings(prompts=str(file)), label_names=tiny.NAMES)
    assert np.allclose(twice.scores(items), model.scores(items), atol=1e-4)
    with pytest.raises(ConfembError, match="neither a template"):
        open_model(f"clip:{folder}", ModelSettings(prompts="photo"), label_names=tiny.NAMES)
    with pytest.raises(ConfembError, match="needs classes"):
        open_model(f"clip:{folder}")
    with pytest.raises(ConfembError, match="no joint space"):
        open_model(f"clip:{tiny.bert(tmp_path / 'bert')}", label_names=tiny.NAMES)


def test_open_clip_as_its_own_loop(tmp_path):
    open_clip = pytest.importorskip("open_clip")
    torch = tiny.seeded()
    from safetensors.torch import save_file

    config = {
        "embed_dim": 8,
        "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    network = open_clip.CLIP(**config)
    save_file(network.state_dict(), tmp_path / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"size": 16, "mode": "RGB", **preprocess}})
    )
    model = open_model(f"clip:{tmp_path}", data_kind="picture", label_names=tiny.NAMES)
    own, transform = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path}")
    items = pictures()
    with torch.no_grad():
        own.eval()
        texts = own.encode_text(tokenizer([f"a photo of a {n}." for n in tiny.NAMES]), normalize=True)
        seen = own.encode_image(torch.stack([transform(p) for p in items]), normalize=True)
        expected = (seen @ texts.T * own.logit_scale.exp()).numpy()
    assert np.allclose(model.scores(items), expected, atol=1e-4)


def test_timm_as_its_own_loop(tmp_path):
    timm = pytest.importorskip("timm")
    torch = tiny.seeded()
    from safetensors.torch import save_file

    network = timm.create_model("test_resnet", pretrained=False, num_classes=3)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    settings = ModelSettings(class_names=tiny.NAMES, checkpoint=tmp_path / "w.safetensors")
    model = open_model("timm:test_resnet", settings, data_kind="picture")
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    items = pictures(size=200)
    with torch.no_grad():
        expected = network.eval()(torch.stack([transform(p) for p in items])).numpy()
    assert np.allclose(model.scores(items), expected, atol=1e-5)
    with pytest.raises(ConfembError, match="cannot be made"):
        open_model("timm:no_such_model", settings)
    with pytest.raises(ConfembError, match="no checkpoint"):
        open_model("timm:test_resnet", ModelSettings(checkpoint=tmp_path / "none", class_names=tiny.NAMES))


def test_timm_refuses_a_pickled_object(tmp_path):
    pytest.importorskip("timm")
    torch = tiny.seeded()

    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"state_dict": Payload()}, tmp_path / "bad.pth")
    with pytest.raises(ConfembError):
        open_model("timm:test_resnet", ModelSettings(checkpoint=tmp_path / "bad.pth", class_names=tiny.NAMES))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("softmaxed", [False, True])
def test_onnx_rows_and_pictures(tmp_path, softmaxed):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    weights = tiny.onnx_linear(tmp_path / "rows.onnx", pictures=False, softmax=softmaxed)
    model = open_model(f"onnx:{tmp_path / 'rows.onnx'}", data_kind="row")
    rows = list(np.random.default_rng(0).normal(size=(4, 12)))
    expected = np.array(rows) @ weights
    assert np.allclose(model.scores(rows), softmax(expected) if softmaxed else expected, atol=1e-5)
    assert model.class_names == tiny.NAMES
    weights = tiny.onnx_linear(tmp_path / "pictures.onnx", pictures=True, names=None)
    with pytest.raises(ConfembError, match="--classes"):
        open_model(f"onnx:{tmp_path / 'pictures.onnx'}")
    with pytest.raises(ConfembError, match="--preprocess"):
        open_model(f"onnx:{tmp_path / 'pictures.onnx'}", CLASSES)
    pixels = np.random.default_rng(2).integers(0, 256, (3, 2, 2, 3), dtype=np.uint8)
    model = open_model(
        f"onnx:{tmp_path / 'pictures.onnx'}", ModelSettings(class_names=tiny.NAMES, preprocess="symmetric")
    )
    scaled = (pixels / 255 - 0.5) / 0.5
    expected = scaled.transpose(0, 3, 1, 2).reshape(3, 12) @ weights
    assert np.allclose(model.scores([Image.fromarray(p) for p in pixels]), expected, atol=1e-5)


def exported(path, module, example, **options):
    torch = pytest.importorskip("torch")
    program = torch.export.export(module.eval(), (example,), **options)
    torch.export.save(program, str(path))


def test_exported_torch(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    path = tmp_path / "net.pt2"
    batch = torch.export.Dim("batch")
    exported(path, module, torch.zeros(2, 3, 2, 2), dynamic_shapes=({0: batch},))
    settings = ModelSettings(class_names=tiny.NAMES, preprocess="unit")
    model = open_model(f"torch:{path}", settings, data_kind="picture")
    pixels = np.random.default_rng(2).integers(0, 256, (5, 2, 2, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = module(torch.from_numpy(pixels.transpose(0, 3, 1, 2) / 255).float()).numpy()
    assert np.allclose(model.scores([Image.fromarray(p) for p in pixels]), expected, atol=1e-5)
    # One of a fixed batch size is filled up.
    exported(tmp_path / "fixed.pt2", torch.nn.Linear(4, 3), torch.zeros(8, 4))
    fixed = open_model(f"torch:{tmp_path / 'fixed.pt2'}", CLASSES, data_kind="row")
    assert fixed.batch_size == 8
    assert fixed.scores([np.zeros(4)] * 3).shape == (3, 3)


def rewritten(source, target, change):
    """Copy a zip archive, its files changed by `change(name, data)`."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            new.writestr(info.filename, change(info.filename, old.read(info.filename)))


def test_exported_torch_runs_nothing_from_a_file(tmp_path):
    torch = pytest.importorskip("torch")
    import pickle

    batch = torch.export.Dim("batch")
    exported(tmp_path / "good.pt2", torch.nn.Linear(4, 3), torch.zeros(2, 4), dynamic_shapes=({0: batch},))

    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    def pickled_inputs(name, data):
        return pickle.dumps(Payload()) if "sample_inputs" in name else data

    def pickled_weight(name, data):
        if not (name.endswith(".json") and "/data/weights/" in name):
            return data
        config = json.loads(data)
        for about in config["config"].values():
            about["use_pickle"] = True
        return json.dumps(config).encode()

    def evaluated(name, data):
        if "/models/" not in name:
            return data
        assert b"expr_str" in data
        evil = f"open({str(tmp_path / 'ran')!r}, 'w')"

        def replace(value):
            if isinstance(value, dict):
                return {k: evil if k == "expr_str" else replace(v) for k, v in value.items()}
            return [replace(v) for v in value] if isinstance(value, list) else value

        return json.dumps(replace(json.loads(data))).encode()

    def called(name, data):
        return data.replace(b"torch.ops.aten.linear.default", b"torch.load") if "/models/" in name else data

    def named(name, data):
        return re.sub(rb'"name": "input"', b'"name": "input=print(1)"', data) if "/models/" in name else data

    for number, change in enumerate((pickled_inputs, pickled_weight, evaluated, called, named)):
        path = tmp_path / f"bad{number}.pt2"
        rewritten(tmp_path / "good.pt2", path, change)
        with pytest.raises(ConfembError, match="run code|pickled"):
            open_model(f"torch:{path}", CLASSES)
    assert not (tmp_path / "ran").exists()
    (tmp_path / "none.pt2").write_bytes(b"no zip")
    with pytest.raises(ConfembError, match="broken"):
        open_model(f"torch:{tmp_path / 'none.pt2'}", CLASSES)
    assert open_model(f"torch:{tmp_path / 'good.pt2'}", CLASSES).takes == ("row",)


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("Symbol('s31', positive=True, integer=True)", True),
        ("Add(Mul(Integer(2), Symbol('s7', integer=True)), Integer(1))", True),
        ("2*s0 + 1", True),
        ("FloorDiv(s0, 2) >= 4", True),
        ("int_oo", True),
        ("open('x', 'w')", False),
        ("__import__('os')", False),
        ("Symbol('s1').name", False),
        ("Symbol('open(1)')", False),
        ("[1]", False),
        ("(lambda: 1)()", False),
        ("1; 2", False),
    ],
)
def test_sizes_are_arithmetic(expression, accepted):
    from confemb.classifiers.models.exported_torch import is_size

    assert is_size(expression) is accepted


def test_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    )
    network.save(tmp_path / "net.keras")
    settings = ModelSettings(class_names=tiny.NAMES, preprocess="unit")
    model = open_model(f"keras:{tmp_path / 'net.keras'}", settings, data_kind="picture")
    pixels = np.random.default_rng(2).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    expected = network.predict(pixels / 255.0, verbose=0)
    assert np.allclose(model.scores([Image.fromarray(p) for p in pixels]), expected, atol=1e-5)
    unsafe = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(3)])
    unsafe.save(tmp_path / "unsafe.keras")
    with pytest.raises(ConfembError, match="safe mode"):
        open_model(f"keras:{tmp_path / 'unsafe.keras'}", CLASSES)
    with pytest.raises(ConfembError, match=r"end in \.keras"):
        open_model("keras:net.h5", CLASSES)


class Custom:
    def __init__(self):
        self.classes_ = np.array(["a"])


def test_sklearn(tmp_path):
    sio = pytest.importorskip("skops.io")
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    texts = ["a cat", "the dog", "cat cat", "dog is"]
    fitted = make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts, ["cat", "dog", "cat", "dog"])
    sio.dump(fitted, tmp_path / "texts.skops")
    model = open_model(f"sklearn:{tmp_path / 'texts.skops'}", data_kind="text")
    assert model.class_names == ("cat", "dog")
    assert np.allclose(model.scores(texts), fitted.predict_proba(texts))
    rows = np.random.default_rng(0).normal(size=(20, 4))
    numbers = LogisticRegression().fit(rows, np.arange(20) % 3 + 1)
    sio.dump(numbers, tmp_path / "rows.skops")
    model = open_model(f"sklearn:{tmp_path / 'rows.skops'}", data_kind="row")
    # Classes are called by their values, not by their places.
    assert model.class_names == ("1", "2", "3")
    assert np.allclose(model.scores(list(rows)), numbers.predict_proba(rows))
    sio.dump(Custom(), tmp_path / "custom.skops")
    with pytest.raises(ConfembError, match="does not know to be safe"):
        open_model(f"sklearn:{tmp_path / 'custom.skops'}")


def test_python(tmp_path, monkeypatch):
    (tmp_path / "own_model.py").write_text(
        "import numpy as np\n"
        "class_names = ['short', 'long']\n"
        "def by_length(texts):\n"
        "    return np.array([[1 / len(t), 1 - 1 / len(t)] for t in texts])\n"
        "class Classifier:\n"
        "    class_names = ('a', 'b')\n"
        "    logits = True\n"
        "    takes = 'text'\n"
        "    def scores(self, batch):\n"
        "        return np.array([[len(t), 0.0] for t in batch])\n"
        "def nameless(batch): ...\n"
        "nameless.class_names = None\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    for where in ("own_model", str(tmp_path / "own_model.py")):
        model = open_model(f"python:{where}:by_length", data_kind="text")
        assert model.class_names == ("short", "long")
        assert np.allclose(model.scores(["a", "abcd"]), [[1, 0], [0.25, 0.75]])
        assert any("running the code of" in note for note in model.notes)
    classifier = open_model("python:own_model:Classifier")
    assert (classifier.takes, classifier.logits, classifier.class_names) == (("text",), True, ("a", "b"))
    for name, said in (
        ("own_model:none", "has no 'none'"),
        ("own_model:number", "neither"),
        ("no_module:x", "imported"),
    ):
        with pytest.raises(ConfembError, match=said):
            open_model(f"python:{name}")


def test_names_that_are_not_known():
    with pytest.raises(ConfembError, match="unknown model"):
        open_model("resnet9000")
    with pytest.raises(ConfembError, match="lacks what to open"):
        open_model("timm:")


def test_recordings(tmp_path):
    samples = np.sin(np.arange(8000) / 8000 * 2 * np.pi * 440).astype(np.float32) * 0.5
    tiny.write_wav(tmp_path / "a.wav", samples)
    recording = decode(tmp_path / "a.wav", "audio", where="a.wav")
    assert recording.rate == 8000
    assert np.allclose(recording.samples, samples, atol=1e-4)
    doubled = recording.at_rate(16000)
    assert len(doubled) == 16000
    # A tone below both Nyquist frequencies stays the same.
    expected = np.sin(np.arange(16000) / 16000 * 2 * np.pi * 440) * 0.5
    assert np.abs(doubled - expected)[200:-200].max() < 0.01
