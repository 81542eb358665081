import numpy as np
import pytest
from flax import nnx

from confemb.networks import make_network
from confemb.networks.pretrained.weight_names import FOREIGN, find_naming, fit_arrays
from confemb.networks.pretrained.weights import named_shapes
from confemb.support.errors import ConfembError


def shapes_of(classifier, **options):
    return named_shapes(nnx.eval_shape(lambda: make_network(classifier, (32, 32, 3), 10, seed=0, options=options)))


# A name of each form, what the network is made with, and some of the names it must then have, by hand.
FORMS = {
    "res2a_branch2a/kernel": (
        "resnet50",
        {"conv_bias": True},
        {
            "stem.conv.bias": "conv1/bias",
            "stem.norm.mean": "bn_conv1/moving_mean",
            "stages.0.0.convs.0.conv.kernel": "res2a_branch2a/kernel",
            "stages.2.5.convs.2.norm.scale": "bn4f_branch2c/gamma",
            "stages.3.0.shortcut.conv.kernel": "res5a_branch1/kernel",
            "stages.3.0.shortcut.norm.var": "bn5a_branch1/moving_variance",
            "stages.1.3.convs.1.norm.bias": "bn3d_branch2b/beta",
            "head.kernel": "fc1000/kernel",
        },
    ),
    "conv2_block1_1_conv/kernel": (
        "resnet101",
        {"conv_bias": True},
        {
            "stem.conv.kernel": "conv1_conv/kernel",
            "stem.norm.scale": "conv1_bn/gamma",
            "stages.0.0.shortcut.conv.bias": "conv2_block1_0_conv/bias",
            "stages.2.22.convs.0.norm.var": "conv4_block23_1_bn/moving_variance",
            "head.bias": "predictions/bias",
        },
    ),
    "layer1.0.conv1.weight": (
        "resnet34",
        {},
        {
            "stem.conv.kernel": "conv1.weight",
            "stem.norm.bias": "bn1.bias",
            "stages.1.0.shortcut.conv.kernel": "layer2.0.downsample.0.weight",
            "stages.1.0.shortcut.norm.var": "layer2.0.downsample.1.running_var",
            "stages.3.2.convs.1.norm.mean": "layer4.2.bn2.running_mean",
            "head.kernel": "fc.weight",
        },
    ),
    "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight": (
        "resnet50",
        {},
        {
            "stem.conv.kernel": "resnet.embedder.embedder.convolution.weight",
            "stem.norm.scale": "resnet.embedder.embedder.normalization.weight",
            "stages.2.5.convs.2.conv.kernel": "resnet.encoder.stages.2.layers.5.layer.2.convolution.weight",
            "stages.0.0.shortcut.norm.mean": "resnet.encoder.stages.0.layers.0.shortcut.normalization.running_mean",
            "head.bias": "classifier.1.bias",
        },
    ),
    "block1_conv1/kernel": (
        "vgg19",
        {},
        {
            "stages.2.3.kernel": "block3_conv4/kernel",
            "fc1.bias": "fc1/bias",
            "head.kernel": "predictions/kernel",
        },
    ),
    "features.24.weight": (
        "vgg16",
        {},
        {
            "stages.0.1.kernel": "features.2.weight",
            "stages.4.2.bias": "features.28.bias",
            "fc1.kernel": "classifier.0.weight",
            "head.bias": "classifier.6.bias",
        },
    ),
    "features.34.weight": (
        "vgg19",
        {},
        {"stages.2.3.bias": "features.16.bias", "stages.4.3.kernel": "features.34.weight"},
    ),
}


@pytest.mark.parametrize("marker", FORMS)
def test_names_are_those_published(marker):
    classifier, options, expected = FORMS[marker]
    naming = find_naming([marker])
    shapes = shapes_of(classifier, **options)
    assert {name: naming.theirs(name) for name in expected} == expected
    assert set(expected) <= set(shapes)
    theirs = [naming.theirs(name) for name in shapes]
    assert None not in theirs
    assert len(set(theirs)) == len(shapes)
    # The form is told by its own names, and by no other form's.
    assert find_naming(theirs) is naming


def test_every_form_is_tried_above():
    assert {id(find_naming([marker])) for marker in FORMS} == {id(naming) for naming in FOREIGN}


