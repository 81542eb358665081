"""Trees in files: JSON, Newick, CSV of superclasses, Apple Neo's `a:b:c`; and reading a tree of one's own."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from confemb.records.class_cells import parse_csv
from confemb.records.indices import name_index
from confemb.studies.hierarchy.newick import MOST_DEPTH, MOST_NODES, parse_newick
from confemb.studies.hierarchy.tree import ClassTree
from confemb.studies.hierarchy.wordnet import nested_tree
from confemb.support.cells import csv_cells, plain_cell
from confemb.support.errors import ConfembError, quoted_list, repeated
from confemb.support.files import parse_json, read_text

NEWICK_SUFFIXES = (".nwk", ".newick", ".tree", ".tre")


def to_json(tree: ClassTree) -> dict[str, Any]:
    """Return the tree as nested objects: name, height, support (where it is known), children.

    So d3 and others read it. `parse_tree_json` reads it back.
    """
    found: list[dict[str, Any]] = []
    for node in range(len(tree)):
        one: dict[str, Any] = {"name": tree.names[node]}
        if node >= len(tree.class_names):
            one["height"] = round(float(tree.heights[node]), 6)
            if not np.isnan(tree.support[node]):
                one["support"] = round(float(tree.support[node]), 4)
            one["children"] = [found[child] for child in tree.children[node]]
        found.append(one)
    return found[-1]


def superclass_table(tree: ClassTree, cuts: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for each class, in the tree's order: class, and for each cut the superclass that it is in.

    Args:
        tree: the tree.
        cuts: column -> what `cut` returns.
    """
    rows = tree.order
    names = np.array(tree.names, dtype=object)
    table = {"class": names[rows]}
    table |= {column: names[found[rows]] for column, found in cuts.items()}
    return pd.DataFrame(table)


def to_neo(tree: ClassTree, cuts: Sequence[np.ndarray] | None = None) -> dict[str, str]:
    """Return each class as Apple Neo's confusion matrices name it: "vehicle:craft:ship", the root left out.

    Args:
        tree: the tree.
        cuts: only the superclasses of these cuts, from the coarsest to the finest; None: every inner node.

    Raises:
        ConfembError: a name that holds a colon, by which Neo parts the levels.
    """
    if colon := [name for name in tree.names if ":" in name and name in tree.class_names]:
        raise ConfembError(
            f"the classes {quoted_list(colon)} have a colon in their names, by which Neo parts the levels: rename them."
        )
    found = {}
    for leaf, name in enumerate(tree.class_names):
        chosen = () if cuts is None else dict.fromkeys(int(one[leaf]) for one in cuts)
        above = tree.ancestors(leaf)[1:-1][::-1] if cuts is None else list(chosen)
        # A node's own name may hold a colon: "placental: dog, horse".
        groups = [tree.names[node].replace(":", " -") for node in above if node not in (leaf, tree.root)]
        found[name] = ":".join([*groups, name])
    return found


def neo_csv(paths: Mapping[str, str]) -> str:
    """Return a CSV of Neo's names: class, path."""
    classes, names = csv_cells(list(paths)), csv_cells(list(paths.values()))
    return "\n".join(["class,path", *map(",".join, zip(classes, names, strict=True))]) + "\n"


def read_tree(path: str | os.PathLike[str], class_names: Sequence[str] | None = None) -> ClassTree:
    """Read a tree from Newick (.nwk, .newick, .tree, .tre), JSON or CSV.

    Args:
        path: the file.
        class_names: the classes wanted, in the order wanted: the rest of the tree is left out. None: all that it has.

    Raises:
        ConfembError: another suffix, a file that is not what its suffix says, classes that the tree has not.
    """
    where, suffix = os.fspath(path), Path(path).suffix.lower()
    if suffix in NEWICK_SUFFIXES:
        tree = parse_newick(read_text(path), where=where, class_names=None)
        if class_names is not None and not set(class_names) <= set(tree.class_names):
            # Perhaps its underscores are meant as they stand.
            tree = parse_newick(read_text(path), where=where, class_names=_as_they_stand(tree, class_names, where))
    elif suffix == ".json":
        tree = parse_tree_json(parse_json(read_text(path), where=where), where=where)
    elif suffix == ".csv":
        tree = parse_tree_csv(read_text(path), where=where)
    else:
        raise ConfembError(f"{where} is not a tree by its name: give .nwk, .newick, .tree, .tre, .json or .csv.")
    if class_names is None:
        return tree
    try:
        return tree.restricted_to(tuple(class_names))
    except ConfembError as error:
        raise ConfembError(f"{where}: {error}") from error


