"""Samples of the operations in `ops/linalg.py`."""

import numpy as np

from tests.samples import arrays, broadcastable_shapes, sample, shapes, st


@sample("matmul")
def _(draw):
    m, k, n = (draw(st.integers(0, 3)) for _ in range(3))
    kind = draw(st.sampled_from(["vectors", "row", "column", "matrices"]))
    front_x, front_y = draw(broadcastable_shapes(2, max_dims=2, min_side=0))
    left = (k,) if kind in ("vectors", "row") else (*front_x, m, k)
    right = (k,) if kind in ("vectors", "column") else (*front_y, k, n)
    return (draw(arrays(left)), draw(arrays(right))), {}


@sample("outer")
def _(draw):
    return (draw(arrays(shapes(max_dims=2))), draw(arrays(shapes(max_dims=2)))), {}


@sample("vecdot", reference=lambda x, y, axis=-1: np.sum(x.conj() * y, axis=axis))
def _(draw):
    front_x, front_y = draw(broadcastable_shapes(2, max_dims=2))
    n = draw(st.integers(0, 3))
    return (draw(arrays((*front_x, n))), draw(arrays((*front_y, n)))), {}


@sample("vecdot", reference=lambda x, y, axis=-1: np.sum(x.conj() * y, axis=axis))
def _(draw):
    shape = draw(shapes(min_dims=2))
    return (draw(arrays(shape)), draw(arrays(shape))), {"axis": draw(st.integers(-len(shape), len(shape) - 1))}


@sample("tensordot")
def _(draw):
    a, b, c = (draw(st.integers(0, 3)) for _ in range(3))
    shared, axes = draw(st.sampled_from([((b, c, a), 2), ((c, b, a), ([1, 2], [1, 0])), ((a, b, c), ([-2], [1]))]))
    return (draw(arrays((a, b, c))), draw(arrays(shared))), {"axes": axes}


EINSUMS = [
    ("ij,jk->ik", "ij jk"), ("ij,kj", "ij kj"), ("ji,jk->ki", "ji jk"), ("ii->i", "ii"), ("ii", "ii"), ("iji", "iji"),
    ("ij->", "ij"), ("ij->ji", "ij"), ("bij,bjk->bik", "bij bjk"), ("bi,bi->b", "bi bi"), ("i,j->ij", "i j"),
    ("ij,ij->ij", "ij ij"), ("...ij,...jk->...ik", "bij jk"), ("...i,i...", "bi ib"), ("i...->...", "ibc"),
    ("ij,jk,kl->il", "ij jk kl"), ("i,ij,j", "i ij j"), ("ij,ik,il->jkl", "ij ik il"), ("iij,jk->ik", "iij jk"),
    ("ijk,j->ki", "ijk j"), (",ij->ji", " ij"), ("ij,kl->", "ij kl"), ("ij,jk->ik", "i1 jk"), ("ij,ij->i", "ij 1j"),
    ("ii->i", "11"), ("i,i->", "1 i"), ("ij,ik->j", "ij 1k"),
]  # fmt: skip


@sample("contract", reference=lambda *operands, subscripts: np.einsum(subscripts, *operands))
def _(draw):
    subscripts, letters = draw(st.sampled_from(EINSUMS))
    sizes = {letter: draw(st.integers(0, 3)) for letter in "ijklbc"} | {"1": 1}
    return tuple(draw(arrays(tuple(sizes[a] for a in term))) for term in letters.split(" ")), {"subscripts": subscripts}
