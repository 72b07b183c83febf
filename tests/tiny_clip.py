"""A random CLIP of two layers whose words are spelled letter by letter, on disk as any other."""

import string
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

CROP_SIZE, PATCH_SIZE, TEXT_DIM, MAX_TOKENS = 32, 8, 24, 16
_LAYERS = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def save_tiny_clip(folder: Path) -> CLIPModel:
    """Write the model and its tokenizer into the folder; return the model."""
    letters = [*string.ascii_lowercase, *(letter + "</w>" for letter in string.ascii_lowercase)]
    marks = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate([*marks, *letters])}
    tokens = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = CLIPConfig(
        text_config=_LAYERS
        | tokens
        | {"vocab_size": len(vocabulary), "max_position_embeddings": MAX_TOKENS},
        vision_config=_LAYERS | {"image_size": CROP_SIZE, "patch_size": PATCH_SIZE},
        projection_dim=TEXT_DIM,
        # larger than usual, so that even a random network tells pictures apart
        initializer_factor=4.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        clip = CLIPModel(config).eval()
    clip.save_pretrained(folder)
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=MAX_TOKENS).save_pretrained(folder)
    return clip
