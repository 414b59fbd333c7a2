"""What the graphs of `cudnn.py` compute, by their definitions: from arrays in float64, a list of such arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["COMPUTE"]


def _places(options: dict[str, Any], kernel: Any, out: Any) -> Any:
    """For each element of the filters its position, and the part of the padded image that it meets."""
    for position in itertools.product(*map(range, kernel)):
        starts = [i * d for i, d in zip(position, options["dilation"], strict=True)]
        yield (
            position,
            tuple(slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, out, options["stride"], strict=True)),
        )


def _borders(options: dict[str, Any]) -> list[tuple[int, int]]:
    return [(0, 0), (0, 0), *zip(options["before"], options["after"], strict=True)]


def _grouped(x: np.ndarray, groups: int, axis: int) -> np.ndarray:
    return x.reshape(*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])


def _convolved(graph: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    (x, w), options = given, graph.options
    groups, x = x.shape[1] // w.shape[1], np.pad(x, _borders(options))
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], options["dilation"], strict=True)]
    out = [(n - s) // step + 1 for n, s, step in zip(x.shape[2:], spans, options["stride"], strict=True)]
    x, w = _grouped(x, groups, 1), _grouped(w, groups, 0)
    y = sum(np.einsum("ngc...,goc->ngo...", x[(..., *part)], w[(..., *position)])
            for position, part in _places(options, w.shape[3:], out))  # fmt: skip
    return [np.asarray(y).reshape(x.shape[0], -1, *out)]


def _image_gradient(graph: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    (y, w), options = given, graph.options
    shape = graph.results[0].dim
    groups = shape[1] // w.shape[1]
    sizes = [n + a + b for n, (a, b) in zip(shape, _borders(options), strict=True)]
    x = _grouped(np.zeros(sizes), groups, 1)
    y, w = _grouped(y, groups, 1), _grouped(w, groups, 0)
    for position, part in _places(options, w.shape[3:], y.shape[3:]):
        x[(..., *part)] += np.einsum("ngo...,goc->ngc...", y, w[(..., *position)])
    inside = [slice(a, a + n) for (a, _), n in zip(_borders(options), shape, strict=True)]
    return [x.reshape(sizes)[tuple(inside)]]


def _weight_gradient(graph: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    (x, y), options = given, graph.options
    shape = graph.results[0].dim
    groups = x.shape[1] // shape[1]
    x, y = _grouped(np.pad(x, _borders(options)), groups, 1), _grouped(y, groups, 1)
    w = _grouped(np.zeros(shape), groups, 0)
    for position, part in _places(options, shape[2:], y.shape[3:]):
        met = x[(..., *part)]
        w[(..., *position)] = np.einsum(
            "ngop,ngcp->goc", y.reshape(*y.shape[:3], -1), met.reshape(*met.shape[:3], -1)
        )  # fmt: skip
    return [w.reshape(shape)]


def _scores(graph: Any, q: np.ndarray, k: np.ndarray) -> np.ndarray:
    scores = q @ np.repeat(k, q.shape[1] // k.shape[1], 1).swapaxes(2, 3) * graph.options["scale"]
    if graph.options["right"] is not None:
        m, n = scores.shape[2:]
        scores = np.where(np.arange(n) > np.arange(m)[:, None] + graph.options["right"], -np.inf, scores)
    return scores


def _attended(graph: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    q, k, v = given
    scores = _scores(graph, q, k)
    most = scores.max(-1, keepdims=True)
    stats = np.log(np.exp(scores - most).sum(-1, keepdims=True)) + most
    return [np.exp(scores - stats) @ np.repeat(v, q.shape[1] // v.shape[1], 1), stats]


def _attention_gradients(graph: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    q, k, v, o, g, stats = given
    repeats, heads = q.shape[1] // k.shape[1], k.shape[1]
    weights = np.exp(_scores(graph, q, k) - stats)
    slopes = weights * (g @ np.repeat(v, repeats, 1).swapaxes(2, 3) - (g * o).sum(-1, keepdims=True))
    slopes = slopes * graph.options["scale"]

    def shared(x: np.ndarray) -> np.ndarray:
        return x.reshape(x.shape[0], heads, repeats, *x.shape[2:]).sum(2)

    return [
        slopes @ np.repeat(k, repeats, 1), shared(slopes.swapaxes(2, 3) @ q), shared(weights.swapaxes(2, 3) @ g)
    ]  # fmt: skip


COMPUTE: dict[str, Callable[[Any, list[np.ndarray]], list[np.ndarray]]] = {
    "conv_fprop": _convolved, "conv_dgrad": _image_gradient, "conv_wgrad": _weight_gradient, "sdpa": _attended,
    "sdpa_backward": _attention_gradients,
}  # fmt: skip
