import numpy as np
import pytest

from confemb.classifiers.adapters.onnx import OnnxClassifier
from confemb.classifiers.classification import classify
from confemb.support.errors import ConfembError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

NAMES = ("ant", "bee", "cow", "dog")
LABELS = np.arange(7) % 4
WEIGHTS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
ROWS = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)
LOGITS = ROWS @ WEIGHTS


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, values):
    return onnx.numpy_helper.from_array(np.asarray(values), name)


@pytest.fixture
def save(tmp_path):
    def save_model(nodes, inputs, outputs, constants=(), name="model.onnx"):
        graph = helper.make_graph(nodes, "graph", inputs, outputs, list(constants))
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
        path = tmp_path / name
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path

    return save_model


@pytest.fixture
def linear(save):
    """A file that gives rows (n, 6) times WEIGHTS; `size` is its first axis."""

    def build(size="n", kind=TensorProto.FLOAT):
        nodes = [helper.make_node("MatMul", ["rows", "weights"], ["scores"])]
        weights = WEIGHTS.astype(helper.tensor_dtype_to_np_dtype(kind))
        ends = [tensor("rows", [size, 6], kind)], [tensor("scores", [size, 4], kind)]
        return save(nodes, *ends, [constant("weights", weights)], name="linear.onnx")

    return build


def check(classifier, inputs=ROWS, logits=LOGITS, rtol=1e-4, **options):
    found = classify(classifier, inputs, LABELS, NAMES, k=4, **options)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(found.top_classes, np.argsort(-probs, axis=1))
    np.testing.assert_allclose(found.top_probs, -np.sort(-probs, axis=1), rtol=rtol)
    return found


def test_logits_of_a_linear_layer(linear):
    found = check(OnnxClassifier(linear(), NAMES, logits=True), batch_size=3)
    assert found.classifier == "linear"
    check(OnnxClassifier(str(linear()), NAMES, logits=True), ROWS.astype(np.float64).tolist())


@pytest.mark.parametrize("size", [1, 2, 7, 16])
def test_a_fixed_number_of_inputs_is_no_limit(linear, size):
    check(OnnxClassifier(linear(size), NAMES, logits=True), batch_size=5)


def test_inputs_take_the_models_type(linear):
    check(OnnxClassifier(linear(kind=TensorProto.FLOAT16), NAMES, logits=True), rtol=2e-2)
    check(OnnxClassifier(linear(kind=TensorProto.DOUBLE), NAMES, logits=True))
    whole = np.arange(42, dtype=np.uint8).reshape(7, 6)
    scores = OnnxClassifier(linear(), NAMES, logits=True).scores(whole)
    np.testing.assert_allclose(scores, whole @ WEIGHTS, rtol=1e-4)


def test_probabilities_of_pictures_turned_by_prepare(save):
    images = np.random.default_rng(2).integers(0, 256, (7, 5, 5, 4), dtype=np.uint8)
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["probs"]),
    ]
    path = save(nodes, [tensor("images", ["n", 4, 5, 5])], [tensor("probs", ["n", 4])])

    def prepare(batch):
        return batch.transpose(0, 3, 1, 2).astype(np.float32) / 255

    check(OnnxClassifier(path, NAMES, logits=False, prepare=prepare), images, images.mean(axis=(1, 2)) / 255)
    with pytest.raises(
        ConfembError, match=r"'model' takes batches of shape \(n, 4, 5, 5\), not \(7, 5, 5, 4\): turn them with prepare"
    ):
        check(OnnxClassifier(path, NAMES, logits=False), images)
    with pytest.raises(ConfembError, match=r"shape \(n, 4, 5, 5\), not \(7, 5, 5\)"):
        check(OnnxClassifier(path, NAMES, logits=False), images[..., 0])


def two_outputs(save):
    nodes = [
        helper.make_node("Neg", ["rows"], ["first"]),
        helper.make_node("Neg", ["first"], ["second"]),
        helper.make_node("ArgMax", ["rows"], ["best"], axis=1, keepdims=0),
    ]
    outputs = [tensor("first", ["n", 4]), tensor("second", ["n", 4]), tensor("best", ["n"], TensorProto.INT64)]
    return save(nodes, [tensor("rows", ["n", 4])], outputs)


def test_one_of_several_outputs_is_chosen(save):
    path, rows = two_outputs(save), LOGITS
    check(OnnxClassifier(path, NAMES, logits=True, output_name="second"), rows, rows)
    check(OnnxClassifier(path, NAMES, logits=True, output_name="first"), rows, -rows)
    with pytest.raises(ConfembError, match="has the outputs 'first', 'second', 'best': choose one with output_name"):
        OnnxClassifier(path, NAMES, logits=True)
    with pytest.raises(ConfembError, match=r"unknown output 'secnd' in .*model\.onnx: did you mean 'second'\?"):
        OnnxClassifier(path, NAMES, logits=True, output_name="secnd")
    with pytest.raises(ConfembError, match=r"'best' of .*model\.onnx is of type tensor\(int64\), which are no scores"):
        OnnxClassifier(path, NAMES, logits=True, output_name="best")


def test_one_of_several_inputs_is_chosen(save):
    nodes = [helper.make_node("Identity", ["rows"], ["scores"]), helper.make_node("Neg", ["other"], ["unused"])]
    inputs = [tensor("rows", ["n", 4]), tensor("other", ["n", 4])]
    path = save(nodes, inputs, [tensor("scores", ["n", 4])])
    with pytest.raises(ConfembError, match="has the inputs 'rows', 'other': choose one with input_name"):
        OnnxClassifier(path, NAMES, logits=True)
    with pytest.raises(ConfembError, match="the ONNX model 'model' fails on a batch: .*'other'"):
        check(OnnxClassifier(path, NAMES, logits=True, input_name="rows"), LOGITS)


