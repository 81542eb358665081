"""Clouds of vectors whose classes are known to be apart, or to mean nothing."""

import numpy as np
import pytest

from confemb.spaces.lab.labelled import LabelledVectors


def clouds(classes, each, *, apart, dim=8, seed=0):
    """Return `each` vectors around each of `classes` centres that lie `apart`; 0 gives classes that mean nothing."""
    generator = np.random.default_rng(seed)
    centres = np.eye(classes, max(dim, classes)) * apart
    labels = np.repeat(np.arange(classes), each)
    vectors = centres[labels] + generator.normal(size=(len(labels), max(dim, classes)))
    names = tuple(f"class {i}" for i in range(classes))
    return LabelledVectors(vectors, labels, names, tuple(f"v{i}" for i in range(len(labels))))


@pytest.fixture
def make_clouds():
    return clouds
