"""Products that are no calls of the operation `matmul`: those of the namespace, which rules and optimizers use."""

from __future__ import annotations

import numpy as np

import tinygrad_lite as tl
from tests.cuda.test_products import blas, close, draw, on_device
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.cuda import cublaslt

__all__ = ["blas"]


def test_the_namespace_has_the_same_products(blas):
    x, y = draw((3, 4, 5)), draw((5, 6), seed=1)
    xp = device_backend("cuda").xp
    close(xp.matmul(on_device(x), on_device(y))._host, x @ y, "float32", 4)
    tl.matmul(on_device(x), on_device(y))
    assert len(blas.calls) == 2 and blas.searches == 1
    whole = on_device(np.ones((2, 2), "int64"))
    np.testing.assert_array_equal(xp.matmul(whole, whole)._host, [[2, 2], [2, 2]])
    assert len(blas.calls) == 2


def test_products_of_batches(blas):
    """Of the rules of `vmap`: rows of all examples in one product where one factor has no batch."""
    x, y = draw((7, 4, 5)), draw((5, 6), seed=1)
    out = tl.vmap(tl.matmul, in_axes=(0, None))(on_device(x), on_device(y))
    close(out._host, x @ y, "float32", 4)
    assert len(blas.calls) == 1 and blas.calls[0]["d"]["batch"] == 1


def test_products_of_an_optimizers_rule(blas):
    """Muon's, three in each iteration, with the precision that is set."""
    w = tl.Tensor(on_device(draw((4, 6))), requires_grad=True)
    optimizer = tl.optim.Muon([w], lr=0.1, ns_steps=2)
    w.grad = tl.Tensor(on_device(draw((4, 6), seed=1)))
    try:
        tl.set_matmul_precision("high")
        optimizer.step()
    finally:
        tl.set_matmul_precision("highest")
    assert [call["compute"] for call in blas.calls] == [cublaslt.COMPUTE["tf32"]] * 6
