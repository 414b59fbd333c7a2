"""Dtypes that operations take without a claim about the result, and why not."""

from __future__ import annotations

from tinygrad_lite.testing.samples import unclaimed

COMPLEX = "complex64 complex128"

unclaimed(
    "fold fold_nd adaptive_fold_nd conv_transpose1d conv_transpose2d conv_transpose3d convolve_nd_input "
    "convolve_nd_weight segment_sum segment_mean bincount sum_to",
    "bool",
    "sums of booleans are their disjunction",
)
unclaimed(
    "layer_norm batch_norm batch_norm_training group_norm instance_norm moments softsign softshrink cosine_embedding",
    COMPLEX,
    "defined for real numbers only, and complex ones are not looked for in each call",
)
unclaimed(
    "eig eigh known_eigh eigh_gradient svd",
    COMPLEX,
    "the vectors are unique up to a complex factor only; tests of their own check them",
)
unclaimed("vecdot", "bool", "sums of booleans are their disjunction, as they are in NumPy's vecdot")
unclaimed("binary_cross_entropy", "bool int64", "there are no probabilities strictly between 0 and 1")
unclaimed("cast astype", COMPLEX, "the imaginary part is dropped, with NumPy's warning")
unclaimed("histogram", "bool", "sums of booleans are their disjunction")
