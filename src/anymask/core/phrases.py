"""Phrases as people type them and names as data sets spell them, brought to one form."""

import re

# Of COCO's stuff labels, which tell how the label was made, not what is seen.
_LABEL_SUFFIXES = re.compile(r"(-(merged|other|stuff))+$")
_LEADING = frozenset(
    ("a", "an", "the", "all", "any", "each", "every", "some", "this", "that", "these", "those")
)
_IRREGULAR = {
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "men": "man",
    "mice": "mouse",
    "people": "person",
    "teeth": "tooth",
    "women": "woman",
}


def plain_phrase(text: str) -> str:
    """Return the phrase in lower case, without leading articles, hyphens and end punctuation.

    The names that a model is trained with go through it as well, so that both meet the text
    encoder in one form. A phrase of nothing else is left as it is.

    >>> plain_phrase("The  red Car.")
    'red car'
    >>> plain_phrase("floor-other-merged"), plain_phrase("wine_glass"), plain_phrase("T-shirt")
    ('floor', 'wine glass', 't shirt')
    """
    tidy = " ".join(text.lower().split())
    named = _LABEL_SUFFIXES.sub("", tidy)
    words = re.sub(r"[-_]", " ", named).strip(" .,;:!?\"'()").split()
    while len(words) > 1 and words[0] in _LEADING:
        words = words[1:]
    return " ".join(words) or tidy


def name_key(text: str) -> str:
    """Return what two spellings of one name share: the plain phrase, its last word singular.

    A rule of thumb for English, made to find too many equals rather than too few.

    >>> name_key("The Wine Glasses") == name_key("wine-glass")
    True
    >>> name_key("people"), name_key("bus"), name_key("two puppies"), name_key("knives")
    ('person', 'bus', 'two puppy', 'knife')
    """
    *first, last = plain_phrase(text).split()
    return " ".join([*first, _singular(last)])


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for ending, instead in (("ies", "y"), ("ives", "ife"), ("lves", "lf"), ("aves", "af")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + instead
    if re.search(r"(ss|sh|ch|x|z)es$", word):
        return word[:-2]
    if re.search(r"[^suia]s$", word) and len(word) > 3:
        return word[:-1]
    return word
