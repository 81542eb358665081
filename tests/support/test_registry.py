from importlib import metadata

import pytest

from confemb.support.errors import ConfembError
from confemb.support.registry import Registry


@pytest.fixture
def entry_points(monkeypatch):
    """Pretend that packages with these entry points were installed."""
    installed = []
    monkeypatch.setattr(metadata, "entry_points", lambda group: [e for e in installed if e.group == group])

    def install(name, value, group="confemb.fruits"):
        installed.append(metadata.EntryPoint(name, value, group))

    return install


@pytest.fixture
def registry() -> Registry:
    return Registry("fruit", "confemb.fruits", {"apple": "collections:Counter"})


def test_built_in_and_installed_parts(registry, entry_points):
    from collections import Counter, OrderedDict

    entry_points("pear", "collections:OrderedDict")
    entry_points("beet", "collections:deque", group="confemb.roots")
    assert registry.names() == ["apple", "pear"]
    assert registry.get("apple") is Counter
    assert registry.get("pear") is OrderedDict


def test_unknown_names_list_the_known(registry, entry_points):
    with pytest.raises(ConfembError, match=r"unknown fruit 'aple': did you mean 'apple'\? known: 'apple'\."):
        registry.get("aple")


def test_a_name_given_twice_is_an_error(registry, entry_points):
    entry_points("apple", "collections:OrderedDict")
    with pytest.raises(ConfembError, match="two fruit plug-ins are called 'apple'.*collections:OrderedDict"):
        registry.names()


@pytest.mark.parametrize("value", ["no_such_module:Part", "collections:NoSuchPart"])
def test_a_plug_in_that_cannot_be_loaded_is_named(registry, entry_points, value):
    entry_points("fig", value)
    with pytest.raises(ConfembError, match=f"the fruit plug-in 'fig' \\({value}\\) cannot be loaded"):
        registry.get("fig")


def test_every_built_in_name_resolves():
    from confemb.datasets import DATASETS
    from confemb.embedders import EMBEDDERS
    from confemb.references import REFERENCES

    for registry in (DATASETS, EMBEDDERS, REFERENCES):
        for name in registry.names():
            assert callable(registry.get(name)), name
