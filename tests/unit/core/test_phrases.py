import pytest

from anymask.core.phrases import name_key, plain_phrase


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("the red car", "red car"),
        ("  A\tDog! ", "dog"),
        ("all the wine glasses", "wine glasses"),
        ("tree-merged", "tree"),
        ("floor-other-merged", "floor"),
        ("wall_brick", "wall brick"),
        ("T-shirt", "t shirt"),
        ("merged traffic", "merged traffic"),
        ("anteater", "anteater"),
        ("the", "the"),
        ("?!", "?!"),
    ],
)
def test_spellings_become_plain(text, plain):
    assert plain_phrase(text) == plain
    assert plain_phrase(plain) == plain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Cars", "car"),
        ("people", "person"),
        ("berries", "berry"),
        ("knives", "knife"),
        ("shelves", "shelf"),
        ("leaves", "leaf"),
        ("benches", "bench"),
        ("floor-wood", "floor wood"),
        ("the boxes", "box"),
        ("wine glasses", "wine glass"),
    ],
)
def test_spellings_of_one_name_share_their_key(one, other):
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize("name", ["bus", "grass", "tennis", "gas", "dress", "sky"])
def test_words_in_s_that_are_no_plural_stay(name):
    assert name_key(name) == name


def test_different_names_have_different_keys():
    names = ["cat", "cap", "wine glass", "glass", "bus", "bush", "person", "red car", "car"]
    assert len({name_key(name) for name in names}) == len(names)
