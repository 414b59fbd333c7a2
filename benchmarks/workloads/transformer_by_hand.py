"""A language model in plain NumPy, with its derivatives written out: floor and reference of `TinyGPT`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .by_hand import cross_entropy

__all__ = ["loss_and_gradients"]

C = np.float32((2 / np.pi) ** 0.5)


def loss_and_gradients(
    x: np.ndarray, k: np.ndarray, parameters: Sequence[np.ndarray], heads: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The mean cross-entropy of the next characters `k` (n, t) after `x` (n, t), and its derivatives.

    parameters : tables of characters and positions, twelve arrays for each block, norm, head, as `TinyGPT` lists them.
    """
    characters, positions, *blocks, w, b, head = parameters
    y = (characters[x] + positions).reshape(-1, characters.shape[1])
    kept = []
    for i in range(0, len(blocks), 12):
        y, saved = _block(y, blocks[i : i + 12], len(x), heads)
        kept.append(saved)
    normal, *saved = _norm(y, w, b)
    loss, g = cross_entropy(normal @ head.T, k.reshape(-1))
    gradients = [g.T @ normal]
    g, gw, gb = _norm_backward(g @ head, w, *saved)
    gradients = [gw, gb, *gradients]
    for i in range(len(blocks) - 12, -1, -12):
        g, found = _block_backward(g, blocks[i : i + 12], kept.pop(), len(x), heads)
        gradients = [*found, *gradients]
    table = np.zeros_like(characters)
    np.add.at(table, x.reshape(-1), g)
    return loss, [table, g.reshape(*x.shape, -1).sum(axis=0), *gradients]


def _norm(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Layer norm of the rows of `x`, and what its backward needs: the normalised rows and their scales."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = 1 / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + np.float32(1e-5))
    normal = centred * scale
    return normal * w + b, normal, scale


def _norm_backward(
    g: np.ndarray, w: np.ndarray, normal: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    gn = g * w
    gx = gn - gn.mean(axis=-1, keepdims=True) - normal * np.mean(gn * normal, axis=-1, keepdims=True)
    return gx * scale, np.sum(g * normal, axis=0), g.sum(axis=0)


def _split(x: np.ndarray, n: int, heads: int) -> np.ndarray:
    """Rows (n * t, d) as (n, heads, t, d / heads)."""
    return x.reshape(n, -1, heads, x.shape[-1] // heads).transpose(0, 2, 1, 3)


def _merge(x: np.ndarray) -> np.ndarray:
    """The inverse of `_split`."""
    n, heads, t, size = x.shape
    return x.transpose(0, 2, 1, 3).reshape(n * t, heads * size)


def _block(x: np.ndarray, parameters: Sequence[np.ndarray], n: int, heads: int) -> tuple[np.ndarray, tuple]:
    w1, b1, wqkv, bqkv, wo, bo, w2, b2, wu, bu, wd, bd = parameters
    y1, *saved1 = _norm(x, w1, b1)
    q, k, v = (_split(part, n, heads) for part in np.split(y1 @ wqkv.T + bqkv, 3, axis=-1))
    q = q * np.float32(q.shape[-1] ** -0.5)
    scores = q @ k.transpose(0, 1, 3, 2)
    t = scores.shape[-1]
    scores += np.triu(np.full((t, t), -np.inf, dtype=np.float32), 1)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    merged = _merge(p @ v)
    x = x + merged @ wo.T + bo
    y2, *saved2 = _norm(x, w2, b2)
    z = y2 @ wu.T + bu
    tanh = np.tanh(C * (z + np.float32(0.044715) * z * z * z))
    active = np.float32(0.5) * z * (1 + tanh)
    return x + active @ wd.T + bd, (y1, saved1, q, k, v, p, merged, y2, saved2, z, tanh, active)


def _block_backward(
    g: np.ndarray, parameters: Sequence[np.ndarray], saved: tuple, n: int, heads: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The cotangent of a block's input for that of its output, and the derivatives of its twelve parameters."""
    w1, _, wqkv, _, wo, _, w2, _, wu, _, wd, _ = parameters
    y1, saved1, q, k, v, p, merged, y2, saved2, z, tanh, active = saved
    down = [g.T @ active, g.sum(axis=0)]
    slope = 0.5 * (1 + tanh) + 0.5 * z * (1 - tanh * tanh) * (C * (1 + np.float32(3 * 0.044715) * z * z))
    gz = (g @ wd) * slope
    up = [gz.T @ y2, gz.sum(axis=0)]
    gx, *norm2 = _norm_backward(gz @ wu, w2, *saved2)
    g = g + gx
    out = [g.T @ merged, g.sum(axis=0)]
    gheads = _split(g @ wo, n, heads)
    gp = gheads @ v.transpose(0, 1, 3, 2)
    gscores = p * (gp - np.sum(gp * p, axis=-1, keepdims=True))
    gq = (gscores @ k) * np.float32(q.shape[-1] ** -0.5)
    gk, gv = gscores.transpose(0, 1, 3, 2) @ q, p.transpose(0, 1, 3, 2) @ gheads
    gqkv = np.concatenate([_merge(gq), _merge(gk), _merge(gv)], axis=-1)
    qkv = [gqkv.T @ y1, gqkv.sum(axis=0)]
    gx, *norm1 = _norm_backward(gqkv @ wqkv, w1, *saved1)
    return g + gx, [*norm1, *qkv, *out, *norm2, *up, *down]
