"""`hf:`: classifiers of the `transformers` library: pictures, texts, recordings, zero-shot texts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from confemb.classifiers.adapters.torch import to_numpy
from confemb.classifiers.fingerprints import folder_digest
from confemb.classifiers.models.prompts import DEFAULT_TEXT_TEMPLATE, load_prompts
from confemb.classifiers.models.torch_device import place_model
from confemb.classifiers.scoring_records import ItemKind, ModelSettings, OpenedModel
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.extras import import_extra

TEXT_BATCH, PICTURE_BATCH, AUDIO_BATCH = 32, 32, 8
# How many picture-processing and forward passes of one text against all prompts run together.
_ZERO_SHOT_PAIRS = 64


def open_transformers(
    name: str, settings: ModelSettings, data_kind: ItemKind | None, label_names: Sequence[str]
) -> OpenedModel:
    """Open an image, text or audio classifier, or an NLI model for zero-shot texts (where prompts are given).

    Only safetensors weights are read, and no code that comes with a model is run.

    Raises:
        ConfembError: transformers is missing, a model that cannot be had or is not a classifier.
    """
    transformers = load_transformers()
    config = _configuration(transformers, name)
    if "ForImageClassification" not in str(config.architectures) and hasattr(config, "vision_config"):
        raise ConfembError(f"{name} ({type(config).__name__}) knows no classes of its own: say clip:{name}.")
    if type(config) in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        opener: Callable[..., OpenedModel] = _open_pictures
    elif type(config) in transformers.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING and data_kind != "text":
        opener = _open_audio
    elif type(config) in transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        if settings.prompts is not None:
            return _open_zero_shot(transformers, name, config, settings, label_names)
        opener = _open_texts
    else:
        raise ConfembError(
            f"{name} ({type(config).__name__}) is not a classifier of pictures, texts or recordings; for zero-shot "
            "pictures say clip:NAME."
        )
    if settings.prompts is not None:
        raise ConfembError(f"{name} knows its own classes: leave --prompts out, or use a zero-shot model.")
    return opener(transformers, name, config, settings)


def load_transformers() -> Any:
    """Return the module, its log and its bars kept quiet; raises ConfembError where it is missing."""
    import_extra("torch", "hf", what="Hugging Face models")
    transformers = import_extra("transformers", "hf", what="Hugging Face models")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def model_identity(name: str, config: Any) -> dict[str, Any]:
    """Return what makes a model the same: the hash of its folder, or its commit on the hub."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return {"folder": folder.resolve().name, "sha256": folder_digest(folder)}
    return {"hub": name, "commit": getattr(config, "_commit_hash", None)}


def short_name(name: str) -> str:
    """Return what a model is called in results: its folder's name, or its name on the hub."""
    folder = Path(name).expanduser()
    return folder.resolve().name if folder.is_dir() else name


def load_part(name: str, load: Callable[[str], Any]) -> Any:
    """Return what `load` makes of a folder or a name on the hub; raises ConfembError where it cannot be had."""
    folder = Path(name).expanduser()
    try:
        return load(str(folder) if folder.is_dir() else name)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".:") if str(error).strip() else type(error).__name__
        raise ConfembError(
            f"the Hugging Face model {name!r} cannot be loaded ({reason}): check its name and the connection, or give "
            "a folder that holds it."
        ) from error


def load_weights(name: str, kind: Any, config: Any) -> Any:
    """Return a model of a class of transformers with its weights, none of which may be missing.

    Raises:
        ConfembError: weights that cannot be had, are not safetensors, or lack some.
    """
    model, loaded = load_part(
        name,
        lambda where: kind.from_pretrained(
            where, config=config, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        ),
    )
    if loaded["missing_keys"]:
        # transformers draws such weights at random and goes on.
        raise ConfembError(
            f"{name} lacks weights of {type(model).__name__} ({quoted_list(sorted(loaded['missing_keys']))}): it was "
            "not trained for this; choose a model that was."
        )
    return model


def own_class_names(config: Any, settings: ModelSettings, name: str) -> tuple[str, ...]:
    """Return the class names given, else those of the configuration; ImageNet's 1,000 get their unique names."""
    from confemb.networks.pretrained.hugging_face import _class_names

    labels = config.id2label
    if settings.class_names is not None:
        if len(settings.class_names) != len(labels):
            raise ConfembError(f"{name} has {len(labels)} classes, but {len(settings.class_names)} names are given.")
        return settings.class_names
    try:
        return _class_names([str(labels[i]) for i in range(len(labels))])
    except KeyError as error:
        raise ConfembError(f"the names of {name} (id2label) lack number {error}: give them with --classes.") from error


def _configuration(transformers: Any, name: str) -> Any:
    return load_part(name, lambda where: transformers.AutoConfig.from_pretrained(where, trust_remote_code=False))


def _inference(model: Any, device: str, output: str = "logits") -> Callable[[Any], np.ndarray]:
    torch = import_extra("torch", "hf", what="Hugging Face models")

    def forward(encoded: Any) -> np.ndarray:
        with torch.inference_mode():
            return to_numpy(getattr(model(**encoded.to(device)), output))

    return forward


def _open_pictures(transformers: Any, name: str, config: Any, settings: ModelSettings) -> OpenedModel:
    model = load_weights(name, transformers.AutoModelForImageClassification, config)
    processor = load_part(name, lambda w: transformers.AutoImageProcessor.from_pretrained(w, trust_remote_code=False))
    model, device, notes = place_model(model, settings.device)
    return OpenedModel(
        name=short_name(name),
        class_names=own_class_names(config, settings, name),
        logits=True,
        takes=("picture",),
        prepare=lambda pictures: processor(images=pictures, return_tensors="pt"),
        forward=_inference(model, device),
        identity={"family": "hf", **model_identity(name, config)},
        batch_size=settings.batch_size or PICTURE_BATCH,
        device=device,
        notes=notes,
    )


