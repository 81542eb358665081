"""What the nodes of a tree are called: WordNet's lowest common hypernym, or the members that are most typical."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from confemb.records.similarity import SimilarityMatrix
from confemb.studies.hierarchy.tree import ClassTree
from confemb.studies.hierarchy.wordnet import LEAST_DEPTH

# A noun names a node where it stands above so many of its classes: a stray one does not make a kennel "objects".
COVERED = 0.75
MEMBERS = 3


def name_nodes(
    tree: ClassTree, similarity: SimilarityMatrix, paths: Mapping[str, Sequence[tuple[str, str]]] | None = None
) -> ClassTree:
    """Return the tree with a name for every inner node, no two alike.

    A node is named by the lowest noun of WordNet that stands above at least three quarters of its classes, where
    WordNet has that many of them and the noun stands below "object" and "whole"; else by its most typical members, see
    `typical_members`. Of several nodes with the same noun the largest is called by it alone, the others by noun and
    members. The root is "all".

    Args:
        tree: the tree.
        similarity: of its classes, which says who is typical.
        paths: each class's nouns from the root down, see `hypernym_paths`; None: no WordNet.
    """
    paths = paths or {}
    names = [""] * len(tree)
    listed, taken = {}, {"all", *tree.class_names}
    names[tree.root] = "all"
    # From the largest down: a noun that would name several nodes names the largest.
    for node in sorted(tree.inner, key=lambda one: (-int(tree.sizes[one]), one)):
        members = np.flatnonzero(tree.members[node])
        listed[node] = _listed(typical_members(similarity, members), len(members))
        noun = _common_noun([paths.get(tree.class_names[i], ()) for i in members])
        choices = [noun, f"{noun}: {listed[node]}"] if noun else [listed[node]]
        numbered = (f"{choices[-1]} ({number})" for number in itertools.count(2))
        if node != tree.root:
            names[node] = next(one for one in itertools.chain(choices, numbered) if one not in taken)
            taken.add(names[node])
    return tree.named(names)


def typical_members(similarity: SimilarityMatrix, members: np.ndarray, *, most: int = MEMBERS) -> list[str]:
    """Return the names of the members that are most similar to the other members on average, the most so first."""
    inner = similarity.values[np.ix_(members, members)].copy()
    np.fill_diagonal(inner, 0.0)
    order = np.argsort(-inner.sum(axis=1), kind="stable")[:most]
    return [similarity.class_names[members[i]] for i in order]


def _listed(typical: Sequence[str], size: int) -> str:
    rest = size - len(typical)
    return ", ".join(typical) + (f" and {rest} more" if rest else "")


def _common_noun(paths: Sequence[Sequence[tuple[str, str]]]) -> str | None:
    """Return the readable name of the lowest noun above enough of the classes; None where there is none to speak of."""
    needed = COVERED * len(paths)
    if sum(bool(path) for path in paths) < needed:
        return None
    # A class is no group of itself: its own noun counts only for the others.
    often = Counter((depth, *noun) for path in paths for depth, noun in enumerate(path[:-1]))
    enough = [(depth, count, readable) for (depth, _, readable), count in often.items() if count >= needed]
    if not enough:
        return None
    depth, _, readable = max(enough, key=lambda one: (one[0], one[1], one[2]))
    return readable if depth >= LEAST_DEPTH else None
