import json

import pytest

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.dataset.card import CardAnswers, CardFacts, read_answers, write_card
from anymask.dataset.described import find_parts
from anymask.dataset.manifest import Manifest
from anymask.dataset.reports import PrivacyState, ValidationState
from anymask.dataset.shard_writing import ShardSummary
from anymask.dataset.statistics import DatasetStatistics, count_images
from sa1b_archives import write_shards


@pytest.fixture(scope="module")
def statistics(tmp_path_factory) -> DatasetStatistics:
    (path,) = write_shards(tmp_path_factory.mktemp("set"), [3])
    (part,) = find_parts(path)
    return count_images(part.read(pytest.fail))


def answer_to(card: str, question: str) -> str:
    return card.split(f"**{question}**\n")[1].split("\n\n**")[0].split("\n\n## ")[0]


def test_what_nobody_knows_is_not_made_up(statistics):
    card = write_card(CardFacts(name="ours", statistics=statistics))
    assert answer_to(card, "What is in it?") == "3 photographs with 6 masks."
    for question in ("Under which licence?", "What made them, and how?", "Is the form sound?"):
        assert answer_to(card, question) == "Not recorded."


def test_what_is_known_is_said(statistics):
    shard = ShardSummary(
        name="sa_000000.tar", num_bytes=10**9, sha256="0", num_images=3, num_masks=6
    )
    facts = CardFacts(
        name="ours",
        statistics=statistics,
        manifest=Manifest(shards=(shard,)),
        validation=ValidationState(num_images=3, num_masks=6, problems={"bad-rle": 2}),
        privacy=PrivacyState(
            num_images=3, num_left_out=1, num_by_kind={"face": 4}, detectors="one", regions={}
        ),
        records={"Generator": {"model": None, "crops": {"layers": 2}, "sizes": [1, 2]}},
        answers=CardAnswers(license="CC0", contact="us | them"),
    )
    card = write_card(facts)
    assert "| licence | CC0 |" in card
    assert "| contact | us \\| them |" in card
    assert "4 faces. 1 photographs were left out" in card
    assert "| bad-rle | 2 |" in card
    assert "| crops.layers | 2 |" in card
    assert "| sizes | 1, 2 |" in card
    assert "| model | not recorded |" in card
    assert "1.00 GB" in card
    assert "predicted IoU 0.902" in answer_to(card, "How sure is the generator?")


def test_a_set_of_nothing_has_a_card():
    assert "not recorded" in write_card(CardFacts(name="a", statistics=DatasetStatistics.empty()))


def test_answers_are_read(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({"license": "CC0"}))
    assert read_answers(path) == CardAnswers(license="CC0")


def test_unknown_answers_name_the_known(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({"licence": "CC0"}))
    with pytest.raises(UnknownNameError, match=r"photos_license"):
        read_answers(path)


@pytest.mark.parametrize("content", ["[]", '{"license": 3}', "{"])
def test_damaged_answers_are_refused(tmp_path, content):
    path = tmp_path / "answers.json"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match="answers"):
        read_answers(path)