def _as_they_stand(tree: ClassTree, class_names: Sequence[str], where: str) -> list[str]:
    """Return the leaves' names, those with underscores where the classes have them so."""
    by_blank: dict[str, list[str]] = {}
    for name in class_names:
        by_blank.setdefault(name.replace("_", " "), []).append(name)
    if double := [names for names in by_blank.values() if len(names) > 1]:
        raise ConfembError(f"{where}: the classes {quoted_list(double[0])} differ by a blank alone: quote them.")
    return [by_blank.get(name, [name])[0] for name in tree.class_names]


def parse_tree_json(value: Any, *, where: str) -> ClassTree:
    """Return the tree of parsed JSON.

    Read are nested objects as `to_json` makes them (a node: "name", "children", and perhaps "height" and "support"),
    and groups by name: {"animal": {"pet": ["cat", "dog"], "wild": ["deer"]}}, in which lists hold classes.

    Raises:
        ConfembError: anything else, a class twice, a tree that is too large or too deep.
    """
    if isinstance(value, dict) and isinstance(value.get("children"), list):
        return _from_nodes(value, where)
    if isinstance(value, dict):
        chains = _chains(value, where)
        return _of_chains(chains, where)
    raise ConfembError(
        f'{where} is not a tree: it must be nested objects with "name" and "children", or groups by name such as '
        '{"pet": ["cat", "dog"], "wild": ["deer"]}.'
    )


def _chains(value: Mapping[str, Any], where: str) -> dict[str, list[str]]:
    """Return for each class of nested groups the names of those that hold it, made unique by what holds them."""
    found: dict[str, list[str]] = {}
    left: list[tuple[list[str], Any]] = [([], value)]
    while left:
        chain, one = left.pop()
        if isinstance(one, dict) and len(chain) < MOST_DEPTH:
            left += [([*chain, "\0".join([*chain[-1:], name])], inner) for name, inner in reversed(one.items())]
        elif isinstance(one, list) and all(isinstance(name, str) for name in one):
            for name in one:
                if name in found:
                    raise ConfembError(f"{where}: the class {name!r} stands twice; a tree has it once.")
                found[name] = chain
        else:
            raise ConfembError(f"{where}: the group {_last(chain)!r} must hold groups by name or a list of classes.")
        if len(found) > MOST_NODES:
            raise ConfembError(f"{where} has more than {MOST_NODES:,} classes: too much to read.")
    return found


def _last(chain: Sequence[str]) -> str:
    return chain[-1].rpartition("\0")[2] if chain else ""


def _of_chains(chains: Mapping[str, Sequence[str]], where: str) -> ClassTree:
    readable = {group: group.rpartition("\0")[2] for chain in chains.values() for group in chain}
    try:
        return nested_tree(tuple(chains), list(chains.values()), readable)
    except ConfembError as error:
        raise ConfembError(f"{where}: {str(error).replace(chr(0), ' > ')}") from error