def sklearn_model(save, *, zipmap):
    """Build what scikit-learn's exporter writes for a logistic regression."""
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["rows"],
            ["label", "scored"],
            domain="ai.onnx.ml",
            classlabels_ints=[0, 1, 2, 3],
            coefficients=WEIGHTS.T.ravel().tolist(),
            intercepts=[0.0] * 4,
            post_transform="SOFTMAX",
        )
    ]
    if zipmap:
        nodes.append(
            helper.make_node("ZipMap", ["scored"], ["probs"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2, 3])
        )
        kind = helper.make_sequence_type_proto(
            helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        )
        probs = helper.make_value_info("probs", kind)
    else:
        nodes.append(helper.make_node("Identity", ["scored"], ["probs"]))
        probs = tensor("probs", ["n", 4])
    return save(nodes, [tensor("rows", ["n", 6])], [tensor("label", ["n"], TensorProto.INT64), probs])


def test_of_scikit_learns_outputs_the_probabilities_are_taken(save):
    check(OnnxClassifier(sklearn_model(save, zipmap=False), NAMES, logits=False))


@pytest.mark.parametrize("name", [None, "probs"])
def test_dictionaries_are_refused(save, name):
    path = sklearn_model(save, zipmap=True)
    with pytest.raises(ConfembError, match=r"a list of dictionaries \(ZipMap\).*options=\{'zipmap': False\}"):
        OnnxClassifier(path, NAMES, logits=False, output_name=name)


def test_class_names_must_be_as_many(linear):
    with pytest.raises(ConfembError, match="'scores' of .* has 4 classes, but there are 3 class names"):
        OnnxClassifier(linear(), NAMES[:3], logits=True)


def test_types_that_would_lose_are_refused(save):
    nodes = [helper.make_node("Cast", ["rows"], ["scores"], to=TensorProto.FLOAT)]
    path = save(nodes, [tensor("rows", ["n", 4], TensorProto.UINT8)], [tensor("scores", ["n", 4])])
    with pytest.raises(ConfembError, match=r"takes tensor\(uint8\), and float32 would lose by that"):
        check(OnnxClassifier(path, NAMES, logits=True), LOGITS)
    whole = np.random.default_rng(3).permuted(np.tile(np.arange(4), (7, 1)), axis=1)
    with pytest.raises(ConfembError, match="int64 would lose by that"):
        check(OnnxClassifier(path, NAMES, logits=True), whole)
    check(OnnxClassifier(path, NAMES, logits=True, prepare=lambda x: x.astype(np.uint8)), whole, whole)


def test_files_that_are_no_models(linear, tmp_path):
    with pytest.raises(ConfembError, match=r"there is no file .*none\.onnx"):
        OnnxClassifier(tmp_path / "none.onnx", NAMES, logits=True)
    path = linear()
    for broken in (b"no model at all", path.read_bytes()[:40]):
        path.write_bytes(broken)
        with pytest.raises(ConfembError, match=r"linear\.onnx cannot be read as ONNX: ") as raised:
            OnnxClassifier(path, NAMES, logits=True)
        assert "\n" not in str(raised.value)


def labelled(path, labels):
    """Write a model that gives its input as probabilities, and beside it the label of the highest."""
    from onnx import TensorProto, helper, save

    kind = TensorProto.STRING if isinstance(labels[0], str) else TensorProto.INT64
    names = helper.make_tensor("names", kind, [len(labels)], [n.encode() if isinstance(n, str) else n for n in labels])
    nodes = [
        helper.make_node("Identity", ["x"], ["probabilities"]),
        helper.make_node("ArgMax", ["x"], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["names", "best"], ["label"]),
    ]
    size = ["n", len(labels)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)],
        [
            helper.make_tensor_value_info("label", kind, ["n"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, size),
        ],
        [names],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


SCORES = np.random.default_rng(0).dirichlet(np.ones(3), size=30).astype(np.float32)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["cat", "dog", "ship"], ("cat", "dog", "ship")),
        (["cat", "dog", "ship"], ("Katze", "Hund", "Schiff")),
        ([0, 1, 2], ("cat", "dog", "ship")),
        ([3, 5, 7], ("cat", "dog", "ship")),
    ],
)
def test_names_that_go_with_the_label_output_are_taken(tmp_path, labels, names):
    classifier = OnnxClassifier(labelled(tmp_path / "m.onnx", labels), names, logits=False)
    np.testing.assert_array_equal(classifier.scores(SCORES), SCORES)


@pytest.mark.parametrize(
    ("labels", "names", "sentence"),
    [
        (
            ["cat", "dog", "ship"],
            ("dog", "cat", "ship"),
            "says '(cat|dog)' where the most probable class .* '(cat|dog)'",
        ),
        (["dog", "cat", "ship"], ("cat", "dog", "ship"), "give class_names in the order of the model's own labels"),
        ([5, 3, 7], ("cat", "dog", "ship"), "do not go with the columns of its scores"),
    ],
)
def test_names_that_contradict_the_label_output_are_refused(tmp_path, labels, names, sentence):
    classifier = OnnxClassifier(labelled(tmp_path / "m.onnx", labels), names, logits=False)
    with pytest.raises(ConfembError, match=sentence):
        classifier.scores(SCORES)
