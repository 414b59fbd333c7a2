"""Losses that ask for a margin between right and wrong, and those of similarity. See `losses` for what is common."""

from __future__ import annotations

from collections.abc import Callable

from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .activations import relu, softplus
from .comparison import equal, where
from .conversion import astype
from .distances import pairwise_distance
from .elementwise import minimum, sqrt, square
from .indexing import take, take_along_axis
from .losses import Reduction, check_classes, check_equal, reduced
from .movement import expand_dims
from .reductions import mean, sum

__all__ = [
    "cosine_embedding", "hinge_embedding", "margin_ranking", "multi_margin", "multilabel_margin",
    "multilabel_soft_margin", "soft_margin", "triplet_margin", "triplet_margin_with_distance",
]  # fmt: skip


def _signs(target: Array, x: Array) -> Array:
    """The targets in a floating-point dtype: an integer array would make a float32 result float64."""
    return target if is_floating(target.dtype) else astype(target, x.dtype)


@composite(shapes="any", autocast="float32")
def hinge_embedding(prediction: Array, target: Array, *, margin: float = 1.0, reduction: Reduction = "mean") -> Array:
    """x where the target is 1, and max(margin - x, 0) where it is -1, for distances x.

    prediction, target : of equal shape.
    Raises ShapeError if the shapes differ.

    >>> hinge_embedding(np.array([0.3, 0.3]), np.array([1, -1]), reduction="none")
    array([0.3, 0.7])
    """
    check_equal("hinge_embedding", prediction, target)
    target = unwrap(target)
    near = where(equal(target, -1), 0.0, prediction)
    return reduced("hinge_embedding", near + where(equal(target, 1), 0.0, relu(margin - prediction)), reduction)


@composite(shapes="any", autocast="float32")
def margin_ranking(x: Array, y: Array, target: Array, *, margin: float = 0.0, reduction: Reduction = "mean") -> Array:
    """max(margin - t (x - y), 0): x should be greater than y where t is 1, and less where it is -1.

    x, y, target : of equal shape.
    Raises ShapeError if the shapes differ.

    >>> margin_ranking(np.array([3.0, 3.0]), np.array([1.0, 1.0]), np.array([1, -1]), reduction="none")
    array([0., 2.])
    """
    check_equal("margin_ranking", x, y, "x", "y")
    check_equal("margin_ranking", x, target, "x")
    return reduced("margin_ranking", relu(margin - (x - y) * _signs(target, x)), reduction)


@composite(shapes="any", autocast="float32")
def soft_margin(prediction: Array, target: Array, *, reduction: Reduction = "mean") -> Array:
    """log(1 + e**(-t x)) for targets t of 1 and -1, without overflow. Raises ShapeError if the shapes differ.

    >>> soft_margin(np.array([0.0, 1000.0]), np.array([1, -1]), reduction="none")
    array([6.93147181e-01, 1.00000000e+03])
    """
    check_equal("soft_margin", prediction, target)
    return reduced("soft_margin", softplus(-(prediction * _signs(target, prediction))), reduction)


@composite(shapes="any", autocast="float32")
def multi_margin(
    prediction: Array,
    target: Array,
    weight: Array | None = None,
    *,
    p: int = 1,
    margin: float = 1.0,
    reduction: Reduction = "mean",
) -> Array:
    """The sum over the wrong classes i of max(margin - x[target] + x[i], 0)**p, divided by the number of classes.

    prediction : (n, classes), or (classes,) for a single example; target : integers (n,) or ().
    weight : (classes,), factors of the losses by target class.
    p : 1 or 2.
    Raises ShapeError for shapes that do not fit or a target that is no class; DTypeError for targets not integers.

    >>> float(multi_margin(np.array([0.1, 0.2, 0.8]), np.array(2)))
    0.2333333333333333
    """
    if len(prediction.shape) not in (1, 2):
        raise ShapeError(
            f"multi_margin: prediction is {tuple(prediction.shape)}; it must be (n, classes) or (classes,)."
        )
    axis = len(prediction.shape) - 1
    check_classes("multi_margin", prediction, target, axis, -1 - prediction.shape[axis])
    chosen = expand_dims(unwrap(target), axis=axis)
    xp = backend_of(chosen).xp
    right = equal(xp.arange(prediction.shape[axis]), chosen)
    short = relu(margin - take_along_axis(prediction, chosen, axis=axis) + prediction)
    if p == 2:
        short = square(short)
    if weight is not None:
        short = short * expand_dims(take(weight, unwrap(target)), axis=axis)
    return reduced("multi_margin", mean(where(right, 0.0, short), axis=axis), reduction)


