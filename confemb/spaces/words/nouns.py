"""The list of nouns: WordNet's, as the blog post takes them."""

import re
from typing import Any

# Of at least three letters, which is the shortest noun that is taken.
_ROMAN = re.compile(r"(?=[MDCLXVI])M*(C[MD]|D?C{0,3})(X[CL]|L?X{0,3})(I[XV]|V?I{0,3})")
SHORTEST = 3


def wordnet_nouns(wordnet: Any, *, clean: bool = True, names: bool = True) -> tuple[str, ...]:
    """Return the nouns of WordNet, in alphabetic order.

    As the post does it: the first lemma of each noun synset, in small letters, if it has more than two letters and
    nothing but letters. The post does not say how it cleaned its list of "~39,000 noun words". WordNet 3.1 has 39,853
    such nouns, with `clean` 39,818.

    Args:
        wordnet: NLTK's WordNet reader; anything whose `all_synsets("n")` gives synsets with `name()` and
            `lemma_names()` will do.
        clean: leave out what is only an acronym or a Roman numeral: nouns written in capitals in each of their
            synsets. The post names no rule; this one is ours.
        names: keep proper names, people and places, as the post does. Without them 28,870 nouns are left, those
            that are written in small letters in one of their synsets.
    """
    spelled: dict[str, set[str]] = {}
    for synset in wordnet.all_synsets("n"):
        noun = synset.name().split(".")[0]
        if len(noun) >= SHORTEST and noun.isalpha():
            spelled.setdefault(noun, set()).add(synset.lemma_names()[0])
    return tuple(
        sorted(
            noun
            for noun, lemmas in spelled.items()
            if not (clean and all(lemma.isupper() for lemma in lemmas))
            and not (clean and _ROMAN.fullmatch(noun.upper()) and not any(lemma.islower() for lemma in lemmas))
            and (names or any(lemma.islower() for lemma in lemmas))
        )
    )
