"""A step length along a direction that satisfies the strong Wolfe conditions."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

__all__ = ["Point", "strong_wolfe"]


class Point(NamedTuple):
    """A place on the line: step length, loss, gradient `(n,)`, and slope, the gradient along the direction."""

    step: float
    loss: float
    gradient: Any
    slope: float


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    step: float,
    reach: float,
    *,
    armijo: float = 1e-4,
    curvature: float = 0.9,
    tolerance: float = 1e-9,
    most: int = 25,
) -> tuple[Point, int]:
    """A point whose loss is below start.loss + armijo * step * start.slope, with |slope| <= curvature |start.slope|.

    at : evaluates the loss at a step length. start : the point at 0. step : the first length to try.
    reach : largest absolute element of the direction; ends the search when a bracket times it is below `tolerance`.
    most : number of evaluations after the first.
    Returns the best point that was found, and the number of evaluations.

    Source: J. Nocedal, S. Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6, with cubic interpolation
    (equation 3.59) and safeguards as in `torch.optim.LBFGS`, so that both take the same steps.
    """

    def too_high(point: Point) -> bool:
        return point.loss > start.loss + armijo * point.step * start.slope

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -curvature * start.slope

    # Longer steps, until two points have a minimum between them
    before, new, tries = start, at(step), 0
    found, bracket = False, [start, start]
    while tries < most:
        if too_high(new) or (tries > 1 and new.loss >= before.loss):
            bracket = [before, new]
            break
        if is_flat(new):
            found, bracket = True, [new, new]
            break
        if new.slope >= 0:
            bracket = [before, new]
            break
        longer = _minimum_of_cubic(before, new, (new.step + 0.01 * (new.step - before.step), new.step * 10))
        before, new = new, at(longer)
        tries += 1
    else:
        bracket = [start, new]

    # Shorter brackets, until a point in between will do
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    near_an_end = False
    while not found and tries < most and abs(bracket[1].step - bracket[0].step) * reach >= tolerance:
        least, largest = sorted(point.step for point in bracket)
        trial = _minimum_of_cubic(*bracket, (least, largest))
        margin = 0.1 * (largest - least)
        if min(largest - trial, trial - least) < margin:
            if near_an_end or trial >= largest or trial <= least:
                trial = largest - margin if abs(trial - largest) < abs(trial - least) else least + margin
                near_an_end = False
            else:
                near_an_end = True
        else:
            near_an_end = False
        new = at(trial)
        tries += 1
        if too_high(new) or new.loss >= bracket[low].loss:
            bracket[high] = new
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        found = is_flat(new)
        if not found and new.slope * (bracket[high].step - bracket[low].step) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = new
    return bracket[low], tries + 1


def _minimum_of_cubic(first: Point, second: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic polynomial with these losses and slopes is least, within bounds; their middle if nowhere."""
    least, largest = bounds
    a, b = sorted((first, second), key=lambda point: point.step)
    if a.step == b.step:
        return (least + largest) / 2
    inner = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = inner**2 - a.slope * b.slope
    root = sqrt(square) if square >= 0 else 0.0
    bend = b.slope - a.slope + 2 * root
    if not square >= 0 or bend == 0:
        return (least + largest) / 2
    return min(max(b.step - (b.step - a.step) * ((b.slope + root - inner) / bend), least), largest)
