"""What colour a thing is, in the eleven basic words of English (Berlin, Kay: "Basic Color Terms", 1969)."""

import numpy as np
from numpy.typing import NDArray

from sensorium.images import Box, Image, cut, resize

# The bounds below are by eye on colour charts: words for colours have no standard.
SIDE = 32  # pixels looked at across a box: a colour's share needs no more
MIDDLE = 0.6  # share of the box that is looked at: its edges are mostly background
BLACK_VALUE, WHITE_VALUE = 0.2, 0.75  # greatest channel, 0 to 1
GREY_SATURATION = 0.18  # below it a pixel has no hue worth a word
NEUTRAL_WEIGHT = 0.5  # highlights and shadows on a coloured thing are neutral; they count half
HUES = (
    (14, "red"),
    (42, "orange"),
    (68, "yellow"),
    (165, "green"),
    (255, "blue"),
    (300, "purple"),
    (345, "pink"),
)
BROWN_VALUE = 0.6  # dark orange (and dark yellow up to BROWN_HUE) is called brown
BROWN_HUE = 48
PINK_SATURATION = 0.55  # pale red is called pink
PURPLE_VALUE = 0.5  # dark pink is called purple


def dominant_colour(image: Image, box: Box = (0.0, 0.0, 1.0, 1.0)) -> str:
    """The word for the middle of a relative box of an image, uint8 (height, width, 3) RGB."""
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) * (1 - MIDDLE) / 2, (y1 - y0) * (1 - MIDDLE) / 2
    pixels = resize(cut(image, (x0 + dx, y0 + dy, x1 - dx, y1 - dy)), SIDE, SIDE).reshape(-1, 3)
    votes: dict[str, float] = {}
    for hue, saturation, value in _hsv(pixels):
        word = colour_word(hue, saturation, value)
        votes[word] = votes.get(word, 0) + (NEUTRAL_WEIGHT if word in ("black", "grey", "white") else 1)
    return max(votes, key=lambda word: votes[word])


def colour_word(hue: float, saturation: float, value: float) -> str:
    """The word for a hue [degrees], saturation and value, both 0 to 1."""
    if value < BLACK_VALUE:
        return "black"
    if saturation < GREY_SATURATION:
        return "white" if value > WHITE_VALUE else "grey"
    word = next((word for limit, word in HUES if hue < limit), "red")
    if word in ("orange", "yellow") and hue < BROWN_HUE and value < BROWN_VALUE:
        return "brown"
    if word == "red" and saturation < PINK_SATURATION and value > BROWN_VALUE:
        return "pink"
    if word == "pink" and value < PURPLE_VALUE:
        return "purple"
    return word


def _hsv(pixels: Image) -> NDArray[np.float64]:
    """(n, 3) RGB of 255 to hue [degrees], saturation and value of 1; a grey has hue 0."""
    rgb = pixels / 255.0
    value, low = rgb.max(axis=1), rgb.min(axis=1)
    spread = value - low
    safe = np.where(spread > 0, spread, 1)
    red, green, blue = rgb.T
    sextant = np.select(
        [spread == 0, value == red, value == green],
        [0, (green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    saturation = np.divide(spread, value, out=np.zeros_like(value), where=value > 0)
    return np.stack([sextant * 60, saturation, value], axis=1)
