"""Parts of a long computation that ends in one file, OUT: a stopped run goes on from those that are there.

They lie in OUT.parts, under a lock, sealed as this user's (`confemb.support.output_folder`). Beside OUT lie OUT.json
with what was done, and OUT.skipped.tsv with what was passed over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confemb.support.errors import ConfembError
from confemb.support.files import is_there, parse_json, read_bytes, sha256_file
from confemb.support.locks import alone_in
from confemb.support.output_folder import make_work, own_work, remove_work

PARTS, ABOUT, SKIPPED = ".parts", ".json", ".skipped.tsv"


@contextmanager
def part_folder(out: Path) -> Iterator[Path]:
    """Hold the folder in which the parts of `out` lie; at the end of the body it goes away, after an error it stays.

    Raises:
        ConfembError: before the body: another confemb is at work there, or something beside `out` is in the way that
            confemb did not write.
    """
    _refuse_others(out)
    folder = own_work(out.with_name(out.name + PARTS))
    with alone_in(make_work(folder)):
        yield folder
        remove_work(folder)


def part_name(key: str, number: int) -> str:
    """Return what a part is called; `key` is a `stage_key` of all that the parts depend on."""
    return f"{key}-{number:06}"


def made_by(out: Path) -> str | None:
    """Return which activations a file of vectors is of, by OUT.json; None where that is missing or of another OUT."""
    path = out.with_name(out.name + ABOUT)
    try:
        about = parse_json(read_bytes(path), where=str(path))
        # Before, it did not say of which bytes it speaks.
        if "sha256" in about and about["sha256"] != sha256_file(out):
            return None
        return str(about["activations"])
    except (ConfembError, KeyError, TypeError):
        return None


def _refuse_others(out: Path) -> None:
    about, skipped = (out.with_name(out.name + suffix) for suffix in (ABOUT, SKIPPED))
    own = False
    if is_there(about) or about.is_symlink():
        try:
            content = parse_json(read_bytes(about), where=str(about))
        except ConfembError:
            content = None
        own = isinstance(content, dict) and "activations" in content and not about.is_symlink()
        if not own:
            raise _in_the_way(about)
    if is_there(skipped) and not own:
        raise _in_the_way(skipped)


def _in_the_way(path: Path) -> ConfembError:
    return ConfembError(f"{path} is in the way and was not written by confemb: move it, or choose another --out.")