@composite(shapes="any", autocast="float32")
def multilabel_margin(prediction: Array, target: Array, *, reduction: Reduction = "mean") -> Array:
    """The sum over right classes j and wrong classes i of max(1 - x[j] + x[i], 0), divided by the number of classes.

    prediction : (n, classes), or (classes,) for a single example.
    target : integers of the same shape: the right classes of each example, and -1 after the last.
    Raises ShapeError if the shapes differ.

    >>> float(np.round(multilabel_margin(np.array([0.1, 0.2, 0.4, 0.8]), np.array([3, 0, -1, 1])), 6))
    0.85
    """
    check_equal("multilabel_margin", prediction, target)
    target = unwrap(target)
    xp = backend_of(target).xp
    classes = prediction.shape[-1]
    given = xp.cumulative_sum(xp.astype(target < 0, target.dtype), axis=-1) == 0
    chosen = xp.where(given, target, 0)
    right = xp.any((xp.expand_dims(chosen, axis=-1) == xp.arange(classes)) & xp.expand_dims(given, axis=-1), axis=-2)
    compared = xp.expand_dims(given, axis=-1) & ~xp.expand_dims(right, axis=-2)
    picked = expand_dims(take_along_axis(prediction, chosen, axis=-1), axis=-1)
    short = relu(1.0 - picked + expand_dims(prediction, axis=-2))
    return reduced("multilabel_margin", sum(where(compared, short, 0.0), axis=(-2, -1)) / classes, reduction)


@composite(shapes="any", autocast="float32")
def multilabel_soft_margin(
    prediction: Array, target: Array, weight: Array | None = None, *, reduction: Reduction = "mean"
) -> Array:
    """The mean over classes of the binary cross-entropy of logits, for examples of any number of classes at once.

    prediction, target : (..., classes), targets 0 or 1; weight : (classes,), factors of the classes' losses.
    Raises ShapeError if the shapes differ.

    >>> float(multilabel_soft_margin(np.array([1000.0, -1000.0]), np.array([1, 1])))
    500.0
    """
    check_equal("multilabel_soft_margin", prediction, target)
    target = _signs(target, prediction)
    losses = softplus(-prediction) * target + softplus(prediction) * (1.0 - target)
    losses = losses if weight is None else losses * weight
    return reduced("multilabel_soft_margin", mean(losses, axis=-1), reduction)


@composite(shapes="any", autocast="float32")
def cosine_embedding(x: Array, y: Array, target: Array, *, margin: float = 0.0, reduction: Reduction = "mean") -> Array:
    """1 - cos(x, y) where the target is 1, and max(cos(x, y) - margin, 0) where it is -1.

    x, y : (n, features), or (features,) for a single pair; target : (n,) or ().
    Raises ShapeError for shapes that do not fit.

    >>> cosine_embedding(np.eye(2), np.eye(2), np.array([1, -1]), reduction="none").round(6)
    array([0., 1.])
    """
    check_equal("cosine_embedding", x, y, "x", "y")
    if tuple(target.shape) != tuple(x.shape[:-1]) or not x.shape:
        raise ShapeError(
            f"cosine_embedding: x is {tuple(x.shape)} and target is {tuple(target.shape)}; x must be (n, features) and "
            f"target (n,)."
        )
    eps = 1e-12  # as in PyTorch, so that vectors of zeros have a cosine
    cosine = sum(x * y, axis=-1) / sqrt((sum(square(x), axis=-1) + eps) * (sum(square(y), axis=-1) + eps))
    return reduced("cosine_embedding", where(equal(unwrap(target), 1), 1.0 - cosine, relu(cosine - margin)), reduction)


@composite(shapes="any", autocast="float32")
def triplet_margin(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    """max(|anchor - positive| - |anchor - negative| + margin, 0), with the norm of order `p` over the last axis.

    anchor, positive, negative : (..., features), of equal shape.
    eps : added to each difference, so that equal vectors have a gradient.
    swap : take |positive - negative| instead of |anchor - negative| where it is smaller.
    Raises ShapeError if the shapes differ.
    Source: Balntas et al. 2016, http://www.bmva.org/bmvc/2016/papers/paper119.

    >>> float(triplet_margin(np.zeros(2), np.ones(2), np.array([2.0, 2.0]), eps=0.0, p=1.0, margin=3.0))
    1.0
    """
    check_equal("triplet_margin", anchor, positive, "anchor", "positive")
    check_equal("triplet_margin", anchor, negative, "anchor", "negative")

    def distance(x: Array, y: Array) -> Array:
        return pairwise_distance(x, y, p=p, eps=eps)

    return _triplet("triplet_margin", anchor, positive, negative, distance, margin, swap, reduction)


@composite(shapes="any", autocast="float32")
def triplet_margin_with_distance(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    distance_function: Callable[[Array, Array], Array] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    """`triplet_margin` with any distance: max(d(anchor, positive) - d(anchor, negative) + margin, 0).

    anchor, positive, negative : (..., features), of equal shape.
    distance_function : from two arrays of this shape to their distances, (...); `pairwise_distance` if None.
    swap, reduction : as for `triplet_margin`.
    Raises ShapeError if the shapes differ.

    >>> far = lambda x, y: 1.0 - cosine_similarity(x, y, axis=-1)
    >>> float(triplet_margin_with_distance(np.eye(2), np.eye(2), np.eye(2)[::-1], distance_function=far, margin=1.5))
    0.5
    """
    check_equal("triplet_margin_with_distance", anchor, positive, "anchor", "positive")
    check_equal("triplet_margin_with_distance", anchor, negative, "anchor", "negative")
    distance = distance_function or pairwise_distance
    return _triplet("triplet_margin_with_distance", anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    op: str,
    anchor: Array,
    positive: Array,
    negative: Array,
    distance: Callable[[Array, Array], Array],
    margin: float,
    swap: bool,
    reduction: Reduction,
) -> Array:
    far = distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(op, relu(distance(anchor, positive) - far + margin), reduction)
