"""A WordNet of a dozen nouns, in the format of the real one (wndb(5WN)), without its optional files."""

import pytest

# name -> lexicographer's file, hypernyms; "dog.n.02" is a second sense of the word dog.
NOUNS = {
    "entity": (3, []),
    "animal": (5, ["entity"]),
    "pet": (5, ["entity"]),
    "carnivore": (5, ["animal"]),
    "dog": (5, ["carnivore", "pet"]),
    "cat": (5, ["carnivore", "pet"]),
    "puppy": (5, ["dog"]),
    "frog": (5, ["animal"]),
    "artefact": (6, ["entity"]),
    "hot dog": (6, ["artefact"]),
    "dog.n.02": (6, ["artefact"]),
}


def word(name) -> str:
    return name.partition(".")[0].replace(" ", "_")


def lines(offsets) -> dict[str, str]:
    found = {}
    for name, (file, hypernyms) in NOUNS.items():
        pointers = "".join(f"@ {offsets[h]:08} n 0000 " for h in hypernyms)
        found[name] = f"{offsets[name]:08} {file:02} n 01 {word(name)} 0 {len(hypernyms):03} {pointers}| what it is  \n"
    return found


@pytest.fixture(scope="session")
def small_wordnet(tmp_path_factory):
    """Return the folder of its files."""
    pytest.importorskip("nltk")
    folder = tmp_path_factory.mktemp("wordnet") / "dict"
    folder.mkdir()
    header = "  1 No licence.  \n"
    offsets, place = {}, len(header)
    # An offset has eight digits, whatever it is: the lines' lengths are known before the offsets.
    for name, line in lines(dict.fromkeys(NOUNS, 0)).items():
        offsets[name] = place
        place += len(line)
    (folder / "data.noun").write_text(header + "".join(lines(offsets).values()))
    senses = {}
    for name in NOUNS:
        senses.setdefault(word(name), []).append(offsets[name])
    (folder / "index.noun").write_text(
        header
        + "".join(
            f"{lemma} n {len(found)} 1 @ {len(found)} 0 {' '.join(f'{o:08}' for o in found)}  \n"
            for lemma, found in sorted(senses.items())
        )
    )
    for part in ("verb", "adj", "adv"):
        (folder / f"data.{part}").write_text(header)
        (folder / f"index.{part}").write_text(header)
    return folder


@pytest.fixture
def at_hand(small_wordnet, monkeypatch):
    """Make it the WordNet that is found."""
    monkeypatch.setenv("WNSEARCHDIR", str(small_wordnet))
    return small_wordnet
