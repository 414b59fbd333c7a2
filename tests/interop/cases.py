"""Calls of NumPy functions, each with arrays to make Tensors of. Plain NumPy on the same arrays is the reference."""

from collections.abc import Callable

import numpy as np

__all__ = ["CASES", "CONSTANT", "DIFFERENTIABLE", "Case"]


class Case:
    """A call of the NumPy function `name` on arrays of the given shapes, whose values lie in `low` to `high`."""

    def __init__(self, name: str, call: Callable, *shapes: tuple, low: float = 0.3, high: float = 0.9) -> None:
        self.name, self.call = name, call
        rng = np.random.default_rng(len(name))
        self.arrays = [rng.uniform(low, high, shape) for shape in shapes]


def case(name: str, call: Callable, *shapes: tuple, **limits: float) -> Case:
    return Case(name, call, *shapes, **limits)


M, V, S, T3 = (3, 4), (4,), (3, 3), (2, 3, 4)

ODD = np.array([0.0, np.nan, np.inf, -np.inf])


def spd(x):
    return np.matmul(x, np.swapaxes(x, -1, -2)) + 2 * np.eye(3)


REDUCTIONS = [
    *(case(name, lambda x, name=name: getattr(np, name)(x, axis=1, keepdims=True), M)
      for name in ("sum", "mean", "var", "std", "prod", "max", "min", "amax", "amin", "ptp")),
    *(case(name, lambda x, name=name: getattr(np, name)(x), M)
      for name in ("sum", "mean", "var", "std", "prod", "max", "min", "ptp", "average", "trace")),
    case("sum", lambda x: np.sum(x, 0), M),
    case("sum", lambda x: np.sum(a=x, axis=np.int64(1), keepdims=np._NoValue), M),
    case("sum", lambda x: np.sum(x, axis=(0, -1), dtype=np.float64), T3),
    case("sum", lambda x: np.sum([x[0], x[1]] if isinstance(x, np.ndarray) else x[:2], 0), M),
    case("mean", lambda x: np.mean(x, where=True), M),
    case("var", lambda x: np.var(x, axis=0, ddof=1), M),
    case("std", lambda x: np.std(x, axis=0, ddof=1), M),
    case("std", lambda x: np.std(x, correction=1), M),
    case("cumulative_sum", lambda x: np.cumulative_sum(x, axis=0, include_initial=True), M),
    case("trapezoid", lambda x: np.trapezoid(x, dx=0.5), M),
    case("trapezoid", lambda y, x: np.trapezoid(y, np.cumsum(x), axis=0), M, (3,)),
    *(case(name, lambda x, name=name: getattr(np, name)(x + np.array([0.0, np.nan, 0.0, 0.0]), axis=1), M)
      for name in ("nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar")),
    case("nanvar", lambda x: np.nanvar(x, ddof=1), M),
    case("median", lambda x: np.median(x), M),
    case("median", lambda x: np.median(x, axis=1, keepdims=True), M),
    case("quantile", lambda x: np.quantile(x, 0.3, axis=0), M),
    case("quantile", lambda x: np.quantile(x, [0.25, 0.6]), M),
    case("percentile", lambda x: np.percentile(x, 30.0, axis=0), M),
    case("percentile", lambda x: np.percentile(x, [25.0, 60.0], axis=1), M),
    case("cov", lambda x: np.cov(x), M),
    case("cov", lambda x: np.cov(x, rowvar=False, ddof=0), M),
    case("corrcoef", lambda x: np.corrcoef(x), M),
    case("cumsum", lambda x: np.cumsum(x), M),
    case("cumsum", lambda x: np.cumsum(x, axis=1), M),
    case("cumprod", lambda x: np.cumprod(x), M),
    case("average", lambda x, w: np.average(x, axis=1, weights=w), M, V),
    case("average", lambda x, w: np.average(x, weights=w, returned=True), M, M),
]  # fmt: skip

