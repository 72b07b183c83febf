import torch

from anymask.model.text_encoder import TextMemory


def test_each_phrase_is_encoded_once_and_order_is_kept() -> None:
    asked: list[list[str]] = []

    def encode(texts: list[str]) -> torch.Tensor:
        asked.append(texts)
        return torch.tensor([[float(len(text))] for text in texts])

    memory = TextMemory(encode)
    assert memory(["aa", "b", "aa"]).tolist() == [[2], [1], [2]]
    assert memory(["ccc", "b"]).tolist() == [[3], [1]]
    assert asked == [["aa", "b"], ["ccc"]]


def test_memory_is_bounded() -> None:
    asked: list[str] = []

    def encode(texts: list[str]) -> torch.Tensor:
        asked.extend(texts)
        return torch.zeros(len(texts), 2)

    memory = TextMemory(encode, max_texts=2)
    for text in ("a", "b", "c", "a"):
        memory([text])
    assert asked == ["a", "b", "c", "a"]
