"""The colours of masks, one after another."""

Color = tuple[int, int, int]

# Neighbours in the list differ in hue and lightness, so that masks side by side can be told apart.
PALETTE: tuple[Color, ...] = (
    (30, 136, 255),
    (255, 152, 0),
    (0, 200, 140),
    (236, 64, 160),
    (250, 215, 50),
    (126, 87, 245),
    (80, 210, 245),
    (240, 80, 60),
    (140, 205, 60),
    (190, 110, 230),
    (0, 150, 136),
    (255, 138, 128),
)