SHAPES = [
    case("reshape", lambda x: np.reshape(x, (2, 6)), M),
    case("reshape", lambda x: np.reshape(x, -1), M),
    case("reshape", lambda x: np.reshape(x, np.int64(12)), M),
    case("reshape", lambda x: np.reshape(x, (2, 6), order="F"), M),
    case("ravel", lambda x: np.ravel(x), M),
    case("ravel", lambda x: np.ravel(x, order="F"), M),
    case("transpose", lambda x: np.transpose(x), T3),
    case("transpose", lambda x: np.transpose(x, (1, 2, 0)), T3),
    case("permute_dims", lambda x: np.permute_dims(x, (2, 0, 1)), T3),
    case("matrix_transpose", lambda x: np.matrix_transpose(x), T3),
    case("swapaxes", lambda x: np.swapaxes(x, 0, 2), T3),
    case("moveaxis", lambda x: np.moveaxis(x, 0, -1), T3),
    case("rollaxis", lambda x: np.rollaxis(x, 2), T3),
    case("rollaxis", lambda x: np.rollaxis(x, 0, 2), T3),
    case("squeeze", lambda x: np.squeeze(x), (1, 3, 1)),
    case("squeeze", lambda x: np.squeeze(x, axis=0), (1, 3, 1)),
    case("expand_dims", lambda x: np.expand_dims(x, 1), M),
    case("expand_dims", lambda x: np.expand_dims(x, axis=(0, 2)), M),
    case("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)), M),
    case("broadcast_arrays", lambda x, y: np.broadcast_arrays(x, y), M, V),
    case("flip", lambda x: np.flip(x), M),
    case("flip", lambda x: np.flip(x, 1), M),
    case("fliplr", lambda x: np.fliplr(x), M),
    case("flipud", lambda x: np.flipud(x), M),
    case("roll", lambda x: np.roll(x, 2), M),
    case("roll", lambda x: np.roll(x, 1, axis=1), M),
    case("tril", lambda x: np.tril(x, k=1), M),
    case("triu", lambda x: np.triu(x, 1), M),
    case("copy", lambda x: np.copy(x), M),
    case("atleast_1d", lambda x: np.atleast_1d(x), ()),
    case("atleast_2d", lambda x, y: np.atleast_2d(x, y), (), V),
    case("atleast_3d", lambda x, y, z: np.atleast_3d(x, y, z), (), V, M),
    case("pad", lambda x: np.pad(x, 1), M),
    case("pad", lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=2.0), M),
    *(case("pad", lambda x, mode=mode: np.pad(x, ((2, 1), (0, 2)), mode=mode), M)
      for mode in ("edge", "reflect", "symmetric", "wrap")),
]  # fmt: skip

JOINING = [
    case("concatenate", lambda x, y: np.concatenate([x, y]), M, M),
    case("concatenate", lambda x, y: np.concatenate((x, y), axis=1), M, (3, 2)),
    case("concatenate", lambda x: np.concatenate([x, np.ones(2), [1.0, 2.0]]), V),
    case("concatenate", lambda x: np.concatenate([x, x], axis=None), M),
    case("append", lambda x, y: np.append(x, y, axis=0), M, (1, 4)),
    case("stack", lambda x, y: np.stack([x, y], axis=1), M, M),
    case("vstack", lambda x, y: np.vstack([x, y]), V, M),
    case("hstack", lambda x, y: np.hstack([x, y]), V, (2,)),
    case("hstack", lambda x, y: np.hstack([x, y]), M, M),
    case("dstack", lambda x, y: np.dstack([x, y]), M, M),
    case("dstack", lambda x, y: np.dstack([x, y]), V, V),
    case("column_stack", lambda x, y: np.column_stack([x, y]), (3,), M),
    case("block", lambda x, y: np.block([[x, y], [y, x]]), S, S),
    case("block", lambda x, y: np.block([x, y]), (2,), V),
    case("split", lambda x: np.split(x, 2, axis=1), M),
    case("split", lambda x: np.split(x, [1, 2]), M),
    case("array_split", lambda x: np.array_split(x, 3, axis=1), M),
    case("array_split", lambda x: np.array_split(x, np.array([1])), M),
    case("hsplit", lambda x: np.hsplit(x, 2), M),
    case("vsplit", lambda x: np.vsplit(x, 3), M),
    case("dsplit", lambda x: np.dsplit(x, 2), T3),
]