def _open_texts(transformers: Any, name: str, config: Any, settings: ModelSettings) -> OpenedModel:
    model = load_weights(name, transformers.AutoModelForSequenceClassification, config)
    tokenizer = _tokenizer(transformers, name, model)
    model, device, notes = place_model(model, settings.device)
    return OpenedModel(
        name=short_name(name),
        class_names=own_class_names(config, settings, name),
        logits=True,
        takes=("text",),
        prepare=lambda texts: tokenizer(texts, padding=True, truncation=True, return_tensors="pt"),
        forward=_inference(model, device),
        identity={"family": "hf", **model_identity(name, config)},
        batch_size=settings.batch_size or TEXT_BATCH,
        length=len,
        device=device,
        notes=notes,
    )


def _tokenizer(transformers: Any, name: str, model: Any) -> Any:
    tokenizer = load_part(name, lambda w: transformers.AutoTokenizer.from_pretrained(w, trust_remote_code=False))
    if tokenizer.pad_token is None:
        raise ConfembError(
            f"the tokenizer of {name} has no padding token, so texts of different length make no batch: set pad_token "
            "in its tokenizer_config.json, and pad_token_id in config.json."
        )
    limit = getattr(model.config, "max_position_embeddings", None)
    if isinstance(limit, int) and tokenizer.model_max_length > limit:
        # Without a limit of its own a tokenizer cuts nothing, and the model fails on a long text.
        tokenizer.model_max_length = limit - (2 if model.config.model_type in ("roberta", "xlm-roberta") else 0)
    return tokenizer


def _open_audio(transformers: Any, name: str, config: Any, settings: ModelSettings) -> OpenedModel:
    model = load_weights(name, transformers.AutoModelForAudioClassification, config)
    extractor = load_part(name, lambda w: transformers.AutoFeatureExtractor.from_pretrained(w, trust_remote_code=False))
    model, device, notes = place_model(model, settings.device)
    rate = int(extractor.sampling_rate)

    def prepare(recordings: list[Any]) -> Any:
        sounds = [recording.at_rate(rate) for recording in recordings]
        return extractor(sounds, sampling_rate=rate, return_tensors="pt", padding=True)

    return OpenedModel(
        name=short_name(name),
        class_names=own_class_names(config, settings, name),
        logits=True,
        takes=("audio",),
        prepare=prepare,
        forward=_inference(model, device),
        identity={"family": "hf", **model_identity(name, config)},
        batch_size=settings.batch_size or AUDIO_BATCH,
        length=lambda recording: len(recording.samples),
        device=device,
        notes=notes,
    )


def _entailment(name: str, config: Any) -> int:
    """Return which class of a model is entailment; raises ConfembError where none is."""
    entails: list[int] = [i for i, label in config.id2label.items() if str(label).lower().startswith("entail")]
    if len(entails) != 1:
        raise ConfembError(
            f"{name} is not a model of natural-language inference (its classes are "
            f"{quoted_list(map(str, config.id2label.values()))}, none of them entailment), which zero-shot texts need: "
            "leave --prompts out to use its own classes."
        )
    return entails[0]


def _open_zero_shot(
    transformers: Any, name: str, config: Any, settings: ModelSettings, label_names: Sequence[str]
) -> OpenedModel:
    """Open a model of natural-language inference: the class whose sentence the text entails most.

    The logit of a class is the largest logit of "entailment" over its prompts, as in transformers'
    zero-shot-classification pipeline with one class of several (W. Yin, J. Hay and D. Roth, 2019).
    """
    torch = import_extra("torch", "hf", what="Hugging Face models")
    names = tuple(settings.class_names or label_names)
    entails = _entailment(name, config)
    assert settings.prompts is not None
    prompts = load_prompts(settings.prompts, names, default=DEFAULT_TEXT_TEMPLATE)
    model = load_weights(name, transformers.AutoModelForSequenceClassification, config)
    tokenizer = _tokenizer(transformers, name, model)
    model, device, notes = place_model(model, settings.device)
    sentences = [sentence for one in prompts.by_class for sentence in one]
    owner = np.repeat(np.arange(len(names)), [len(one) for one in prompts.by_class])

    def prepare(texts: list[str]) -> Any:
        pairs = [(text, sentence) for text in texts for sentence in sentences]
        batches = [pairs[start : start + _ZERO_SHOT_PAIRS] for start in range(0, len(pairs), _ZERO_SHOT_PAIRS)]
        return len(texts), [
            tokenizer(
                [text for text, _ in batch],
                [sentence for _, sentence in batch],
                padding=True,
                truncation="only_first",
                return_tensors="pt",
            )
            for batch in batches
        ]

    def forward(prepared: Any) -> np.ndarray:
        count, batches = prepared
        with torch.inference_mode():
            entailed = np.concatenate([to_numpy(model(**one.to(device)).logits)[:, entails] for one in batches])
        scores = np.full((count, len(names)), -np.inf, np.float32)
        for sentence, place in enumerate(owner):
            scores[:, place] = np.maximum(scores[:, place], entailed.reshape(count, len(sentences))[:, sentence])
        return scores

    return OpenedModel(
        name=short_name(name),
        class_names=names,
        logits=True,
        takes=("text",),
        prepare=prepare,
        forward=forward,
        identity={"family": "hf", "prompts": prompts.as_record(names), **model_identity(name, config)},
        batch_size=settings.batch_size or max(1, TEXT_BATCH // max(1, len(sentences) // 8)),
        length=len,
        device=device,
        notes=notes,
    )
