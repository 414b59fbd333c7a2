"""The surface of a loss: of two numbers, or of a model's weights along two directions, with the path of a descent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

from ..core.errors import ShapeError
from ..core.graph import no_grad
from ..ops.creation import to_array
from ..ops.random import Generator, default_generator
from .canvas import RED, evaluating, host, new_figure

__all__ = ["Landscape", "landscape", "loss_landscape", "snapshot", "surface"]


class Landscape(NamedTuple):
    """Losses on a grid in the plane through a point of weights, and a path in that plane.

    a, b : (steps,) the positions along the first and the second direction. losses : (steps, steps), a row for each b.
    path : (n, 2) positions, or None. path_losses : (n,) true losses of the path's weights, which may lie off the plane.
    labels : of the two axes.
    """

    a: numpy.ndarray
    b: numpy.ndarray
    losses: numpy.ndarray
    path: numpy.ndarray | None
    path_losses: numpy.ndarray | None
    labels: tuple[str, str]


def snapshot(model: Any) -> numpy.ndarray:
    """All weights of a model as one row of numbers (n,), float64, as `landscape` takes for a path: one for each step.

    >>> plots.snapshot(nn.Linear(3, 2)).shape
    (8,)
    """
    rows = [host(parameter).astype("float64").ravel() for parameter in model.parameters()]
    return numpy.concatenate([*rows, []])


def landscape(
    model: Any,
    loss: Callable[[], Any],
    *,
    directions: Any = "random",
    path: Any = None,
    span: float = 1.0,
    steps: int = 31,
    rng: int | Generator | None = None,
) -> Landscape:
    """Losses of a model on a plane in the space of its weights, through the weights that it has.

    model : a Module, in evaluation mode meanwhile; its weights are restored.
    loss : called without arguments, gives the loss of the model as it is: `lambda: cross_entropy(model(x), y)`.
    directions : `"random"`, two random ones, each filter (row) of which has the norm of the model's filter, so that
        pictures of differently scaled weights can be compared, with 0 for parameters of one axis; `"path"`, the first
        two principal components of the path about its end; or two rows of numbers (2, n), in the order of `snapshot`.
    path : (m, n) weights of a descent, `snapshot` after each step, that ends near the model's.
    span : how far the grid reaches along each direction, at least; a path is contained in it.
    steps : positions along each direction. rng : a seed or a Generator for random directions.

    Raises ShapeError for directions or a path that do not fit the model.
    Source of the normalisation: H. Li et al., Visualizing the loss landscape of neural nets, 2018, arXiv:1712.09913.

    >>> x, y = np.eye(4, dtype=np.float32), np.arange(4) % 2
    >>> model = nn.Linear(4, 2)
    >>> plots.landscape(model, lambda: cross_entropy(model(x), y), steps=5, rng=0).losses.shape
    (5, 5)
    """
    parameters = list(model.parameters())
    center = snapshot(model)
    trail = None if path is None else host(path).astype("float64")
    if trail is not None and (trail.ndim != 2 or trail.shape[1] != center.size or not len(trail)):
        raise ShapeError(f"landscape: path is {trail.shape}; (m, {center.size}) is required, see plots.snapshot.")
    labels = ("first direction", "second direction")
    if isinstance(directions, str) and directions == "random":
        chosen = Generator(rng) if isinstance(rng, int) else rng or default_generator()
        basis = numpy.stack([_filter_normalised(parameters, chosen) for _ in range(2)])
    elif isinstance(directions, str) and directions == "path":
        basis, shares = _principal(trail, center)
        first, second = (f"{share:.0%} of the path's variance" for share in shares)
        labels = (f"first component ({first})", f"second component ({second})")
    else:
        basis = host(directions).astype("float64") if not isinstance(directions, str) else numpy.empty(0)
    if basis.shape != (2, center.size) or numpy.linalg.matrix_rank(basis) < 2:
        raise ShapeError(
            f"landscape: directions are {directions if isinstance(directions, str) else basis.shape}; 'random', 'path' "
            f"or two independent rows (2, {center.size}) are required."
        )

    points = None if trail is None else numpy.linalg.lstsq(basis.T, (trail - center).T, rcond=None)[0].T
    ticks = [_range(None if points is None else points[:, i], span, steps) for i in range(2)]
    before = [parameter.data for parameter in parameters]
    try:
        with evaluating(model):
            rows = [
                [_loss_at(parameters, center + u * basis[0] + v * basis[1], loss) for u in ticks[0]] for v in ticks[1]
            ]
            seen = None if trail is None else numpy.array([_loss_at(parameters, weights, loss) for weights in trail])
    finally:
        for parameter, array in zip(parameters, before, strict=True):
            parameter.data = array
    return Landscape(ticks[0], ticks[1], numpy.array(rows), points, seen, labels)


def loss_landscape(model: Any, loss: Callable[[], Any], *, title: str = "Loss landscape", **options: Any) -> Any:
    """A figure of `landscape`: the surface and its contour lines, with the path of the descent on both.

    model, loss, options : as for `landscape`, which gives the numbers themselves. title : of the figure.
    Returns the Figure.

    >>> model = nn.Linear(2, 1)
    >>> x = np.eye(2, dtype=np.float32)
    >>> len(plots.loss_landscape(model, lambda: (model(x) ** 2).sum(), steps=9, rng=0).axes)
    3
    """
    found = landscape(model, loss, **options)
    marks = {} if found.path is not None else {"the model": (0.0, 0.0)}
    return draw(found, title=title, marks=marks)


def surface(
    f: Callable[[Any], Any],
    *,
    low: Sequence[float] = (-2.0, -2.0),
    high: Sequence[float] = (2.0, 2.0),
    steps: int = 121,
    path: Any = None,
    minima: Any = (),
    names: tuple[str, str] = ("first weight", "second weight"),
    title: str = "",
) -> Any:
    """A figure of a loss of two weights as a surface and as contour lines, with its minima and a path of descent.

    f : called with points (n, 2), gives (n,). low, high : the corners of the picture. steps : points along each side.
    path : (m, 2), the weights of a descent. minima : (k, 2); the one with the lowest loss is called global.
    names : of the weights. title : of the figure.
    Returns the Figure.

    >>> figure = plots.surface(lambda w: (w**2).sum(axis=-1), minima=[[0.0, 0.0]], steps=11)
    >>> [text.get_text() for text in figure.axes[1].get_legend().texts]
    ['global minimum']
    """
    a, b = (numpy.linspace(low[i], high[i], steps) for i in range(2))
    points = numpy.stack(numpy.meshgrid(a, b), axis=-1).reshape(-1, 2)
    trail = None if path is None else host(path).astype(float).reshape(-1, 2)
    places = host(minima).astype(float).reshape(-1, 2)
    with no_grad():
        losses = host(f(points)).reshape(steps, steps)
        along = None if trail is None else host(f(trail))
        depths = host(f(places)) if len(places) else numpy.empty(0)
    marks: dict[str, Any] = {}
    for i, place in enumerate(places):
        kind = "global minimum" if i == depths.argmin() else "local minimum"
        marks[kind if kind not in marks else f"{kind} {i + 1}"] = tuple(place)
    return draw(Landscape(a, b, losses, trail, along, names), title=title, marks=marks)


def draw(found: Landscape, *, title: str = "", marks: dict[str, tuple[float, float]] | None = None) -> Any:
    """A figure of a landscape: the surface at the left, contour lines at the right. marks : positions by name."""
    figure = new_figure(title, size=(11.5, 4.8))
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
    relief = left.add_subplot(projection="3d", computed_zorder=False)
    heights, logarithmic, unit = _heights(found.losses)
    top = float(numpy.nanmax(heights))
    x, y = numpy.meshgrid(found.a, found.b)
    relief.plot_surface(x, y, heights, cmap="viridis", alpha=0.9, rcount=60, ccount=60, linewidth=0)
    lift = 0.015 * (top - float(numpy.nanmin(heights)))  # so that the line is not half inside of the surface
    if found.path is not None and found.path_losses is not None:
        z = numpy.minimum(_scaled(found.path_losses, logarithmic), top) + lift
        relief.plot(*found.path.T, z, color=RED, linewidth=1.8, zorder=5)
        relief.scatter(*found.path[-1], z[-1], color="white", edgecolor="black", s=35, zorder=6)
    relief.set_xlabel(found.labels[0].partition(" (")[0], fontsize=9)
    relief.set_ylabel(found.labels[1].partition(" (")[0], fontsize=9)
    relief.set_zlabel(unit, fontsize=9)
    relief.tick_params(labelsize=7)
    relief.view_init(elev=35, azim=-60)
    relief.set_box_aspect(None, zoom=0.87)  # else the label of the upright axis is cut

    chart = right.add_subplot()
    filled = chart.contourf(found.a, found.b, heights, levels=30, cmap="viridis")
    chart.contour(found.a, found.b, heights, levels=15, colors="white", linewidths=0.4, alpha=0.6)
    right.colorbar(filled, ax=chart, label=unit)
    if found.path is not None:
        chart.plot(
            *found.path.T, color=RED, linewidth=1.8, marker="." if len(found.path) < 60 else None, label="descent"
        )
        chart.plot(*found.path[0], "s", color=RED, markeredgecolor="white", markersize=8, label="start", linestyle="")
        chart.plot(
            *found.path[-1], "o", color="white", markeredgecolor="black", markersize=8, label="end", linestyle=""
        )
    for (name, place), marker in zip((marks or {}).items(), "*XPDv" * 9, strict=False):
        size = 15 if marker == "*" else 10
        chart.plot(*place, marker, color="gold", markeredgecolor="black", markersize=size, label=name, linestyle="")
    chart.set(xlabel=found.labels[0], ylabel=found.labels[1])
    if chart.get_legend_handles_labels()[0]:
        chart.legend(fontsize=8, framealpha=0.9)
    return figure


def _filter_normalised(parameters: list[Any], rng: Generator) -> numpy.ndarray:
    """A random direction with the norm of each filter; 0 for biases and the scales of norms."""
    rows = []
    for parameter in parameters:
        weights = host(parameter).astype("float64")
        drawn = host(rng.normal(weights.shape, dtype="float64"))
        if weights.ndim < 2:
            rows.append(numpy.zeros(weights.size))
            continue
        axes = tuple(range(1, weights.ndim))
        norms, own = (numpy.sqrt((v**2).sum(axis=axes, keepdims=True)) for v in (weights, drawn))
        rows.append((drawn * norms / numpy.maximum(own, 1e-30)).ravel())
    return numpy.concatenate([*rows, []])


def _principal(trail: numpy.ndarray | None, center: numpy.ndarray) -> tuple[numpy.ndarray, list[float]]:
    """The first two principal components of a path about its end, and their shares of its variance."""
    if trail is None or len(trail) < 3:
        given = "None" if trail is None else f"{len(trail)} points"
        raise ShapeError(f"landscape: directions are 'path' and path is {given}; at least three points are required.")
    _, sizes, basis = numpy.linalg.svd(trail - center, full_matrices=False)
    shares = sizes**2 / max(float((sizes**2).sum()), 1e-300)
    return basis[:2], [float(share) for share in shares[:2]]


def _range(points: numpy.ndarray | None, span: float, steps: int) -> numpy.ndarray:
    """Positions along a direction: the span on both sides of 0, or what contains a path with room around it."""
    if points is None:
        return numpy.linspace(-span, span, steps)
    low, high = min(points.min(), 0.0), max(points.max(), 0.0)
    room = 0.25 * (high - low) or span
    return numpy.linspace(low - room, high + room, steps)


def _loss_at(parameters: list[Any], weights: numpy.ndarray, loss: Callable[[], Any]) -> float:
    start = 0
    for parameter in parameters:
        part = weights[start : start + parameter.size].reshape(parameter.shape)
        parameter.data = to_array(part, dtype=parameter.dtype, device=parameter.device)
        start += parameter.size
    return float(host(loss()))


def _heights(losses: numpy.ndarray) -> tuple[numpy.ndarray, bool, str]:
    """Losses, as logarithms where they span more than a factor of 50; those that are not finite are at the top."""
    finite = losses[numpy.isfinite(losses)]
    if not finite.size:
        raise ShapeError("landscape: no loss on the grid is a finite number; a smaller span is required.")
    low, high = float(finite.min()), float(finite.max())
    logarithmic = low > 0 and high > 50 * low
    heights = _scaled(numpy.where(numpy.isfinite(losses), losses, high), logarithmic)
    return heights, logarithmic, "loss, logarithm to base 10" if logarithmic else "loss"


def _scaled(losses: numpy.ndarray, logarithmic: bool) -> numpy.ndarray:
    return numpy.log10(numpy.maximum(losses, 1e-300)) if logarithmic else losses
