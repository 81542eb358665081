import json

import numpy as np
import pytest

from confemb.studies.hierarchy.formats import neo_csv, parse_tree_json, read_tree, superclass_table, to_json, to_neo
from confemb.studies.hierarchy.newick import MOST_DEPTH, parse_newick, to_newick
from confemb.studies.hierarchy.tree import ClassTree, cut
from confemb.support.errors import ConfembError

# Names that need quotes in Newick, and marks in JSON and CSV.
NAMES = ("a b", "c_d", "it's", 'x(y), "z"', "e")
TREE = ClassTree(
    NAMES,
    np.array([5, 5, 6, 6, 7, 7, 8, 8, -1]),
    np.array([0, 0, 0, 0, 0, 0.2, 0.3, 0.6, 1.0]),
    np.array([np.nan] * 5 + [0.9, 1.0, 0.25, 1.0]),
    (*NAMES, "first", "second", "third", "all"),
)


def assert_same(found, expected, *, heights=True):
    groups = [{tuple(sorted(np.flatnonzero(t.members[n]))): n for n in t.inner} for t in (found, expected)]
    assert groups[0].keys() == groups[1].keys()
    if heights:
        for members, node in groups[0].items():
            assert found.heights[node] == pytest.approx(expected.heights[groups[1][members]], abs=1e-6)


def test_newick_goes_there_and_back():
    found = parse_newick(to_newick(TREE), where="text", class_names=NAMES)
    assert_same(found, TREE)
    node = {tuple(np.flatnonzero(found.members[n])): n for n in found.inner}
    assert found.support[node[0, 1]] == pytest.approx(0.9)
    named = parse_newick(to_newick(TREE, labels="names"), where="text", class_names=NAMES)
    assert sorted(named.names) == sorted(TREE.names)
    assert np.isnan(named.support).all()


def test_another_parser_reads_our_newick():
    dendropy = pytest.importorskip("dendropy")
    read = dendropy.Tree.get(data=to_newick(TREE), schema="newick")
    assert sorted(taxon.label for taxon in read.taxon_namespace) == sorted(NAMES)
    found = {
        frozenset(leaf.taxon.label for leaf in node.leaf_iter()): (node.label, node.distance_from_tip())
        for node in read.internal_nodes()
    }
    for node in TREE.inner:
        members = frozenset(NAMES[i] for i in np.flatnonzero(TREE.members[node]))
        label, height = found[members]
        assert height == pytest.approx(TREE.heights[node])
        assert label is None if node == TREE.root else float(label) == pytest.approx(TREE.support[node])


def test_we_read_another_parsers_newick():
    dendropy = pytest.importorskip("dendropy")
    text = dendropy.Tree.get(data=to_newick(TREE), schema="newick").as_string("newick", suppress_rooting=True)
    assert_same(parse_newick(text, where="text", class_names=NAMES), TREE)


def test_underscores():
    # Without quotes they are blanks, by the rules of Newick; a class that has them is found all the same.
    assert parse_newick("(red_fox,b);", where="t").class_names == ("red fox", "b")
    assert parse_newick("(red_fox,b);", where="t", class_names=("b", "red_fox")).class_names == ("b", "red_fox")
    with pytest.raises(ConfembError, match="may be the class"):
        parse_newick("(red_fox,b);", where="t", class_names=("red fox", "red_fox", "b"))


def test_a_tree_file_of_whichever_underscores(tmp_path):
    (tmp_path / "t.nwk").write_text("(red_fox,('grey_fox',b));")
    assert read_tree(tmp_path / "t.nwk", ("red_fox", "grey_fox", "b")).class_names == ("red_fox", "grey_fox", "b")