def _from_nodes(value: dict[str, Any], where: str) -> ClassTree:
    """Return the tree of nested objects with name and children; heights in steps where one is not given."""
    order: list[tuple[dict[str, Any], int]] = []
    left: list[tuple[Any, int, int]] = [(value, -1, 0)]
    while left:
        node, parent, depth = left.pop()
        if not isinstance(node, dict) or not isinstance(node.get("name", ""), str):
            raise ConfembError(f'{where}: a node must be an object with a "name" and, unless it is a class, children.')
        children = node.get("children", [])
        if not isinstance(children, list) or len(order) > MOST_NODES or depth > MOST_DEPTH:
            raise ConfembError(f'{where}: "children" must be a list, of at most {MOST_NODES:,} nodes in all.')
        left += [(child, len(order), depth + 1) for child in reversed(children)]
        order.append((node, parent))
    is_leaf = [not node.get("children") for node, _ in order]
    leaves = [row for row, leaf in enumerate(is_leaf) if leaf]
    inner = [row for row, leaf in enumerate(is_leaf) if not leaf][::-1]
    place = name_index([*leaves, *inner])
    parents = np.array([place.get(order[row][1], -1) for row in [*leaves, *inner]])
    heights, support = np.zeros(len(place)), np.full(len(place), np.nan)
    given = [_number(order[row][0], "height", where) for row in inner]
    if any(one is None for one in given) and any(one is not None for one in given):
        raise ConfembError(f'{where}: some nodes have a "height" and some have none; give all of them one, or none.')
    for row, height in zip(inner, given, strict=True):
        number = place[row]
        support[number] = np.nan if (one := _number(order[row][0], "support", where)) is None else one
        below = np.flatnonzero(parents == number)
        heights[number] = heights[below].max() + 1.0 if height is None else height
    names = tuple(str(order[row][0].get("name", "")) for row in [*leaves, *inner])
    classes = names[: len(leaves)]
    if twice := repeated(classes):
        raise ConfembError(f"{where}: the classes {quoted_list(twice)} stand twice; a tree has each once.")
    try:
        whole = _with_single_children(classes, parents, heights, support, names)
    except ConfembError as error:
        raise ConfembError(f"{where}: {error}") from error
    return whole


def _with_single_children(
    classes: tuple[str, ...], parents: np.ndarray, heights: np.ndarray, support: np.ndarray, names: tuple[str, ...]
) -> ClassTree:
    """Return the tree without the nodes that have a single child."""
    above = parents.copy()
    branches = np.bincount(parents[parents >= 0], minlength=len(parents))
    kept = [node for node in range(len(parents)) if node < len(classes) or branches[node] > 1]
    place = name_index(kept)
    for node in range(len(parents) - 1, -1, -1):
        parent = above[node]
        if parent >= 0 and parent not in place:
            above[node] = above[parent]
    linked = np.array([place.get(int(above[node]), -1) for node in kept])
    return ClassTree(classes, linked, heights[kept], support[kept], tuple(names[node] for node in kept))


def _number(node: dict[str, Any], key: str, where: str) -> float | None:
    value = node.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfembError(f'{where}: "{key}" is {value!r}; it must be a number.')
    return float(value)


def parse_tree_csv(text: str, *, where: str) -> ClassTree:
    """Return the tree of a CSV with a header, whose column "class" names the classes.

    Its other columns are superclasses, the more of them a column names the finer it is; each superclass lies within one
    of the next coarser column. Or there is one other column "path" with Neo's "vehicle:craft:ship".

    Raises:
        ConfembError: no column "class" or no other one, a class twice, superclasses that do not nest.
    """
    header, *rows = parse_csv(text, where=where)
    names = [plain_cell(cell) for cell in header]
    if names.count("class") != 1 or len(names) < 2 or not rows:
        raise ConfembError(
            f'{where} is not a table of superclasses: it needs a header with the column "class" and others, as '
            "class,superclass."
        )
    cells = {name: [plain_cell(row[i]) for row in rows] for i, name in enumerate(names)}
    classes = cells.pop("class")
    if twice := repeated(classes):
        raise ConfembError(f"{where}: the classes {quoted_list(twice)} stand twice; a tree has each once.")
    if list(cells) == ["path"]:
        chains = [_neo_chain(path, name, where) for path, name in zip(cells["path"], classes, strict=True)]
        return _of_chains(dict(zip(classes, chains, strict=True)), where)
    columns = sorted(cells, key=lambda column: len(set(cells[column])))
    # A class may be its own superclass: it then hangs from what is above.
    chains = [
        [f"{column}\0{cells[column][row]}" for column in columns if cells[column][row] not in ("", name)]
        for row, name in enumerate(classes)
    ]
    return _of_chains(dict(zip(classes, chains, strict=True)), where)


def _neo_chain(path: str, name: str, where: str) -> list[str]:
    *groups, last = path.split(":")
    if last != name:
        raise ConfembError(f'{where}: the path {path!r} of the class {name!r} must end with it, as "craft:ship".')
    return [":\0".join(groups[: i + 1]) for i in range(len(groups))]
