"""An image with its masks as annotation files tell of them, whatever their format."""

from dataclasses import dataclass

from anymask.core.errors import InvalidInputError
from anymask.core.records import ImageRecord
from anymask.core.rle import Rle

UNNAMED = "object"
"""The label of masks without a name, in formats where each must have one."""


@dataclass(frozen=True, kw_only=True)
class AnnotatedMask:
    """One mask with what formats tell about it.

    Attributes:
        segmentation: of the image's size.
        name: what it shows, one line of up to 100 visible characters; "" if nobody said.
        is_crowd: whether it is a group of objects rather than one (COCO).
        predicted_iou: a model's estimate of its quality, in [0, 1].
        point_coords: xy of the clicks that led to it.
        id: the annotation's own name where it has one, such as a UUID.
    """

    segmentation: Rle
    name: str = ""
    is_crowd: bool = False
    predicted_iou: float | None = None
    point_coords: tuple[tuple[float, float], ...] = ()
    id: str = ""

    @property
    def label(self) -> str:
        """The name, or a word for a mask that has none."""
        return self.name or UNNAMED


@dataclass(frozen=True, kw_only=True)
class AnnotatedImage:
    """An image with its masks in order of prominence, the first being the foremost.

    Raises:
        InvalidInputError: a mask has another size than the image.
    """

    image: ImageRecord
    masks: tuple[AnnotatedMask, ...]

    def __post_init__(self) -> None:
        """Check the sizes, before anybody decodes a mask."""
        size = (self.image.height, self.image.width)
        for mask in self.masks:
            if mask.segmentation.size != size:
                raise InvalidInputError(
                    f"masks must have their image's size (H, W) {size}, got "
                    f"{mask.segmentation.size}. Encode them at the size of the image file."
                )
