"""Samples of the operations in `ops/bessel.py`."""

import scipy.special

from tests.samples import arrays, reference, sample, shapes, st

reference("i0", scipy.special.i0)


@sample("bessel_j_ratio", reference=lambda x, n: scipy.special.jv(n, x) / x**n)
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {"n": draw(st.integers(1, 4))}


def i_ratio(x, n, scaled):
    return (scipy.special.ive if scaled else scipy.special.iv)(n, x) / x**n


@sample("bessel_i_ratio", reference=i_ratio)
def _(draw):
    scaled = draw(st.booleans())
    return (draw(arrays(shapes(min_side=0), kinks=(0.0,))),), {"n": draw(st.integers(1, 4)), "scaled": scaled}
