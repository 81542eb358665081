"""A WordNet of a dozen nouns, in the format of the real one (wndb(5WN)), without its optional files."""

from pathlib import Path

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


def word(name: str) -> str:
    """Return the lemma of a name."""
    return name.partition(".")[0].replace(" ", "_")


def lines(offsets: dict[str, int]) -> dict[str, str]:
    """Return the lines of `data.noun`, given where each begins."""
    found = {}
    for name, (file, hypernyms) in NOUNS.items():
        pointers = "".join(f"@ {offsets[h]:08} n 0000 " for h in hypernyms)
        found[name] = f"{offsets[name]:08} {file:02} n 01 {word(name)} 0 {len(hypernyms):03} {pointers}| what it is  \n"
    return found


def write_wordnet(folder: Path) -> None:
    """Write its files into a new folder."""
    folder.mkdir()
    header = "  1 No licence.  \n"
    offsets, place = {}, len(header)
    # An offset has eight digits, whatever it is: the lines' lengths are known before the offsets.
    for name, line in lines(dict.fromkeys(NOUNS, 0)).items():
        offsets[name] = place
        place += len(line)
    (folder / "data.noun").write_text(header + "".join(lines(offsets).values()))
    senses: dict[str, list[int]] = {}
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
