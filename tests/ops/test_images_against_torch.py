"""Convolution, pooling, unfolding and normalisation against PyTorch, on configurations drawn at random."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl

torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
F = torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")


def agree(ours, theirs, inputs, g):
    """Values, and gradients along a random cotangent, in float64; inputs may be None."""
    given = [None if x is None else tl.tensor(x, requires_grad=True) for x in inputs]
    given_torch = [None if x is None else torch.tensor(x, requires_grad=True) for x in inputs]
    out, expected = ours(*given), theirs(*given_torch)
    assert out.shape == tuple(expected.shape)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-11)
    cotangent = g.standard_normal(expected.shape)
    out.backward(cotangent)
    expected.backward(torch.tensor(cotangent))
    for x, y in zip(given, given_torch, strict=True):
        if x is not None:
            np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-8, atol=1e-10)


def drawn(rng, axes, low, high):
    """An integer, or one for each axis."""
    if rng.random() < 0.5:
        return int(rng.integers(low, high + 1))
    return tuple(int(i) for i in rng.integers(low, high + 1, axes))


def least(value):
    return min(value) if isinstance(value, tuple) else value


def optional(rng, *shape):
    return rng.standard_normal(shape) if rng.random() < 0.5 else None


LENGTHS = {1: (9, 14), 2: (6, 9), 3: (5, 6)}
"""From and to, the lengths of images by their number of axes."""


def images(rng, axes, channels):
    low, high = LENGTHS[axes]
    return rng.standard_normal((rng.integers(1, 3), channels, *rng.integers(low, high + 1, axes)))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolution(axes, seed):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    x = images(rng, axes, groups * 2)
    outputs = groups * int(rng.integers(1, 4))
    w = rng.standard_normal((outputs, 2, *rng.integers(1, 4 if axes < 3 else 3, axes)))
    padding = ["same", "valid", drawn(rng, axes, 0, 2), drawn(rng, axes, 0, 2)][rng.integers(4)]
    options = {
        "stride": 1 if padding == "same" else drawn(rng, axes, 1, 3),
        "padding": padding,
        "dilation": drawn(rng, axes, 1, 2),
        "groups": groups,
    }
    ours, theirs = getattr(tl, f"conv{axes}d"), getattr(F, f"conv{axes}d")
    inputs = (x, w, optional(rng, outputs))
    agree(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), inputs, rng)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_transposed_convolution(axes, seed):
    rng = np.random.default_rng(seed)
    groups, per_group = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    x = images(rng, axes, groups * 2)
    w = rng.standard_normal((groups * 2, per_group, *rng.integers(1, 4 if axes < 3 else 3, axes)))
    stride, dilation = drawn(rng, axes, 1, 3), drawn(rng, axes, 1, 3)
    options = {
        "stride": stride,
        "padding": drawn(rng, axes, 0, 2),
        "output_padding": drawn(rng, axes, 0, max(least(stride), least(dilation)) - 1),
        "groups": groups,
        "dilation": dilation,
    }
    ours, theirs = getattr(tl, f"conv_transpose{axes}d"), getattr(F, f"conv_transpose{axes}d")
    inputs = (x, w, optional(rng, groups * per_group))
    agree(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), inputs, rng)


def pooling_options(rng, axes):
    kernel = drawn(rng, axes, 1, 3)
    return {
        "kernel_size": kernel,
        "stride": [None, drawn(rng, axes, 1, 3)][rng.integers(2)],
        "ceil_mode": bool(rng.integers(2)),
    }


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg", "lp"])
def test_pooling(kind, axes, seed):
    rng = np.random.default_rng(seed)
    x, options = images(rng, axes, 2), pooling_options(rng, axes)
    if kind == "lp":
        x, options = np.abs(x), options | {"norm_type": [1, 2, 3.5, np.inf][rng.integers(4)]}
        if axes == 1:  # where PyTorch fails with a tuple
            options["kernel_size"] = int(np.max(options["kernel_size"]))
    else:
        options["padding"] = int(rng.integers(0, least(options["kernel_size"]) // 2 + 1))
    if kind == "max":
        options["dilation"] = int(rng.integers(1, 3))
    if kind == "avg":
        options["count_include_pad"] = bool(rng.integers(2))
        if axes > 1:
            options["divisor_override"] = [None, 5][rng.integers(2)]
    ours, theirs = getattr(tl, f"{kind}_pool{axes}d"), getattr(F, f"{kind}_pool{axes}d")
    agree(lambda x: ours(x, **options), lambda x: theirs(x, **options), (x,), rng)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_adaptive_pooling(kind, axes, seed):
    rng = np.random.default_rng(seed)
    x, size = images(rng, axes, 2), drawn(rng, axes, 1, 5)
    ours, theirs = getattr(tl, f"adaptive_{kind}_pool{axes}d"), getattr(F, f"adaptive_{kind}_pool{axes}d")
    if isinstance(size, tuple) and axes > 1 and rng.random() < 0.5:
        size = (None, *size[1:])
    agree(lambda x: ours(x, output_size=size), lambda x: theirs(x, size), (x,), rng)


@pytest.mark.parametrize("seed", range(10))
def test_unfold_and_fold(seed):
    rng = np.random.default_rng(seed)
    x = images(rng, 2, 3)
    options = {
        "kernel_size": drawn(rng, 2, 1, 3),
        "dilation": drawn(rng, 2, 1, 2),
        "padding": drawn(rng, 2, 0, 2),
        "stride": drawn(rng, 2, 1, 3),
    }
    agree(lambda x: tl.unfold(x, **options), lambda x: F.unfold(x, **options), (x,), rng)
    columns, size = rng.standard_normal(tl.unfold(x, **options).shape), x.shape[2:]
    agree(lambda x: tl.fold(x, output_size=size, **options), lambda x: F.fold(x, size, **options), (columns,), rng)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_group_and_instance_norm(axes, seed):
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    x = images(rng, axes, groups * 2)
    w = optional(rng, groups * 2)
    b = None if w is None else rng.standard_normal(groups * 2)
    agree(
        lambda x, w, b: tl.group_norm(x, w, b, num_groups=groups),
        lambda x, w, b: F.group_norm(x, groups, w, b),
        (x, w, b),
        rng,
    )
    agree(
        lambda x, w, b: tl.instance_norm(x, w, b, eps=1e-3),
        lambda x, w, b: F.instance_norm(x, None, None, w, b, eps=1e-3),
        (x, w, b),
        rng,
    )


@pytest.mark.parametrize("seed", range(8))
def test_other_norms(seed):
    rng = np.random.default_rng(seed)
    x = images(rng, int(rng.integers(1, 3)), 6)
    size, eps = int(rng.integers(1, 8)), [None, 1e-3][rng.integers(2)]
    agree(
        lambda x, w: tl.rms_norm(x, w, eps=eps),
        lambda x, w: F.rms_norm(x, x.shape[-1:], w, eps=eps),
        (x, optional(rng, x.shape[-1])),
        rng,
    )
    options = {"alpha": rng.random(), "beta": rng.random(), "k": 1 + rng.random()}
    agree(
        lambda x: tl.local_response_norm(x, size=size, **options),
        lambda x: F.local_response_norm(x, size, **options),
        (x,),
        rng,
    )
    p, axis = [1, 2, 2.5, np.inf][rng.integers(4)], int(rng.integers(-1, 3))
    agree(lambda x: tl.normalize(x, p=p, axis=axis), lambda x: F.normalize(x, p=p, dim=axis), (x,), rng)
