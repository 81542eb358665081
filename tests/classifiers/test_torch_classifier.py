import numpy as np
import pytest

from confemb.classifiers.adapters.torch import TorchClassifier
from confemb.classifiers.classification import classify
from confemb.support.errors import ConfembError

torch = pytest.importorskip("torch")

NAMES = ("a", "b", "c")
LABELS = np.arange(7) % 3
ROWS = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.9), torch.nn.Linear(4, 3))


def expected(module, rows):
    modes = [part.training for part in module.modules()]
    with torch.no_grad():
        probs = torch.softmax(module.eval()(torch.tensor(rows)), dim=1).numpy()
    for part, mode in zip(module.modules(), modes, strict=True):
        part.training = mode
    return probs


def test_probabilities_are_the_modules_own_in_evaluation_mode(module):
    probs = expected(module, ROWS)
    found = classify(TorchClassifier(module, NAMES), ROWS, LABELS, NAMES, k=3, batch_size=4)
    np.testing.assert_array_equal(found.top_classes, np.argsort(-probs, axis=1))
    np.testing.assert_allclose(found.top_probs, -np.sort(-probs, axis=1), rtol=1e-5)
    assert found.classifier == "Sequential"
    np.testing.assert_array_equal(module[0].running_mean, 0)


def test_each_part_goes_back_into_its_own_mode(module):
    module[0].eval()  # a frozen batch norm in a module that trains
    classifier = TorchClassifier(module, NAMES)
    classifier.scores(ROWS)
    assert [part.training for part in module.modules()] == [True, False, True, True]
    with pytest.raises(RuntimeError, match="running_mean"):
        classifier.scores(ROWS[:, :2])
    assert [part.training for part in module.modules()] == [True, False, True, True]


def test_prepare_turns_the_batch_into_the_input(tmp_path):
    class Pooled(torch.nn.Module):
        def forward(self, images):
            assert images.dtype == torch.float32
            return images.mean(dim=(2, 3))

    images = np.random.default_rng(1).integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    turned = TorchClassifier(Pooled(), NAMES, prepare=lambda x: np.float32(x.transpose(0, 3, 1, 2)) / 255)
    tensors = TorchClassifier(Pooled(), NAMES, prepare=lambda x: torch.tensor(x).permute(0, 3, 1, 2) / 255)
    for classifier in (turned, tensors):
        np.testing.assert_allclose(classifier.scores(mapped), images.mean(axis=(1, 2)) / 255, rtol=1e-5)


def test_half_precision_and_probabilities(module):
    module = torch.nn.Sequential(module, torch.nn.Softmax(dim=1)).to(torch.bfloat16)
    classifier = TorchClassifier(
        module, NAMES, prepare=lambda x: torch.tensor(x).bfloat16(), logits=False, device="cpu", name="half"
    )
    found = classify(classifier, ROWS, LABELS, NAMES, k=3)
    assert found.top_probs.sum(axis=1) == pytest.approx(1, abs=0.02)
    assert found.classifier == "half"


def test_what_does_not_fit_is_named(module):
    class Pair(torch.nn.Module):
        def forward(self, rows):
            return rows, rows

    with pytest.raises(ConfembError, match="the module Pair gives tuple, not a tensor"):
        TorchClassifier(Pair(), NAMES).scores(ROWS)
    with pytest.raises(ConfembError, match="the device 'no such device' cannot be used"):
        TorchClassifier(module, NAMES, device="no such device")
    with pytest.raises(ConfembError, match=r"gave scores of shape \(7, 3\) for 7 inputs; with its 2 classes"):
        classify(TorchClassifier(module, NAMES[:2]), ROWS, LABELS % 2, NAMES[:2], k=2)


def test_it_ranks_as_the_same_network_in_flax(module):
    from flax import nnx

    from confemb.classifiers.adapters.flax import FlaxClassifier

    line = nnx.Linear(4, 3, rngs=nnx.Rngs(0))
    line.kernel[...] = module[2].weight.detach().numpy().T
    line.bias[...] = module[2].bias.detach().numpy()
    one = classify(TorchClassifier(module[2], NAMES), ROWS, LABELS, NAMES, k=3)
    other = classify(FlaxClassifier(line, NAMES), ROWS, LABELS, NAMES, k=3)
    np.testing.assert_array_equal(one.top_classes, other.top_classes)
    np.testing.assert_allclose(one.top_probs, other.top_probs, rtol=1e-5)


def test_floats_become_the_type_of_the_module(module):
    classifier = TorchClassifier(module, NAMES)
    expected = classifier.scores(ROWS)
    np.testing.assert_array_equal(classifier.scores(ROWS.astype(np.float64)), expected)
    with pytest.raises(ConfembError, match=r"fails on a batch of .* torch.int64 .*: turn the batch into its input"):
        classifier.scores(ROWS.astype(np.int64))
