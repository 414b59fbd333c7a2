"""Samples of the operations in `ops/solving.py`, and matrices that are far from singular for the other files."""

import numpy as np
import scipy.linalg

from tests.samples import arrays, generators, sample, shapes, st


@st.composite
def matrices(draw, rows=None, columns=None, *, front=None, symmetric=False, min_side=0):
    """Matrices with singular values (or eigenvalues) 1, 1.6, 2.2 and so on, in any directions."""
    rows = draw(st.integers(min_side, 3)) if rows is None else rows
    columns = rows if columns is None else columns
    front = draw(shapes(max_dims=1, min_side=0, max_side=2)) if front is None else front
    rng = draw(generators())
    k = min(rows, columns)
    u = np.linalg.qr(rng.standard_normal((*front, rows, rows)))[0][..., :k]
    v = u if symmetric else np.linalg.qr(rng.standard_normal((*front, columns, columns)))[0][..., :k]
    return (u * (1 + 0.6 * np.arange(k))) @ v.swapaxes(-1, -2)


@sample("inv", reference=np.linalg.inv)
def _(draw):
    return (draw(matrices()),), {}


def solution(a, b):
    return np.linalg.solve(a, b) if b.ndim != 1 else np.linalg.solve(a, b[:, None])[..., 0]


@sample("solve", reference=solution)
def _(draw):
    n, k = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    front, kind = (
        draw(st.sampled_from([((), ()), ((2,), (2,)), ((2,), ()), ((), (2,)), ((2, 1), (3,))])),
        draw(st.sampled_from(["vector", "columns"])),
    )
    b = draw(arrays((n,))) if kind == "vector" else draw(arrays((*front[1], n, k)))
    return (draw(matrices(n, front=front[0])), b), {}


def triangular_solution(a, b, upper=False, left=True, unitriangular=False):
    if not left:
        a, b, upper = a.T, b.T, not upper
    x = scipy.linalg.solve_triangular(a, b, lower=not upper, unit_diagonal=unitriangular)
    return x if left else x.T


@sample("solve_triangular", reference=triangular_solution)
def _(draw):
    n, k, left = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.booleans())
    b = draw(arrays((n, k) if left else (k, n)))
    statics = {"left": left, "upper": draw(st.booleans()), "unitriangular": draw(st.booleans())}
    return (draw(matrices(n, front=())) * 0.5 + 2 * np.eye(n), b), statics