def test_our_own_names_are_no_foreign_form():
    for classifier in ("resnet18", "vgg16"):
        assert find_naming(shapes_of(classifier)) is None
    assert find_naming(["conv1.kernel", "local3.bias"]) is None


def test_pytorchs_layout_becomes_ours():
    naming = find_naming(["layer1.0.conv1.weight"])
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    ours = naming.convert("stem.conv.kernel", kernel)
    assert ours.shape == (4, 5, 3, 2)
    assert ours[1, 2, 0, 1] == kernel[1, 0, 1, 2]
    assert naming.their_shape("stem.conv.kernel", ours.shape) == kernel.shape
    dense = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(naming.convert("head.kernel", dense), dense.T)


def test_the_first_dense_layer_of_vgg_reads_pixel_by_pixel():
    naming = find_naming(["features.24.weight"])
    # One output that picks channel 3 of the pixel in row 1, column 0 of a 2x2 map of 512 channels.
    weight = np.zeros((1, 512, 2, 2), np.float32)
    weight[0, 3, 1, 0] = 1
    ours = naming.convert("fc1.kernel", weight.reshape(1, -1))
    feature_map = np.random.default_rng(0).normal(size=(2, 2, 512)).astype(np.float32)
    assert (feature_map.reshape(-1) @ ours)[0] == feature_map[1, 0, 3]


@pytest.fixture(scope="module")
def resnet18():
    """ResNet-18 with 10 classes, of zeros: our shapes, and PyTorch's tensors."""
    shapes = shapes_of("resnet18")
    naming = find_naming(["layer1.0.conv1.weight"])
    tensors = {naming.theirs(n): np.zeros(naming.their_shape(n, s), np.float32) for n, s in shapes.items()}
    return shapes, tensors


def test_every_tensor_is_used_once(resnet18):
    shapes, tensors = resnet18
    counted = {name: np.full(array.shape, i, np.float32) for i, (name, array) in enumerate(tensors.items())}
    fitted = fit_arrays(counted, shapes, where="a file")
    assert sorted(float(array.flat[0]) for array in fitted.values()) == list(range(len(tensors)))
    assert {name: array.shape for name, array in fitted.items()} == shapes


def test_pytorchs_counts_of_batches_may_be_there_but_only_those(resnet18):
    shapes, tensors = resnet18
    counts = {f"{layer}.num_batches_tracked": np.int64(3) for layer in ("bn1", "layer2.0.downsample.1")}
    assert set(fit_arrays(tensors | counts, shapes, where="a file")) == set(shapes)
    with pytest.raises(ConfembError, match=r"it has 'conv1\.num_batches_tracked' too many"):
        fit_arrays(tensors | {"conv1.num_batches_tracked": np.int64(3)}, shapes, where="a file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.pop("bn1.weight"),
            r"weights a file are of another network: it lacks 'bn1\.weight' \(read by the names of PyTorch",
        ),
        (lambda t: t.update(extra=np.zeros(1)), "it has 'extra' too many"),
        (
            lambda t: t.update({"fc.wieght": t.pop("fc.weight")}),
            r"it lacks 'fc\.weight' and it has 'fc\.wieght' too many",
        ),
        (
            lambda t: t.update({"conv1.weight": np.zeros((7, 7, 3, 64))}),
            r"conv1\.weight has the shape \(7, 7, 3, 64\), expected \(64, 3, 7, 7\)",
        ),
        (lambda t: t.update({"bn1.bias": np.zeros(64, np.int8)}), r"bn1\.bias holds int8, expected float32"),
        (lambda t: t.update({"bn1.bias": np.full(64, np.nan)}), r"hold values in bn1\.bias that are not finite"),
    ],
)
def test_what_does_not_fit_is_named(resnet18, change, message):
    shapes, tensors = resnet18
    changed = dict(tensors)
    change(changed)
    with pytest.raises(ConfembError, match=message):
        fit_arrays(changed, shapes, where="a file")


def test_a_form_that_does_not_know_the_network_lacks_our_names(resnet18):
    with pytest.raises(ConfembError, match=r"it lacks 'conv1\.kernel'.*(read by the names of PyTorch)"):
        fit_arrays(resnet18[1], {"conv1.kernel": (5, 5, 3, 64)}, where="a file")
