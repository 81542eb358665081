"""Hugging Face image and text classifiers."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from confemb.classifiers.adapters.torch import device_of, evaluating, place, to_numpy
from confemb.records.predictions import check_class_names
from confemb.support.errors import ConfembError, quoted_list
from confemb.support.extras import import_extra


class HuggingFaceClassifier:
    """An image or text classification model of `transformers`, with what prepares its input.

    Args:
        model: gives `logits`; its `config.id2label` names the classes.
        processor: the model's image processor (batches are n pictures, H x W x C uint8 arrays or PIL pictures), or
            its tokenizer (batches are n texts; texts longer than the model takes are cut).
        class_names: the K names in the order of the logits, in place of the model's own. Some models give two
            classes the same name, as ImageNet's two kinds of "crane": these need it.
        device: "cuda", "cuda:1", "mps", "cpu": the model is moved there. None: where its parameters are.
        name: what it is called in results; by default the model's class.

    Raises:
        ConfembError: transformers is not installed, class names that stand twice or are too few, or a processor
            that is neither.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        class_names: Sequence[str] | None = None,
        device: str | None = None,
        name: str | None = None,
    ) -> None:
        transformers = _transformers()
        self.name = name or type(model).__name__
        self.logits = True
        self._texts = isinstance(processor, transformers.PreTrainedTokenizerBase)
        if not self._texts and not isinstance(processor, transformers.ImageProcessingMixin):
            raise ConfembError(
                f"{type(processor).__name__} is neither an image processor nor a tokenizer: give the one that belongs "
                "to the model."
            )
        if self._texts and processor.pad_token is None:
            raise ConfembError(
                f"the tokenizer of {self.name} has no padding token, so texts of different length make no batch: set "
                "its pad_token, and the model's config.pad_token_id."
            )
        labels = model.config.id2label
        if class_names is None:
            try:
                self.class_names = tuple(check_class_names([labels[i] for i in range(len(labels))]))
            except (ConfembError, KeyError) as error:
                raise ConfembError(
                    f"the class names in the config of {self.name} (id2label) cannot be used: {error} Give class_names."
                ) from error
        else:
            self.class_names = tuple(check_class_names(class_names))
            if len(labels) != len(self.class_names):
                raise ConfembError(
                    f"{self.name} has {len(labels)} classes, but there are {len(self.class_names)} class names: give "
                    "as many."
                )
            own = [labels.get(i) for i in range(len(labels))]
            if set(own) == set(self.class_names) and own != list(self.class_names):
                raise ConfembError(
                    f"the class names are those in the config of {self.name} (id2label), in another order: leave "
                    "class_names out."
                )
        self._model = place(model, device)
        self._processor = processor

    @classmethod
    def load(
        cls,
        name_or_path: str | os.PathLike[str],
        *,
        class_names: Sequence[str] | None = None,
        device: str | None = None,
    ) -> Self:
        """Load a model and its processor from a folder or, by name, from the Hugging Face hub or its cache.

        Only safetensors weights are read, and no code that comes with a model is run.

        Raises:
            ConfembError: the hub cannot be reached, or there is no such model, or it is no image or text classifier.
        """
        transformers = _transformers()
        source = os.fspath(name_or_path)
        try:
            config = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False)
            if type(config) in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
                kind, processing = transformers.AutoModelForImageClassification, transformers.AutoImageProcessor
            elif type(config) in transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
                kind, processing = transformers.AutoModelForSequenceClassification, transformers.AutoTokenizer
            else:
                raise ConfembError(f"{source} ({type(config).__name__}) is neither an image nor a text classifier.")
            model, loaded = kind.from_pretrained(
                source, config=config, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
            processor = processing.from_pretrained(source, trust_remote_code=False)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".:")
            raise ConfembError(
                f"the Hugging Face model {source!r} cannot be loaded ({reason}): check its name and the connection, or "
                "give a folder that holds it."
            ) from error
        if loaded["missing_keys"]:
            # transformers draws such weights at random and goes on.
            raise ConfembError(
                f"{source} lacks weights of {type(model).__name__} ({quoted_list(sorted(loaded['missing_keys']))}): it "
                "was not trained to classify; choose a model that was."
            )
        name = Path(source).resolve().name if Path(source).is_dir() else source
        return cls(model, processor, class_names=class_names, device=device, name=name)

    def scores(self, batch: Any) -> np.ndarray:
        """Return (n, K) float32 logits of n pictures or texts."""
        if self._texts:
            encoded = self._processor([str(text) for text in batch], padding=True, truncation=True, return_tensors="pt")
        else:
            encoded = self._processor(images=list(batch), return_tensors="pt", input_data_format="channels_last")
        with evaluating(self._model):
            return to_numpy(self._model(**encoded.to(device_of(self._model))).logits)


def _transformers() -> Any:
    import_extra("torch", "hf", what="Hugging Face models")
    return import_extra("transformers", "hf", what="Hugging Face models")
