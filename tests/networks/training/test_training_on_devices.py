import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from confemb.networks.training import loop as training

ON_DEVICES = """
import sys
from dataclasses import replace
from pathlib import Path
import jax, numpy as np
from confemb.networks import make_network
from confemb.datasets import open_dataset
from confemb.support.errors import ConfembError
from confemb.networks.training.options import TrainingOptions
from confemb.classifiers.adapters.flax import FlaxClassifier
from confemb.classifiers.classification import classify_datasets
from confemb.networks.training.loop import train

devices, folder = int(sys.argv[1]), Path(sys.argv[2])
assert jax.device_count() == devices
options = {"widths": [8, 16], "shift": 1, "mirror": False, "norm_group": 4}
network = make_network("fast_cnn", (8, 8, 1), 10, seed=0, options=options)
digits = open_dataset("digits").load("train")
some, rest = (
    replace(digits, images=digits.images[rows], labels=digits.labels[rows], ids=digits.ids[rows])
    for rows in (slice(0, 64), slice(64, 165))
)
settings = TrainingOptions(epochs=3, batch_size=16, learning_rate=0.05)
if devices > 1:
    try:
        train(network, some, None, settings.model_copy(update={"batch_size": 18}), seed=0, checkpoint_folder=folder)
    except ConfembError as error:
        print(error)
history = train(network, some, rest, settings, seed=0, checkpoint_folder=folder)
found = classify_datasets(FlaxClassifier(network, rest.class_names), [rest], k=3)
assert len(found) == 101
np.savez(folder / "found.npz", probs=found.top_probs, classes=found.top_classes, loss=history["test_loss"])
"""


def on_devices(devices, folder):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(training.__file__).parents[3]),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    command = [sys.executable, "-c", ON_DEVICES, str(devices), str(folder)]
    folder.mkdir()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    with np.load(folder / "found.npz") as arrays:
        return dict(arrays), done.stdout


@pytest.mark.slow
def test_four_devices_find_what_one_finds(tmp_path):
    four, printed = on_devices(4, tmp_path / "four")
    one, _ = on_devices(1, tmp_path / "one")
    np.testing.assert_allclose(four["loss"], one["loss"], rtol=1e-3)
    np.testing.assert_allclose(four["probs"], one["probs"], atol=1e-3)
    assert (four["classes"][:, 0] == one["classes"][:, 0]).mean() > 0.97
    assert "training.batch_size = 18 cannot be shared evenly among 4 devices" in printed
