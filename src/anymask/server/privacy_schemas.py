"""What travels about faces and plates, as JSON; boxes are x0, y0, x1, y1 in pixels."""

from typing import Annotated, Literal

from pydantic import Field

from anymask.server.schemas import RequestModel, ViewModel, example

Kind = Literal["face", "plate"]
_Side = Annotated[float, Field(ge=-1_000_000, le=1_000_000)]


class RegionDraft(RequestModel):
    """A region as a reviewer wants it."""

    model_config = example(box=[175.5, 47.0, 274.5, 181.0], kind="face")
    box: tuple[_Side, _Side, _Side, _Side]
    kind: Kind


class RegionsDraft(RequestModel):
    """All regions of a picture; `version` is the stored one that is changed, 0 for none."""

    version: int = Field(ge=0, le=2**31 - 1)
    regions: list[RegionDraft] = Field(max_length=1000)
    is_done: bool


class RegionView(ViewModel):
    """A region; `source` is the detector's name, or "person"."""

    box: tuple[float, float, float, float]
    kind: Kind
    score: float
    source: str


class RegionsView(ViewModel):
    """A picture's regions; `problem` says why no detector has looked."""

    image_id: int
    version: int
    is_done: bool
    regions: list[RegionView]
    problem: str | None = None


class PrivacyImageView(ViewModel):
    """A picture in the list of those to be looked at; version 0: nobody has."""

    image_id: int
    name: str
    width: int
    height: int
    version: int
    is_done: bool
    num_regions: int
