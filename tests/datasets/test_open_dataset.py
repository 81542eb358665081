import subprocess
import sys

import pytest

from confemb.datasets import open_dataset
from confemb.support.errors import ConfembError


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("cifar01", {}, "unknown dataset 'cifar01': did you mean 'cifar10'"),
        ("cifra:mnist", {}, "unknown dataset 'cifra:mnist'"),
        ("digits:x", {}, "unknown dataset 'digits:x': did you mean 'digits'"),
        ("tfds", {}, "say 'tfds:NAME'"),
        ("tfds:", {}, "say 'tfds:NAME'"),
        ("digits", {"path": "."}, "'digits' does not take the option path"),
        ("digits", {"image_size": 8}, "'digits' does not take the option image_size"),
        ("cifar10", {"image_size": 8}, "'cifar10' does not take the option image_size"),
        ("image_folder", {}, "'image_folder' needs the option path"),
        ("image_folder", {"path": ".", "image_size": 0}, "at least 1 pixel"),
    ],
)
def test_mistakes(name, options, said):
    with pytest.raises(ConfembError, match=said):
        open_dataset(name, **options)


def test_opening_imports_nothing_heavy(tmp_path):
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from confemb.datasets import open_dataset; "
            f"open_dataset('cifar10', cache_dir={str(tmp_path)!r}); "
            "open_dataset('tfds:mnist'); open_dataset('digits'); "
            "print([name for name in ('tensorflow_datasets', 'sklearn', 'PIL', 'jax') if name in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "[]"
    assert not list(tmp_path.iterdir())
