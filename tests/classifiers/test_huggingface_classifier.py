import importlib
import json

import numpy as np
import pytest

from confemb.classifiers.adapters.huggingface import HuggingFaceClassifier
from confemb.classifiers.classification import classify
from confemb.support.errors import ConfembError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from PIL import Image  # noqa: E402

NAMES = ("cat", "dog", "owl")
LABELS = np.arange(5) % 3
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), dtype=np.uint8)
TEXTS = ["a cat sat", "the dog", "an owl flew over a cat and the dog", "cat", "dog dog dog"]
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "an",
    "the",
    "cat",
    "dog",
    "owl",
    "sat",
    "flew",
    "over",
    "and",
]


def labelled(names):
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def image_model(names=NAMES):
    torch.manual_seed(0)
    sizes = {"image_size": 8, "patch_size": 4, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.ViTConfig(**sizes, intermediate_size=8, hidden_dropout_prob=0.5, **labelled(names))
    return transformers.ViTForImageClassification(config)


@pytest.fixture(scope="module")
def image_processor():
    return transformers.ViTImageProcessor(size={"height": 8, "width": 8})


def text_model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=8, **sizes, **labelled(NAMES))
    return transformers.BertForSequenceClassification(config)


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)}, model_max_length=8)


def expected(model, encoded):
    with torch.no_grad():
        return torch.softmax(model.eval()(**encoded).logits, dim=1).numpy()


def test_pictures(image_processor):
    model = image_model()
    model.train()
    classifier = HuggingFaceClassifier(model, image_processor)
    assert classifier.class_names == NAMES
    found = classify(classifier, IMAGES, LABELS, NAMES, k=3, batch_size=2)
    assert model.training
    probs = expected(model, image_processor(images=[Image.fromarray(image) for image in IMAGES], return_tensors="pt"))
    np.testing.assert_array_equal(found.top_classes, np.argsort(-probs, axis=1))
    np.testing.assert_allclose(found.top_probs, -np.sort(-probs, axis=1), rtol=1e-4)
    assert found.classifier == "ViTForImageClassification"
    pictures = [Image.fromarray(image) for image in IMAGES]
    np.testing.assert_allclose(classifier.scores(pictures), classifier.scores(IMAGES), rtol=1e-4, atol=1e-6)


def test_texts_of_any_length(tokenizer):
    model = text_model()
    found = classify(HuggingFaceClassifier(model, tokenizer), TEXTS, LABELS, NAMES, k=3, batch_size=2)
    for i, text in enumerate(TEXTS):
        probs = expected(model, tokenizer([text], truncation=True, return_tensors="pt"))[0]
        np.testing.assert_array_equal(found.top_classes[i], np.argsort(-probs))
        np.testing.assert_allclose(found.top_probs[i], -np.sort(-probs), rtol=1e-4)


@pytest.mark.parametrize("kind", ["pictures", "texts"])
def test_a_folder_gives_the_model_back(kind, tmp_path, image_processor, tokenizer):
    model, processor, inputs = (
        (image_model(), image_processor, IMAGES) if kind == "pictures" else (text_model(), tokenizer, TEXTS)
    )
    model.save_pretrained(tmp_path / "mine")
    processor.save_pretrained(tmp_path / "mine")
    loaded = HuggingFaceClassifier.load(tmp_path / "mine")
    assert (loaded.name, loaded.class_names) == ("mine", NAMES)
    np.testing.assert_array_equal(loaded.scores(inputs), HuggingFaceClassifier(model, processor).scores(inputs))


def test_a_model_without_a_trained_head_is_refused(tmp_path, image_processor):
    image_model().vit.save_pretrained(tmp_path)
    image_processor.save_pretrained(tmp_path)
    with pytest.raises(ConfembError, match=r"lacks weights of ViTForImageClassification \('classifier\.bias', 'clas"):
        HuggingFaceClassifier.load(tmp_path)


def test_pickled_weights_and_foreign_code_are_refused(tmp_path, image_processor):
    model = image_model()
    model.save_pretrained(tmp_path)
    image_processor.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ConfembError, match="cannot be loaded .*safetensors"):
        HuggingFaceClassifier.load(tmp_path)
    (tmp_path / "own.py").write_text("raise RuntimeError('this was run')\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config.update(model_type="own", auto_map={"AutoConfig": "own.Config"})
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfembError, match="cannot be loaded"):
        HuggingFaceClassifier.load(tmp_path)


def test_other_kinds_of_model_are_refused(tmp_path):
    transformers.WhisperConfig().save_pretrained(tmp_path)
    with pytest.raises(ConfembError, match="is neither an image nor a text classifier"):
        HuggingFaceClassifier.load(tmp_path)


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch, tmp_path):
    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        ConfembError, match="the Hugging Face model 'nobody/nothing' cannot be loaded .*connect"
    ) as raised:
        HuggingFaceClassifier.load("nobody/nothing")
    assert "\n" not in str(raised.value)
    with pytest.raises(ConfembError, match="none' cannot be loaded"):
        HuggingFaceClassifier.load(tmp_path / "none")


def test_names_that_stand_twice_need_others(image_processor):
    model = image_model(("crane", "dog", "crane"))
    with pytest.raises(
        ConfembError, match=r"\(id2label\) cannot be used: the class name 'crane' stands twice.*class_names"
    ):
        HuggingFaceClassifier(model, image_processor)
    names = ("crane (bird)", "dog", "crane (machine)")
    assert HuggingFaceClassifier(model, image_processor, class_names=names).class_names == names
    with pytest.raises(ConfembError, match="has 3 classes, but there are 2 class names"):
        HuggingFaceClassifier(model, image_processor, class_names=names[:2])


def test_processors_that_do_not_fit():
    with pytest.raises(ConfembError, match="str is neither an image processor nor a tokenizer"):
        HuggingFaceClassifier(image_model(), "processor")
    bare = transformers.BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)})
    bare.pad_token = None
    with pytest.raises(ConfembError, match="the tokenizer of BertForSequenceClassification has no padding token"):
        HuggingFaceClassifier(text_model(), bare)
