"""Newick: the form in which trees are exchanged, written with support and read from anyone.

Source: the grammar of G. Olsen (1990), as in PHYLIP: a quote within a quoted label is doubled, square brackets hold
comments, an underscore in a label without quotes is a blank.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from confemb.studies.hierarchy.tree import ClassTree
from confemb.support.errors import ConfembError, quoted_list

MOST_NODES = 1_000_000
MOST_DEPTH = 10_000
_PLAIN = re.compile(r"[^\s()\[\]{}/\\,;:='\"_]+")
_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[(),:;])|'(?P<quoted>(?:[^']|'')*)'|(?P<comment>\[[^\]]*\])|(?P<plain>[^\s()\[\]',:;]+))"
)


def to_newick(tree: ClassTree, *, labels: str = "support") -> str:
    """Return a tree as Newick with branch lengths, the differences of the nodes' heights.

    Args:
        tree: the tree.
        labels: of the inner nodes: their "support", or their "names". Newick has room for one of them.
    """
    texts: list[str] = []
    for node in range(len(tree)):
        if node < len(tree.class_names):
            text = quoted(tree.names[node])
        else:
            inside = ",".join(texts[child] for child in tree.children[node])
            for child in tree.children[node]:
                texts[child] = ""
            text = f"({inside}){_label(tree, node, labels)}"
        parent = int(tree.parents[node])
        length = "" if parent < 0 else f":{tree.heights[parent] - tree.heights[node]:.6f}"
        texts.append(text + length)
    return texts[-1] + ";\n"


def _label(tree: ClassTree, node: int, labels: str) -> str:
    if labels == "names":
        return quoted(tree.names[node]) if tree.names[node] else ""
    return "" if node == tree.root or np.isnan(tree.support[node]) else f"{tree.support[node]:.3f}"


def quoted(name: str) -> str:
    """Return a label as Newick has it: in quotes wherever it holds a blank, an underscore or a mark."""
    return name if _PLAIN.fullmatch(name) else "'" + name.replace("'", "''") + "'"


@dataclass(eq=False)
class Branch:
    """A node while it is read: its label (None: none) and whether that stood in quotes, its length, its children."""

    label: str | None = None
    in_quotes: bool = False
    length: float | None = None
    children: list["Branch"] = field(default_factory=list)


def parse_newick(text: str, *, where: str, class_names: Sequence[str] | None = None) -> ClassTree:
    """Return the tree of Newick text.

    Labels of inner nodes are their support where all are numbers from 0 to 1, or from 0 to 100 (percent), else their
    names. A node's height is the longest way down to a leaf: by the lengths of the branches, or in steps where there
    are none. A node with a single child is left out.

    Args:
        text: one tree.
        where: what a message calls it.
        class_names: the classes, in the order wanted; labels are compared as they stand first, then with blanks for
            their underscores. None: the leaves in the text's order, by the rules of Newick.

    Raises:
        ConfembError: no Newick, several trees, a leaf without a name, a class twice or unknown, a tree that is too
            large or too deep, lengths of some branches only, a length below 0 or that is not finite.
    """
    root = _parse(text, where)
    leaves, nodes = _listed(root)
    known = None if class_names is None else set(class_names)
    names = [_leaf_name(leaf, known, where) for leaf in leaves]
    tree = _class_tree(nodes, leaves, names, where)
    if class_names is None:
        return tree
    if extra := [name for name in names if name not in (known or ())]:
        raise ConfembError(
            f"{where}: the leaves {quoted_list(extra)} are not among the classes; they must be called alike."
        )
    return tree.restricted_to(tuple(class_names))


def _parse(text: str, where: str) -> Branch:  # noqa: C901 - a branch for each sign of the grammar
    root = Branch()
    stack, current = [root], root
    place, count, after_colon, labelled = 0, 1, False, False
    end = len(text.rstrip())
    while place < end:
        token = _TOKEN.match(text, place)
        if token is None:
            raise ConfembError(f"{where} is not valid Newick: character {place + 1}, {text[place : place + 20]!r}.")
        place = token.end()
        mark, word = token["mark"], token["plain"] if token["quoted"] is None else token["quoted"].replace("''", "'")
        if token["comment"] is not None:
            continue
        if mark == ";":
            if len(stack) > 1 or place < end:
                problem = "it ends within brackets" if len(stack) > 1 else "there is more behind the first ;"
                raise ConfembError(f"{where} is not one Newick tree: {problem}.")
            if not root.children:
                break
            return root
        if after_colon:
            current.length = _length(word or mark, where)
            after_colon = False
        elif mark == ":":
            if current.length is not None:
                raise ConfembError(f"{where} is not valid Newick: a branch has two lengths, at character {place}.")
            after_colon = True
        elif mark == "(":
            if current.children or labelled:
                raise ConfembError(f"{where} is not valid Newick: an unexpected ( at character {place}.")
            current.children.append(Branch())
            stack.append(current)
            current, labelled = current.children[0], False
            count += 1
        elif mark in (",", ")"):
            if len(stack) == 1:
                raise ConfembError(f"{where} is not valid Newick: an unexpected {mark} at character {place}.")
            labelled = False
            if mark == ",":
                current = Branch()
                stack[-1].children.append(current)
                count += 1
            else:
                current = stack.pop()
        else:
            if labelled:
                raise ConfembError(
                    f"{where} is not valid Newick: {word!r} follows another label; a label with blanks needs quotes."
                )
            current.label, current.in_quotes, labelled = word, token["quoted"] is not None, True
        if count > MOST_NODES or len(stack) > MOST_DEPTH:
            raise ConfembError(f"{where} has more than {MOST_NODES:,} nodes or {MOST_DEPTH:,} levels.")
    raise ConfembError(f"{where} is not a Newick tree: it must be (...) and end with ;.")


def _length(word: str | None, where: str) -> float:
    try:
        length = float(word or "")
    except ValueError:
        raise ConfembError(f"{where}: a branch has the length {word!r}, which is not a number.") from None
    if not (np.isfinite(length) and length >= 0):
        raise ConfembError(f"{where}: a branch has the length {word}; lengths are finite and 0 or more.")
    return length


def _listed(root: Branch) -> tuple[list[Branch], list[Branch]]:
    """Return the leaves from left to right, and all nodes, children before parents."""
    leaves, nodes, left = [], [], [root]
    while left:
        node = left.pop()
        while len(node.children) == 1:
            (only,) = node.children
            if only.length is not None or node.length is not None:
                only.length = (only.length or 0.0) + (node.length or 0.0)
            node.label, node.in_quotes, node.length, node.children = (
                only.label, only.in_quotes, only.length, only.children,
            )  # fmt: skip
        nodes.append(node)
        left.extend(reversed(node.children))
        if not node.children:
            leaves.append(node)
    return leaves, nodes[::-1]


def _leaf_name(leaf: Branch, known: set[str] | None, where: str) -> str:
    if not leaf.label:
        raise ConfembError(f"{where}: a leaf has no name; every leaf is a class.")
    blank = leaf.label if leaf.in_quotes else leaf.label.replace("_", " ")
    if known is not None and leaf.label in known:
        if blank in known and blank != leaf.label:
            raise ConfembError(
                f"{where}: the leaf {leaf.label} may be the class {leaf.label!r} or, with a blank, {blank!r}: quote it."
            )
        return leaf.label
    return blank


def _class_tree(nodes: list[Branch], leaves: list[Branch], names: list[str], where: str) -> ClassTree:
    number = {id(leaf): i for i, leaf in enumerate(leaves)}
    inner = [node for node in nodes if node.children]
    number |= {id(node): len(leaves) + i for i, node in enumerate(inner)}
    lengths = [node.length for node in nodes[:-1]]
    if any(one is None for one in lengths) and any(one is not None for one in lengths):
        raise ConfembError(f"{where}: some branches have a length and some have none; give all of them one, or none.")
    parents, heights = np.full(len(nodes), -1, np.int64), np.zeros(len(nodes))
    for node in inner:
        place = number[id(node)]
        children = [number[id(child)] for child in node.children]
        parents[children] = place
        steps = [1.0 if child.length is None else child.length for child in node.children]
        heights[place] = max(heights[child] + step for child, step in zip(children, steps, strict=True))
    labels = [node.label or "" for node in inner]
    support, named = _support(labels)
    try:
        return ClassTree(
            tuple(names),
            parents,
            heights,
            np.append(np.full(len(leaves), np.nan), support),
            (*names, *(label if named else "" for label in labels)),
        )
    except ConfembError as error:
        raise ConfembError(f"{where}: {error}") from error


def _support(labels: list[str]) -> tuple[np.ndarray, bool]:
    """Return the support that labels of inner nodes say, and whether they are names instead."""
    values = np.full(len(labels), np.nan)
    try:
        for row, label in enumerate(labels):
            if label:
                values[row] = float(label)
    except ValueError:
        return np.full(len(labels), np.nan), True
    known = values[~np.isnan(values)]
    if len(known) and (known.min() < 0 or known.max() > 100):
        return np.full(len(labels), np.nan), True
    return (values / 100 if len(known) and known.max() > 1 else values), False
