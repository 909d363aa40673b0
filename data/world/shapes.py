"""The six shapes, each as one rule about points; pictures and facts are both made from it."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@cache
def mask(shape: str, n: int) -> Mask:
    """Which of `n` by `n` pixels a shape covers that fills its box."""
    middle = (np.arange(n) + 0.5) / n * 2 - 1
    return inside(shape, *np.meshgrid(middle, middle))


def inside(shape: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    """Whether points are in a shape whose box reaches from -1 to 1; `y` points down."""
    if shape == "circle":
        return x**2 + y**2 <= 1
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= 0.9
    if shape == "triangle":
        return (abs(y) <= 1) & (abs(x) <= (y + 1) / 2)
    if shape == "cross":
        return (np.minimum(abs(x), abs(y)) <= 0.34) & (np.maximum(abs(x), abs(y)) <= 1)
    if shape == "ring":
        return (x**2 + y**2 <= 1) & (x**2 + y**2 >= 0.3)
    return _star(x, y)


def _star(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    """Five points: in each sector, below the line from a tip to the notch beside it."""
    radius = np.hypot(x, y)
    turn = np.arctan2(x, -y) % (2 * np.pi / 5)
    turn = np.minimum(turn, 2 * np.pi / 5 - turn)  # 0 at a tip, pi/5 at a notch
    notch, half = 0.45, np.pi / 5
    return radius * (np.sin(turn) * (1 - notch * np.cos(half)) + np.cos(turn) * notch * np.sin(half)) <= (
        notch * np.sin(half)
    )
