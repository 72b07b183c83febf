"""The part of every global batch that is computed in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of every global batch that is computed here: part `index` of `count` equal ones.

    A part is a process, or one of several accumulated passes of a process; the data and all
    randomness are keyed by the global row, so that the number of parts changes nothing but memory.
    """

    index: int = 0
    count: int = 1

    def rows(self, batch_size: int) -> range:
        """The rows of a global batch of that size that belong to this share."""
        return range(
            self.index * batch_size // self.count, (self.index + 1) * batch_size // self.count
        )


WHOLE = Share()