def test_percent_comments_and_single_children():
    tree = parse_newick("[a comment]((a,b)95,((c)),d)100;", where="t")
    assert tree.class_names == ("a", "b", "c", "d")
    assert sorted(tree.support[4:]) == [0.95, 1.0]
    assert tree.heights[4:].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("(a,b)", "end with ;"),
        ("(a,b));", "unexpected"),
        ("((a,b);", "ends within brackets"),
        ("(a,,b);", "leaf has no name"),
        ("(a,a);", "stands twice"),
        ("(a b,c);", "needs quotes"),
        ("(a:x,b:1);", "not a number"),
        ("(a:-1,b:1);", "0 or more"),
        ("(a:inf,b:1);", "finite"),
        ("(a:1:2,b:1);", "two lengths"),
        ("(a:1,b);", "all of them one, or none"),
        ("(a,b);(c,d);", "more behind"),
        ("a;", "must be"),
        ("('a,b);", "not valid Newick"),
        ("(a)(b);", "unexpected"),
        ("(" * (MOST_DEPTH + 2), "levels"),
    ],
)
def test_what_is_no_newick_is_refused(text, match):
    with pytest.raises(ConfembError, match=match):
        parse_newick(text, where="t.nwk")


def test_deep_trees_are_read():
    depth = 3000
    tree = parse_newick("(" * depth + "a" + "".join(f",b{i})" for i in range(depth)) + ";", where="t")
    assert tree.depths.max() == depth
    assert sorted(parse_newick(to_newick(tree), where="t").class_names) == sorted(tree.class_names)


def test_json_goes_there_and_back(tmp_path):
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(to_json(TREE)))
    found = read_tree(path, NAMES)
    assert_same(found, TREE)
    assert set(found.names) == set(TREE.names)
    assert sorted(found.support[5:]) == [0.25, 0.9, 1.0, 1.0]


def test_groups_by_name():
    tree = parse_tree_json({"animal": {"pet": ["cat", "dog"], "wild": ["deer", "fox"]}, "x": ["y"]}, where="t")
    assert tree.class_names == ("cat", "dog", "deer", "fox", "y")
    assert tree.names[5:] == ("pet", "wild", "animal", "")


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ([1], "is not a tree"),
        ({"a": 1}, "must hold groups"),
        ({"a": ["x"], "b": ["x"]}, "stands twice"),
        ({"name": "r", "children": [{"name": "a"}, {"name": "a"}]}, "stand twice"),
        ({"name": "r", "children": [{"name": 1}, {"name": "a"}]}, "must be an object"),
        ({"name": "r", "children": [{"name": "a"}, {"name": "b"}], "height": "x"}, "must be a number"),
        ({"name": "r", "height": -1, "children": [{"name": "a"}, {"name": "b"}]}, "height is 0 or more"),
    ],
)
def test_what_is_no_tree_in_json_is_refused(value, match):
    with pytest.raises(ConfembError, match=match):
        parse_tree_json(value, where="t.json")


def test_a_table_of_superclasses_goes_there_and_back(tmp_path):
    table = superclass_table(TREE, {"two": cut(TREE, number=2), "three": cut(TREE, number=3)})
    assert table["class"].tolist() == [NAMES[i] for i in TREE.order]
    (tmp_path / "t.csv").write_text(table.to_csv(index=False))
    found = read_tree(tmp_path / "t.csv", NAMES)
    assert_same(found, TREE, heights=False)


def test_neo(tmp_path):
    paths = to_neo(TREE)
    assert paths["a b"] == "third:first:a b"
    (tmp_path / "n.csv").write_text(neo_csv(paths))
    assert_same(read_tree(tmp_path / "n.csv", NAMES), TREE, heights=False)
    with pytest.raises(ConfembError, match="colon"):
        to_neo(ClassTree(("a:b", "c"), np.array([2, 2, -1]), np.array([0, 0, 1.0])))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b\n1,2\n", 'the column "class"'),
        ("class\nx\n", 'the column "class"'),
        ("class,s\nx,u\nx,v\n", "stand twice"),
        ("class,s,t\na,u,1\nb,u,2\nc,v,1\nd,v,2\n", "stands below both"),
        ("class,path\nx,a:y\n", "must end with it"),
    ],
)
def test_what_is_no_table_of_superclasses_is_refused(text, match, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ConfembError, match=match):
        read_tree(tmp_path / "t.csv")


def test_files_of_other_kinds_and_unknown_classes(tmp_path):
    with pytest.raises(ConfembError, match="not a tree by its name"):
        read_tree(tmp_path / "t.txt")
    (tmp_path / "t.nwk").write_text("(a,b);")
    with pytest.raises(ConfembError, match="has no class 'c'"):
        read_tree(tmp_path / "t.nwk", ("a", "c"))