CHOICE = [
    case("where", lambda x, y: np.where(np.arange(4) > 1, x, y), M, M),
    case("where", lambda x: np.where(x > 0.5, x, 0.0), M),
    case("select", lambda x, y: np.select([x > 0.7, x > 0.5], [x * y, y], default=1.0), M, M),
    case("clip", lambda x: np.clip(x, 0.4, 0.6), M),
    case("clip", lambda x: np.clip(x, None, 0.6), M),
    case("clip", lambda x: np.clip(x, min=0.4), M),
    case("nan_to_num", lambda x: np.nan_to_num(x + ODD, posinf=3.0, neginf=-2.0), M),
    case("take", lambda x: np.take(x, [0, 2, 2], axis=1), M),
    case("take", lambda x: np.take(x, np.array([[0], [5]])), M),
    case("take_along_axis", lambda x: np.take_along_axis(x, np.array([[1], [0], [2]]), axis=1), M),
    case("linspace", lambda x, y: np.linspace(x, y, 5), V, V),
    case("linspace", lambda x: np.linspace(0.0, x, 4, endpoint=False, axis=1), V),
    case("meshgrid", lambda x, y: np.meshgrid(x, y), V, (3,)),
    case("meshgrid", lambda x, y: np.meshgrid(x, y, indexing="ij"), V, (3,)),
    case("gradient", lambda x: np.gradient(x), M),
    case("gradient", lambda x: np.gradient(x, 0.5), (5,)),
    case("gradient", lambda x, h: np.gradient(x, h, axis=1), T3, ()),
    case("interp", lambda x: np.interp(x, [0.0, 0.5, 0.8], [1.0, 3.0, 2.0]), M),
    case("interp", lambda x, f: np.interp(x, [0.4, 0.5, 0.6, 0.7], f, left=2.0), M, V),
    case("interp", lambda x: np.interp(0.5, np.cumsum(x), [1.0, 3.0, 2.0, 5.0]), V),
    *(case("convolve", lambda x, y, mode=mode: np.convolve(x, y, mode), (5,), V) for mode in ("full", "same", "valid")),
    case("convolve", lambda x, y: np.convolve(x, y, "same"), (3,), (6,)),
    case("convolve", lambda x, y: np.convolve(x, y, "same"), (4,), (4,)),
    case("compress", lambda x: np.compress([True, False, True], x, axis=0), M),
    case("extract", lambda x: np.extract(x > 0.5, x), M),
    case("delete", lambda x: np.delete(x, [0, 2], axis=1), M),
    case("delete", lambda x: np.delete(x, 5), M),
    case("ediff1d", lambda x: np.ediff1d(x), M),
    case("diagflat", lambda x: np.diagflat(x), (2, 2)),
    case("vander", lambda x: np.vander(x), V),
    case("vander", lambda x: np.vander(x, 3, increasing=True), V),
    case("unstack", lambda x: np.unstack(x, axis=1), M),
    case("logspace", lambda x: np.logspace(0.0, x, 3, base=2.0), V),
    case("polyval", lambda p, x: np.polyval(p, x), V, (3,)),
    case("tile", lambda x: np.tile(x, (2, 1)), M),
    case("repeat", lambda x: np.repeat(x, 2, axis=1), M),
    case("sort", lambda x: np.sort(x, axis=0), M),
    case("diff", lambda x: np.diff(x, n=2), M),
    case("diag", lambda x: np.diag(x), V),
    case("diagonal", lambda x: np.diagonal(x, offset=1), M),
    case("rot90", lambda x: np.rot90(x), M),
]

