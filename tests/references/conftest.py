"""A WordNet of a dozen nouns."""

import pytest

from tests.torture.small_wordnet import write_wordnet


@pytest.fixture(scope="session")
def small_wordnet(tmp_path_factory):
    """Return the folder of its files."""
    pytest.importorskip("nltk")
    folder = tmp_path_factory.mktemp("wordnet") / "dict"
    write_wordnet(folder)
    return folder


@pytest.fixture
def at_hand(small_wordnet, monkeypatch):
    """Make it the WordNet that is found."""
    monkeypatch.setenv("WNSEARCHDIR", str(small_wordnet))
    return small_wordnet
