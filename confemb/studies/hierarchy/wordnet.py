"""WordNet's own tree of the classes, and the nouns that stand above them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from confemb.references.wordnet import class_synsets
from confemb.references.wordnet_database import reading_wordnet
from confemb.studies.hierarchy.tree import ClassTree
from confemb.support.errors import ConfembError, quoted_list

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import Synset

# Above it stand nouns such as "object" and "whole", which say nothing of what hangs below.
LEAST_DEPTH = 4


def hypernym_paths(class_names: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Return for each class that WordNet has the nouns from the root down to it: (synset's name, readable name).

    Of several ways up to the root the longest counts, and of equally long ones the first in the alphabet.

    Raises:
        ConfembError: WordNet is not there.
    """
    with reading_wordnet() as wordnet:
        found = class_synsets(wordnet, class_names)
        return {name: _longest_path(synset) for name, synset in found.items()}


def _longest_path(synset: "Synset") -> list[tuple[str, str]]:
    paths = [[(one.name(), one.lemma_names()[0].replace("_", " ")) for one in path] for path in synset.hypernym_paths()]
    return min(paths, key=lambda path: (-len(path), path))


def wordnet_tree(class_names: Sequence[str], paths: Mapping[str, list[tuple[str, str]]] | None = None) -> ClassTree:
    """Return WordNet's tree of the classes: their longest ways to the root, nodes with a single child left out.

    A class that stands above another one ("car" above "cab") is a child of its own noun beside the other. A node's
    height is the most steps down to one of the classes (Deng et al. 2010; Bertinetto et al. 2020), in this tree.

    Args:
        class_names: the classes.
        paths: as `hypernym_paths` gives them; None: read now.

    Raises:
        ConfembError: WordNet is not there, or does not have all the classes.
    """
    paths = hypernym_paths(class_names) if paths is None else paths
    missing = [name for name in class_names if name not in paths]
    if missing:
        raise ConfembError(
            f"WordNet has {len(missing)} of the classes not ({quoted_list(missing, limit=3)}): give a tree of your own."
        )
    chains = [[node for node, _ in paths[name]] for name in class_names]
    return nested_tree(class_names, chains, {node: readable for path in paths.values() for node, readable in path})


def nested_tree(
    class_names: Sequence[str], chains: Sequence[Sequence[str]], readable: Mapping[str, str] | None = None
) -> ClassTree:
    """Return the tree of chains of groups, each from the root's down to the one that holds its class.

    Args:
        class_names: the K classes.
        chains: K chains of group names; classes of one group have the same chain above it. They may lack the root.
        readable: what the groups are called, where not by their names.

    Raises:
        ConfembError: a group with two groups above it.
    """
    size = len(class_names)
    above: dict[str, str] = {}
    for chain in chains:
        for upper, lower in zip(["", *chain], chain, strict=False):
            if above.setdefault(lower, upper) != upper:
                raise ConfembError(
                    f"the group {lower!r} stands below both {above[lower] or 'the root'!r} and "
                    f"{upper or 'the root'!r}: a group of a tree has one group above it."
                )
    children: dict[str, list[int | str]] = {"": []}
    for lower, upper in above.items():
        children.setdefault(upper, []).append(lower)
    for leaf, chain in enumerate(chains):
        children.setdefault(chain[-1] if chain else "", []).append(leaf)
    parents, heights, names = [-1] * size, [0.0] * size, list(class_names)

    def resolve(group: str) -> int:
        # Groups come out lowest first: every child has its number before its parent gets one.
        below = [one if isinstance(one, int) else numbers[one] for one in children.get(group, [])]
        below = [one for one in below if one >= 0]
        if len(below) < 2:
            return below[0] if below else -1
        for one in below:
            parents[one] = len(parents)
        parents.append(-1)
        heights.append(max(heights[one] for one in below) + 1.0)
        names.append((readable or {}).get(group, group))
        return len(parents) - 1

    numbers: dict[str, int] = {}
    for group in _lowest_first(above):
        numbers[group] = resolve(group)
    resolve("")
    return ClassTree(tuple(class_names), np.array(parents), np.array(heights), names=tuple(names))


def _lowest_first(above: Mapping[str, str]) -> list[str]:
    """Return the groups so that every one comes after those below it; raises ConfembError where they go in a ring."""
    depth: dict[str, int] = {"": 0}
    for group in above:
        way = []
        while group not in depth:
            way.append(group)
            if len(way) > len(above):
                raise ConfembError(f"the group {group!r} stands above itself.")
            group = above[group]
        for one in reversed(way):
            depth[one] = depth[above[one]] + 1
    return sorted(above, key=lambda group: -depth[group])