PRODUCTS = [
    case("dot", lambda x, y: np.dot(x, y), M, V),
    case("dot", lambda x, y: np.dot(x, y), V, V),
    case("dot", lambda x, y: np.dot(x, y), T3, (5, 4, 2)),
    case("dot", lambda x: np.dot(x, 2.0), M),
    case("matmul", lambda x, y: np.matmul(x, y), M, (4, 2)),
    case("inner", lambda x, y: np.inner(x, y), M, (2, 4)),
    case("inner", lambda x: np.inner(3.0, x), M),
    case("outer", lambda x, y: np.outer(x, y), V, (3,)),
    case("vdot", lambda x, y: np.vdot(x, y), M, M),
    case("vecdot", lambda x, y: np.vecdot(x, y, axis=0), M, M),
    case("tensordot", lambda x, y: np.tensordot(x, y, axes=1), M, (4, 2)),
    case("tensordot", lambda x, y: np.tensordot(x, y, axes=([0], [1])), M, (2, 3)),
    case("tensordot", lambda x, y: np.tensordot(x, y, axes=(0, 1)), M, (2, 3)),
    case("einsum", lambda x, y: np.einsum("ij,kj->ik", x, y, optimize=True), M, (2, 4)),
    case("einsum", lambda x: np.einsum("ii->", x), S),
    case("kron", lambda x, y: np.kron(x, y), (2, 2), (2, 3)),
    case("cross", lambda x, y: np.cross(x, y, axis=0), (3, 2), (3, 2)),
    case("cross", lambda x, y: np.cross(x, y), (2, 3), (2, 3)),
]

LINALG = [
    case("linalg.multi_dot", lambda x, y: np.linalg.multi_dot([x, y, x]), S, S),
    case("linalg.norm", lambda x: np.linalg.norm(x), M),
    case("linalg.norm", lambda x: np.linalg.norm(x, axis=1, keepdims=True), M),
    case("linalg.norm", lambda x: np.linalg.norm(x, axis=(0, 2)), T3),
    case("linalg.norm", lambda x: np.linalg.norm(x, 3, axis=0), M),
    case("linalg.norm", lambda x: np.linalg.norm(x, 1), M),
    case("linalg.norm", lambda x: np.linalg.norm(x, "fro", axis=(0, 2), keepdims=True), T3),
    case("linalg.inv", lambda x: np.linalg.inv(spd(x)), S),
    case("linalg.det", lambda x: np.linalg.det(spd(x)), S),
    case("linalg.slogdet", lambda x: np.linalg.slogdet(spd(x))[1], S),
    case("linalg.solve", lambda x, b: np.linalg.solve(spd(x), b), S, (3, 2)),
    case("linalg.cholesky", lambda x: np.linalg.cholesky(spd(x)), S),
    case("linalg.eigvalsh", lambda x: np.linalg.eigvalsh(spd(x)), S),
    case("linalg.svdvals", lambda x: np.linalg.svdvals(spd(x)), S),
    case("linalg.pinv", lambda x: np.linalg.pinv(spd(x)), S),
    case("linalg.qr", lambda x: np.linalg.qr(x), S),
    case("linalg.eigh", lambda x: np.abs(np.linalg.eigh(spd(x))[1]), S),
    case("linalg.svd", lambda x: np.linalg.svd(x, full_matrices=False)[1], M),
    case("linalg.vector_norm", lambda x: np.linalg.vector_norm(x, axis=0, ord=3), M),
    case("linalg.matrix_norm", lambda x: np.linalg.matrix_norm(x, ord="nuc"), M),
    case("linalg.trace", lambda x: np.linalg.trace(x), T3),
    case("linalg.outer", lambda x, y: np.linalg.outer(x, y), V, V),
    case("linalg.lstsq", lambda x, b: np.linalg.lstsq(x, b, rcond=1e-9)[0], (4, 3), (4,)),
    case("linalg.cond", lambda x: np.linalg.cond(spd(x)), S),
    case("linalg.matrix_power", lambda x: np.linalg.matrix_power(x, 3), S),
]

