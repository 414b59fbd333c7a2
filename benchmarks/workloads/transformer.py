"""A small language model of the group `training`: GPT's blocks over 65 characters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..harness.workload import Step, Workload
from .by_hand import NumpyAdam
from .transformer_by_hand import loss_and_gradients

__all__ = ["TinyGPT"]

VOCABULARY, HEADS = 65, 4


class TinyGPT(Workload):
    """Causal attention with 4 heads, GELU, layer norms before each part; cross-entropy and AdamW."""

    checks = 3
    tolerance = 1e-3
    first_only = ("jax",)

    def __init__(self, layers: int, width: int, length: int, batch: int) -> None:
        super().__init__(f"GPT, {layers} layers of {width}, {length} characters, AdamW, batch {batch}")
        self.layers, self.width, self.length, self.batch = layers, width, length, batch

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Characters, the characters that follow them, then the parameters in the order of the model's state."""
        d, text = self.width, (self.batch, self.length)
        linear = [(3 * d, d), (d, d), (4 * d, d), (d, 4 * d)]

        def uniform(*shape: int, fan_in: int) -> np.ndarray:
            return rng.uniform(-(fan_in**-0.5), fan_in**-0.5, shape).astype(np.float32)

        def norm() -> list[np.ndarray]:
            return [np.ones(d, dtype=np.float32), np.zeros(d, dtype=np.float32)]

        parameters = [0.1 * rng.standard_normal((n, d), dtype=np.float32) for n in (VOCABULARY, self.length)]
        for _ in range(self.layers):
            qkv, out, up, down = (
                [uniform(*shape, fan_in=shape[1]), uniform(shape[0], fan_in=shape[1])] for shape in linear
            )
            parameters += [*norm(), *qkv, *out, *norm(), *up, *down]
        parameters += [*norm(), uniform(VOCABULARY, d, fan_in=d)]
        return rng.integers(VOCABULARY, size=text), rng.integers(VOCABULARY, size=text), *parameters

    def numpy(self, x, k, *parameters) -> Step:
        optimizer = NumpyAdam(parameters, decay=0.01)

        def step():
            loss, gradients = loss_and_gradients(x, k, parameters, HEADS)
            optimizer.step(gradients)
            return loss, *gradients

        return step

    def tinygrad_lite(self, x, k, *parameters, captured: bool = False) -> Step:
        import tinygrad_lite as tl
        from tinygrad_lite import nn

        class Block(nn.Module):
            def __init__(self, d):
                self.norm1, self.qkv, self.out = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
                self.norm2 = nn.LayerNorm(d)
                self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(approximate="tanh"), nn.Linear(4 * d, d))

            def forward(self, x):
                n, t, d = x.shape
                qkv = tl.split(self.qkv(self.norm1(x)), 3, axis=-1)
                q, k, v = (tl.permute_dims(y.reshape((n, t, HEADS, d // HEADS)), (0, 2, 1, 3)) for y in qkv)
                heads = tl.scaled_dot_product_attention(q, k, v, is_causal=True)
                x = x + self.out(tl.permute_dims(heads, (0, 2, 1, 3)).reshape((n, t, d)))
                return x + self.mlp(self.norm2(x))

        class GPT(nn.Module):
            def __init__(self, layers, d, length):
                self.characters, self.positions = nn.Embedding(VOCABULARY, d), nn.Embedding(length, d)
                self.blocks = [Block(d) for _ in range(layers)]
                self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, VOCABULARY, bias=False)

            def forward(self, x):
                y = self.characters(x) + self.positions(tl.arange(x.shape[1], device=x.device))
                for block in self.blocks:
                    y = block(y)
                return self.head(self.norm(y))

        model = GPT(self.layers, self.width, self.length).to(x.device)
        model.load_state_dict(dict(zip(model.state_dict(), parameters, strict=True)))
        trained = list(model.parameters())
        optimizer = tl.optim.AdamW(trained, lr=1e-3)

        def train(x, k):
            optimizer.zero_grad()
            loss = tl.cross_entropy(model(x).reshape((-1, VOCABULARY)), k.reshape(-1))
            loss.backward()
            optimizer.step()
            return loss

        run = tl.jit(train) if captured else train
        return lambda: (run(x, k), *(parameter.grad for parameter in trained))

    def tinygrad_lite_captured(self, x, k, *parameters) -> Step:
        """The same step, captured by `jit`."""
        return self.tinygrad_lite(x, k, *parameters, captured=True)

    def torch(self, x, k, *parameters) -> Step:
        import torch
        from torch import nn

        class Block(nn.Module):
            def __init__(self, d):
                super().__init__()
                self.norm1, self.qkv, self.out = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
                self.norm2 = nn.LayerNorm(d)
                self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(approximate="tanh"), nn.Linear(4 * d, d))

            def forward(self, x):
                n, t, d = x.shape
                qkv = self.qkv(self.norm1(x)).split(d, dim=-1)
                q, k, v = (y.view(n, t, HEADS, d // HEADS).transpose(1, 2) for y in qkv)
                heads = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
                x = x + self.out(heads.transpose(1, 2).reshape(n, t, d))
                return x + self.mlp(self.norm2(x))

        class GPT(nn.Module):
            def __init__(self, layers, d, length):
                super().__init__()
                self.characters, self.positions = nn.Embedding(VOCABULARY, d), nn.Embedding(length, d)
                self.blocks = nn.ModuleList([Block(d) for _ in range(layers)])
                self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, VOCABULARY, bias=False)

            def forward(self, x):
                y = self.characters(x) + self.positions(torch.arange(x.shape[1], device=x.device))
                for block in self.blocks:
                    y = block(y)
                return self.head(self.norm(y))

        model = GPT(self.layers, self.width, self.length).to(x.device)
        model.load_state_dict(dict(zip(model.state_dict(), parameters, strict=True)))
        trained = list(model.parameters())
        optimizer = torch.optim.AdamW(trained, lr=1e-3)

        def step():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x).view(-1, VOCABULARY), k.view(-1))
            loss.backward()
            optimizer.step()
            return loss, *(parameter.grad for parameter in trained)

        return step

    def jax(self, x, k, *parameters) -> Step:
        import jax
        import jax.numpy as jnp

        @jax.jit
        def update(state, x, k):
            parameters, m, v, t = state
            value, gradients = jax.value_and_grad(lambda parameters: _loss(jnp, x, k, parameters))(parameters)
            t += 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
            rate, correction = 1e-3 / (1 - 0.9**t), 1 / (1 - 0.999**t)
            new = jax.tree.map(
                lambda p, m, v: p * (1 - 1e-5) - rate * m / (jnp.sqrt(v * correction) + 1e-8), parameters, m, v
            )
            return value, (new, m, v, t)

        zeros = jax.tree.map(jnp.zeros_like, parameters)
        state = (parameters, zeros, zeros, 0)

        def step():
            nonlocal state
            value, state = update(state, x, k)
            return value

        return step

    def autograd(self, x, k, *parameters) -> Step:
        import autograd.numpy as np
        from autograd import value_and_grad

        derivatives = value_and_grad(lambda parameters: _loss(np, x, k, parameters))
        optimizer = NumpyAdam(parameters, decay=0.01)

        def step():
            value, gradients = derivatives(parameters)
            optimizer.step(gradients)
            return value, *gradients

        return step


def _loss(np: Any, x: Any, k: Any, parameters: Any) -> Any:
    """The model's loss written with the functions of `np`, which are those of JAX or of autograd."""

    def norm(x, w, b):
        centred = x - np.mean(x, axis=-1, keepdims=True)
        return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + 1e-5) * w + b

    characters, positions, *blocks, w, b, head = parameters
    n, t = x.shape
    d = characters.shape[1]
    y = characters[x] + positions
    mask = np.where(np.tril(np.ones((t, t))) > 0, 0.0, -np.inf).astype("float32")
    for i in range(0, len(blocks), 12):
        w1, b1, wqkv, bqkv, wo, bo, w2, b2, wu, bu, wd, bd = blocks[i : i + 12]
        qkv = np.split(norm(y, w1, b1) @ wqkv.T + bqkv, 3, axis=-1)
        q, k_, v = (np.swapaxes(part.reshape((n, t, HEADS, d // HEADS)), 1, 2) for part in qkv)
        scores = q @ np.swapaxes(k_, -1, -2) * (d // HEADS) ** -0.5 + mask
        e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        heads = (e / np.sum(e, axis=-1, keepdims=True)) @ v
        y = y + np.swapaxes(heads, 1, 2).reshape((n, t, d)) @ wo.T + bo
        z = norm(y, w2, b2) @ wu.T + bu
        z = 0.5 * z * (1 + np.tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)))
        y = y + z @ wd.T + bd
    logits = (norm(y, w, b) @ head.T).reshape((n * t, VOCABULARY))
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return -np.mean(log_probabilities[np.arange(n * t), k.reshape(-1)])
