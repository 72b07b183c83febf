"""Random numbers that are a pure function of their place, so that any of them is found at once."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def unit_hash(text: str) -> float:
    """A number in [0, 1) that only depends on the text: what is held out does not move."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def uniforms(key: Sequence[int], places: ArrayLike) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), one for each place; the SplitMix64 generator, entered anywhere.

    Args:
        key: names the sequence; non-negative.
        places: non-negative whole numbers of any shape.

    >>> uniforms([7], range(3))[2] == uniforms([7], 2)
    np.True_
    """
    start = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64
        x = start + (np.asarray(places).astype(np.uint64) + np.uint64(1)) * _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return np.asarray((x >> np.uint64(11)) * 2.0**-53)
