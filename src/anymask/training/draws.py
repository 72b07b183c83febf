"""The random numbers of a step, the same whichever process computes which of its targets."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """A step's random numbers: drawn for all targets of the global batch, of which some are kept.

    Everyone who computes a part of the batch makes the same calls in the same order and so walks
    through the same numbers; numbers that are not about one target (`integer`, `unit`) are common.

    Attributes:
        generator: seeded for the step.
        num_targets: of the global batch; None when the targets at hand are all of them.
        first: which of them is the first one here.
    """

    generator: torch.Generator
    num_targets: int | None = None
    first: int = 0

    def rand(self, P: int, *shape: int) -> Tensor:
        """(P, *shape) uniform in [0, 1): one row for each of the P targets at hand."""
        return self._own(torch.rand(self._total(P), *shape, generator=self.generator), P)

    def randn(self, P: int, *shape: int) -> Tensor:
        """(P, *shape) of a standard normal distribution."""
        return self._own(torch.randn(self._total(P), *shape, generator=self.generator), P)

    def integer(self, high: int) -> int:
        """One number from 0 to high - 1 for the whole step."""
        return int(torch.randint(high, (), generator=self.generator))

    def unit(self) -> float:
        """One number in [0, 1) for the whole step."""
        return float(torch.rand((), generator=self.generator))

    def branch(self, number: int) -> torch.Generator:
        """A generator apart, for what does not draw equally often in every part of the batch."""
        seed = self.generator.initial_seed() * 65_537 + number
        return torch.Generator().manual_seed(seed % 2**63)

    def part(self, first: int, num_targets: int) -> "Draws":
        """The numbers to come, for targets `first` and on of the `num_targets` at hand.

        These draws stay where they are: every part walks through the same numbers.
        """
        generator = torch.Generator()
        generator.set_state(self.generator.get_state())
        total = self._total(num_targets)
        return Draws(generator=generator, num_targets=total, first=self.first + first)

    def _total(self, P: int) -> int:
        return P if self.num_targets is None else self.num_targets

    def _own(self, values: Tensor, P: int) -> Tensor:
        return values[self.first : self.first + P]
