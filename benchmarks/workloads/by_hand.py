"""Networks and optimizers in plain NumPy, with their derivatives written out: floor and reference of `training`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "NumpyAdam", "conv2d", "conv2d_input", "conv2d_parameters", "cross_entropy", "max_pool", "max_pool_backward",
    "momentum_step",
]  # fmt: skip


class NumpyAdam:
    """Adam over a list of arrays, in place; AdamW with a `decay`.

    Source: Kingma & Ba 2015, arXiv:1412.6980, with PyTorch's defaults.
    """

    def __init__(self, parameters: Sequence[np.ndarray], lr: float = 1e-3, decay: float = 0.0) -> None:
        self.parameters, self.lr, self.decay, self.t = parameters, lr, decay, 0
        self.m = [np.zeros_like(p) for p in parameters]
        self.v = [np.zeros_like(p) for p in parameters]

    def step(self, gradients: Sequence[Any]) -> None:
        """One update."""
        self.t += 1
        rate, correction = self.lr / (1 - 0.9**self.t), 1 / (1 - 0.999**self.t)
        for p, g, m, v in zip(self.parameters, gradients, self.m, self.v, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            if self.decay:
                p *= 1 - self.lr * self.decay
            p -= rate * m / (np.sqrt(v * correction) + 1e-8)


def momentum_step(
    parameters: Sequence[np.ndarray], gradients: Sequence[Any], velocities: Sequence[np.ndarray], lr: float
) -> None:
    """One update of stochastic gradient descent with momentum 0.9, in place."""
    for p, g, velocity in zip(parameters, gradients, velocities, strict=True):
        velocity *= 0.9
        velocity += g
        p -= lr * velocity


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean cross-entropy of `logits` (n, classes) for class indices (n,), and its derivative."""
    rows = np.arange(len(targets))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.exp(log_probabilities)
    gradient[rows, targets] -= 1
    return -log_probabilities[rows, targets].mean(), gradient / np.float32(len(targets))


def _columns(x: np.ndarray, k: int) -> np.ndarray:
    """The k x k patches of `x` (n, h, w, c) as rows (n * h' * w', k * k * c)."""
    patches = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, k * k * x.shape[3])


def conv2d(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, padding: int) -> tuple[np.ndarray, np.ndarray]:
    """Convolution of `x` (n, h, w, c) with `weight` (out, c, k, k), channels last, and the patches for its backward."""
    out, _, k, _ = weight.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    columns = _columns(x, k)
    y = columns @ weight.transpose(2, 3, 1, 0).reshape(-1, out) + bias
    return y.reshape(len(x), x.shape[1] - k + 1, x.shape[2] - k + 1, out), columns


def conv2d_input(g: np.ndarray, weight: np.ndarray, padding: int) -> np.ndarray:
    """The derivative with respect to the input, for the cotangent `g` (n, h', w', out)."""
    _, c, k, _ = weight.shape
    turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)  # the convolution's adjoint is a convolution
    return conv2d(g, turned, np.zeros(c, dtype=g.dtype), k - 1 - padding)[0]


def conv2d_parameters(g: np.ndarray, columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The derivatives with respect to weight and bias, for the cotangent `g` (n, h', w', out)."""
    out, c, k, _ = weight.shape
    flat = g.reshape(-1, out)
    return (columns.T @ flat).reshape(k, k, c, out).transpose(3, 2, 0, 1), flat.sum(axis=0)


def max_pool(x: np.ndarray) -> np.ndarray:
    """The maxima of 2 x 2 windows of `x` (n, h, w, c)."""
    return np.maximum(np.maximum(x[:, ::2, ::2], x[:, ::2, 1::2]), np.maximum(x[:, 1::2, ::2], x[:, 1::2, 1::2]))


def max_pool_backward(g: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The cotangent `g` of the maxima `y`, given to the first maximum of each window of `x`."""
    gx = np.zeros_like(x)
    free = np.ones(y.shape, dtype=bool)
    for i in (0, 1):
        for j in (0, 1):
            here = free & (x[:, i::2, j::2] == y)
            gx[:, i::2, j::2] = g * here
            free &= ~here
    return gx
