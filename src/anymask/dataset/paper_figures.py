"""What the SA paper says in numbers of its data set and of others; its curves are not here.

Kirillov et al., arXiv 2304.02643. Compute the curves of another set from its files
(`anymask dataset stats --compare`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A data set by the legend of Fig. 6, which rounds."""

    name: str
    num_images: int
    num_masks: int

    @property
    def masks_per_image(self) -> float:
        """The mean."""
        return self.num_masks / self.num_images


PUBLISHED_SETS = (
    PublishedSet(name="SA-1B", num_images=11_000_000, num_masks=1_129_000_000),
    PublishedSet(name="ADE20K", num_images=28_000, num_masks=700_000),
    PublishedSet(name="LVIS v1", num_images=120_000, num_masks=1_500_000),
    PublishedSet(name="COCO", num_images=123_000, num_masks=900_000),
    PublishedSet(name="Open Images", num_images=1_000_000, num_masks=2_700_000),
)

# Fig. 6 counts images by these numbers of masks, both ends included.
MASKS_PER_IMAGE_BINS: tuple[tuple[str, int, float], ...] = (
    ("≤ 10", 0, 10),
    ("11-50", 11, 50),
    ("51-100", 51, 100),
    ("101-200", 101, 200),
    ("> 200", 201, float("inf")),
)

PREDICTED_IOU_THRESHOLD = 0.88  # App. B, below which the generator drops a mask
STABILITY_THRESHOLD = 0.95  # App. B
RELEASED_SHORTEST_SIDE_PX = 1500  # Sec. 5
