import pytest

from anymask.core.close_up import region_around


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        ((40, 40, 80, 80), 3, (0, 0, 120, 120)),  # three times the box, around its middle
        ((100, 50, 140, 54), 2, (80, 32, 160, 72)),  # a thin box counts as half as thick
        ((100, 50, 104, 54), 1, (94, 44, 110, 60)),  # a speck counts as 32 pixels long
        ((0, 0, 300, 200), 1, (0, 0, 300, 200)),
        ((280, 180, 300, 200), 3, (260, 160, 300, 200)),  # ends at the edges
    ],
)
def test_regions_lie_around_the_box_and_within_the_image(box, margin, expected):
    assert region_around(box, margin, (200, 300)) == expected