UFUNCS = [
    *(case(name, lambda x, name=name: getattr(np, name)(x), M) for name in (
        "absolute", "arccos", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "cos", "cosh", "deg2rad",
        "degrees", "exp", "exp2", "expm1", "fabs", "log", "log10", "log1p", "log2", "negative", "positive", "rad2deg",
        "radians", "reciprocal", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh",
    )),
    case("i0", lambda x: np.i0(x), M),
    case("sinc", lambda x: np.sinc(x), M),
    case("arccosh", lambda x: np.arccosh(x + 1.5), M),
    *(case(name, lambda x, y, name=name: getattr(np, name)(x, y), M, V) for name in (
        "add", "arctan2", "copysign", "divide", "float_power", "fmax", "fmin", "fmod", "hypot", "logaddexp",
        "logaddexp2", "maximum", "minimum", "mod", "multiply", "power", "subtract",
    )),
    *(case(f"{name}.reduce", lambda x, name=name: getattr(np, name).reduce(x, axis=1, keepdims=True), M) for name in (
        "add", "logaddexp", "maximum", "minimum", "multiply",
    )),
    case("add.reduce", lambda x: np.add.reduce(x), M),
    case("add.accumulate", lambda x: np.add.accumulate(x), M),
    case("multiply.accumulate", lambda x: np.multiply.accumulate(x, axis=1), M),
    *(case(f"{name}.accumulate", lambda x, name=name: getattr(np, name).accumulate(x), (5, 2)) for name in (
        "logaddexp", "maximum", "minimum", "multiply",
    )),
    case("multiply.outer", lambda x, y: np.multiply.outer(x, y), M, V),
    case("subtract.outer", lambda x: np.subtract.outer(x, 2.0), M),
    case("cbrt", lambda x: np.cbrt(x), M, low=-0.9, high=-0.3),
    case("float_power", lambda x: np.float_power(x, 2), M),
    case("matvec", lambda x, y: np.matvec(x, y), M, V),
    case("vecmat", lambda x, y: np.vecmat(x, y), (3,), M),
    case("add", lambda x: np.add([1.0, 2.0, 3.0, 4.0], x), M),
]  # fmt: skip

