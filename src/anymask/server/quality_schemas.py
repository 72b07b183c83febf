"""What travels about rating studies and audits, as JSON."""

from typing import Annotated

from pydantic import Field

from anymask.server.schemas import RequestModel, RleModel, ViewModel, example

_Place = Annotated[float, Field(ge=-1_000_000, le=1_000_000)]


class RatingJobBody(RequestModel):
    """A mask to be rated."""

    image_id: int = Field(ge=1, le=2**31 - 1)
    object_key: str = Field(min_length=1, max_length=64)
    source: str = Field(min_length=1, max_length=64)
    segmentation: RleModel
    points: list[tuple[_Place, _Place]] = Field(default_factory=list, max_length=100)


class StudyBody(RequestModel):
    """Masks to be rated, by how many people each, in an order that the seed says."""

    jobs: list[RatingJobBody] = Field(max_length=1000)
    raters: int = Field(default=1, ge=1, le=100)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)


class StudyView(ViewModel):
    """How many jobs were new."""

    added: int


class RatingProgressView(ViewModel):
    """How many ratings are given and wanted in all, and how many are one's own."""

    given: int
    wanted: int
    own: int


class RatingJobView(ViewModel):
    """A mask as a rater gets it; whose it is stays hidden."""

    job_id: int
    image_id: int
    width: int
    height: int
    segmentation: RleModel
    points: list[tuple[float, float]]


class ScoreBody(RequestModel):
    """A rating; 10: no error to be seen."""

    model_config = example(score=8)
    score: int = Field(ge=1, le=10)
