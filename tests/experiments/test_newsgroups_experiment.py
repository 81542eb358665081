"""The 20 Newsgroups experiment, on small posts."""

import io
import tarfile

import numpy as np
import pytest
from sklearn.utils import Bunch

import confemb

POST = b"From: someone\nSubject: x\n\nIn article 3 he writes:\n> quoted\nThe caf\xe9 is open.\n\nJim\n"


@pytest.fixture(scope="module")
def newsgroups(load_script):
    return load_script("newsgroups")


@pytest.fixture
def archive(tmp_path):
    """Write an archive of (name, content) members, .tar.xz; a content of None makes a link."""

    def write(*members):
        path = tmp_path / "posts.tar.xz"
        with tarfile.open(path, "w:xz") as out:
            folder = tarfile.TarInfo("20news-bydate-train")
            folder.type = tarfile.DIRTYPE
            out.addfile(folder)
            for name, content in members:
                member = tarfile.TarInfo(name)
                if content is None:
                    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
                    out.addfile(member)
                else:
                    member.size = len(content)
                    out.addfile(member, io.BytesIO(content))
        return path

    return write


def test_the_archive_is_read_sorted_and_stripped(newsgroups, archive):
    path = archive(
        ("20news-bydate-train/sci.med/7", POST),
        ("20news-bydate-test/rec.autos/12", b"Header: only\n\n"),
        ("20news-bydate-train/comp.os.ms-windows.misc/3", b"A: b\n\nOne line.\n"),
    )
    posts = newsgroups.read_archive(path)
    assert posts.ids == ["test/rec.autos/12", "train/comp.os.ms-windows.misc/3", "train/sci.med/7"]
    assert posts.newsgroups == ["rec.autos", "comp.os.ms-windows.misc", "sci.med"]
    assert posts.texts[0].strip() == ""
    assert posts.texts[1].strip() == "One line."
    assert posts.texts[2].strip() == "The café is open."
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_scikit_learns_copy_gives_the_same(newsgroups, archive, monkeypatch, tmp_path):
    members = {
        "train/sci.med/7": POST,
        "train/rec.autos/12": b"A: b\n\nOne line.\n",
        "test/sci.med/1": b"A: b\n\nTwo\n",
    }
    wanted = newsgroups.read_archive(archive(*((f"20news-bydate-{name}", text) for name, text in members.items())))

    def fetch_20newsgroups(*, subset, shuffle, remove):
        assert (shuffle, remove) == (False, ("headers", "footers", "quotes"))
        names = [name for name in members if name.startswith(subset)]
        groups = ["rec.autos", "sci.med"]
        return Bunch(
            data=[newsgroups.stripped(members[name].decode("latin-1")) for name in names],
            target=np.array([groups.index(name.split("/")[1]) for name in names]),
            target_names=groups,
            filenames=np.array([str(tmp_path / f"20news-bydate-{name}") for name in names]),
        )

    monkeypatch.setattr("sklearn.datasets.fetch_20newsgroups", fetch_20newsgroups)
    assert newsgroups.fetch() == wanted


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("../20news-bydate-train/sci.med/7", b"x"),
        ("/20news-bydate-train/sci.med/7", b"x"),
        ("20news-bydate-train/../sci.med/7", b"x"),
        ("20news-bydate-train/sci.med/7.exe", b"x"),
        ("20news-bydate-train/sci.med/7", None),
    ],
)
def test_members_that_are_no_posts_are_refused(newsgroups, archive, name, content):
    with pytest.raises(confemb.ConfembError, match="which is no post of 20news-bydate"):
        newsgroups.read_archive(archive((name, content)))


def test_archives_that_are_none_are_refused(newsgroups, archive, tmp_path):
    (tmp_path / "text.tar.xz").write_text("no archive")
    with pytest.raises(confemb.ConfembError, match=r"cannot read the archive .*text\.tar\.xz"):
        newsgroups.read_archive(tmp_path / "text.tar.xz")
    with pytest.raises(confemb.ConfembError, match="cannot read the archive .*none"):
        newsgroups.read_archive(tmp_path / "none")
    with pytest.raises(confemb.ConfembError, match="holds no post"):
        newsgroups.read_archive(archive())
    whole = archive(("20news-bydate-train/sci.med/7", np.random.default_rng(0).bytes(5000)))
    whole.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(confemb.ConfembError, match="cannot read the archive"):
        newsgroups.read_archive(whole)


def test_empty_posts_are_dropped_and_words_tell_the_rest_apart(newsgroups):
    words = {"rec.autos": "engine wheel", "sci.med": "doctor patient", "sci.space": "orbit moon"}
    texts, groups = [], []
    for i in range(30):
        group = list(words)[i % 3]
        texts.append(words[group] if i else " \n ")
        groups.append(group)
    posts = newsgroups.Posts(texts, groups, [f"train/{g}/{i}" for i, g in enumerate(groups)])
    predictions = newsgroups.predict(posts, k=2)
    assert predictions.class_names == tuple(words)
    assert (len(predictions), predictions.accuracy) == (29, 1.0)
    assert predictions.ids.tolist() == posts.ids[1:]


def test_shares_over_seeds_beside_counts_and_chance(newsgroups):
    # a and b, x and y are nearest in every run but the last, where a is x's and b is y's.
    together, apart = np.eye(4), np.array([[1, 0, 0.9, 0], [0, 1, 0, 0.9], [0.9, 0, 1, 0], [0, 0.9, 0, 1]])
    together[0, 1] = together[1, 0] = together[2, 3] = together[3, 2] = 0.8
    vectors = np.stack([np.linalg.cholesky(m) for m in (together, together, apart)]).astype(np.float32)
    names = ("one.a", "one.b", "two.x", "two.y")
    runs = confemb.EmbeddingRuns(vectors, (0, 1, 2), names)
    # By counts only the classes of "one" are nearest to one another.
    counts = confemb.pairs_from_confusions(np.array([[9, 5, 1, 0], [5, 9, 0, 3], [4, 0, 9, 0], [0, 4, 0, 9]]), names)
    found = newsgroups.nearest_shares(counts, runs, newsgroups.top_level_names(names))
    assert found == {
        "classes": 4,
        "median": 1.0,
        "lowest": 0.0,
        "highest": 1.0,
        "counts": 0.5,
        "chance": pytest.approx(1 / 3),
    }


def test_subjects_name_nineteen_newsgroups_once(newsgroups):
    named = [name for members in newsgroups.SUBJECTS.values() for name in members]
    assert len(named) == len(set(named)) == 19