CONSTANT = [
    case("shape", lambda x: np.shape(x), M),
    case("ndim", lambda x: np.ndim(x), M),
    case("size", lambda x: np.size(x), M),
    case("size", lambda x: np.size(x, axis=1), M),
    case("result_type", lambda x: np.result_type(x, np.float32), M),
    case("can_cast", lambda x: np.can_cast(x.dtype, np.float32), M),
    case("iscomplexobj", lambda x: np.iscomplexobj(x), M),
    case("isrealobj", lambda x: np.isrealobj(x), M),
    case("argmax", lambda x: np.argmax(x, axis=1), M),
    case("argmin", lambda x: np.argmin(x), M),
    case("any", lambda x: np.any(x > 0.8, axis=0), M),
    case("all", lambda x: np.all(x > 0.1), M),
    case("isclose", lambda x, y: np.isclose(x, y, atol=0.2), M, V),
    case("isclose", lambda x: np.isclose(x * np.nan, x * np.nan, equal_nan=True), M),
    case("allclose", lambda x: np.allclose(x, x + 1e-9), M),
    case("allclose", lambda x: np.allclose(x, x + 1e-3), M),
    case("array_equal", lambda x: np.array_equal(x, x), M),
    case("array_equal", lambda x, y: np.array_equal(x, y), M, V),
    case("array_equiv", lambda x: np.array_equiv(x, [x[0]] if isinstance(x, np.ndarray) else x[:1]), (1, 4)),
    case("nonzero", lambda x: np.nonzero(x > 0.5), M),
    case("where", lambda x: np.where(x > 0.5), M),
    case("flatnonzero", lambda x: np.flatnonzero(x > 0.5), M),
    case("argwhere", lambda x: np.argwhere(x > 0.5), M),
    case("count_nonzero", lambda x: np.count_nonzero(x > 0.5, axis=0), M),
    case("zeros_like", lambda x: np.zeros_like(x), M),
    case("ones_like", lambda x: np.ones_like(x, dtype=np.float32), M),
    case("full_like", lambda x: np.full_like(x, 2), M),
    case("isfinite", lambda x: np.isfinite(x), M),
    case("logical_and.reduce", lambda x: np.logical_and.reduce(x > 0.2), M),
    case("round", lambda x: np.round(x, 1), M),
    case("around", lambda x: np.around(x), M),
    case("floor", lambda x: np.floor(x), M),
    case("greater", lambda x, y: np.greater(x, y), M, V),
    *(
        case(name, lambda x, y, name=name: getattr(np, name)(x, y), M, V)
        for name in (
            "equal",
            "floor_divide",
            "greater_equal",
            "less",
            "less_equal",
            "not_equal",
        )
    ),
    *(
        case(name, lambda x, y, name=name: getattr(np, name)(x > 0.5, y > 0.5), M, V)
        for name in (
            "bitwise_and",
            "bitwise_or",
            "bitwise_xor",
            "logical_and",
            "logical_or",
            "logical_xor",
        )
    ),
    *(
        case(name, lambda x, name=name: getattr(np, name)(x * 3 - 1), M)
        for name in (
            "argsort",
            "ceil",
            "fix",
            "isinf",
            "isnan",
            "rint",
            "signbit",
            "trunc",
        )
    ),
    case("heaviside", lambda x: np.heaviside(x - 0.5, 0.5), M),
    case("unique", lambda x: np.unique(np.argsort(x)), M),
    case("digitize", lambda x: np.digitize(x, np.array([0.4, 0.6])), M),
    case("isreal", lambda x: np.isreal(x), M),
    case("iscomplex", lambda x: np.iscomplex(x), M),
    case("isposinf", lambda x: np.isposinf(x), M),
    case("isneginf", lambda x: np.isneginf(-x), M),
    case("logical_not", lambda x: np.logical_not(x > 0.5), M),
    case("invert", lambda x: np.invert(x > 0.5), M),
    case("left_shift", lambda x: np.left_shift(np.argsort(x), 2), M),
    case("right_shift", lambda x: np.right_shift(np.argsort(x), 1), M),
    case("searchsorted", lambda x, y: np.searchsorted(np.sort(x), y), V, (5,)),
    case("isin", lambda x: np.isin(np.argsort(x), [0, 2]), M),
    case("unique_values", lambda x: np.unique_values(np.argsort(x)), M),
    case("unique_counts", lambda x: np.unique_counts(np.argsort(x)), M),
    case("astype", lambda x: np.astype(x * 3, np.int64), M),
    case("linalg.matrix_rank", lambda x: np.linalg.matrix_rank(x), M),
]

FOURIER = [
    *(case(f"fft.{name}", lambda x, name=name: getattr(np.fft, name)(x), M) for name in (
        "fft", "fft2", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2",
        "irfftn", "rfft", "rfft2", "rfftn",
    )),
    case("fft.fft", lambda x: np.fft.fft(x, 5, axis=0, norm="ortho"), M),
    case("fft.irfft", lambda x: np.fft.irfft(np.fft.rfft(x) * 2j, n=4), M),
    *(case(name, lambda x, name=name: getattr(np, name)(np.fft.fft(x)), M) for name in (
        "absolute", "angle", "conj", "imag", "real",
    )),
    case("vdot", lambda x, y: np.vdot(np.fft.fft(x), np.fft.fft(y)), V, V),
]  # fmt: skip

DIFFERENTIABLE = [*REDUCTIONS, *FOURIER, *SHAPES, *JOINING, *CHOICE, *PRODUCTS, *LINALG, *UFUNCS]
CASES = [*DIFFERENTIABLE, *CONSTANT]
