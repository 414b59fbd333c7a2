"""The errors that the package raises. Each says what it got, what it needs, what to do, and is a builtin error too."""

from __future__ import annotations

__all__ = [
    "BackendError",
    "BatchError",
    "CaptureError",
    "DTypeError",
    "DeclarationError",
    "GradientError",
    "IndexingError",
    "LoopWarning",
    "ShapeError",
    "StateError",
    "TinygradLiteError",
]


class TinygradLiteError(Exception):
    """Base of every error of this package."""


class ShapeError(TinygradLiteError, ValueError):
    """Shapes, axes or indices that an operation cannot work with."""


class IndexingError(ShapeError, IndexError):
    """An index or an axis that an array does not have, or a mask that does not fit it."""


class DTypeError(TinygradLiteError, TypeError):
    """A dtype, or a kind of object, that an operation cannot work with."""


class BackendError(TinygradLiteError, TypeError):
    """Arrays of two libraries in one call, a missing array library, or a missing device."""


class BatchError(TinygradLiteError, TypeError):
    """What `vmap` cannot do on all examples at once: look at a value, or give results of different shapes."""


class CaptureError(TinygradLiteError, TypeError):
    """A step that `jit` cannot capture: it looks at values, or at what a replay would not see."""


class LoopWarning(UserWarning):
    """Something that `vmap`, or a Jacobian, computes example by example, and so slowly."""


class GradientError(TinygradLiteError, RuntimeError):
    """A derivative that cannot be computed: a freed graph, a missing rule, a missing or wrong cotangent."""


class StateError(TinygradLiteError, ValueError):
    """Saved state that does not fit: missing, unexpected or misshapen entries, or a file that cannot be read."""


class DeclarationError(TinygradLiteError, TypeError):
    """An operation or kernel declared wrongly; raised at import."""


def describe(value: object) -> str:
    """A short description of an argument for an error message: `(3, 4) float32`, or its value if it is a scalar."""
    shape = getattr(value, "shape", None)
    if shape is None:
        text = repr(value)
        return text if len(text) <= 60 else f"a {type(value).__name__}"
    return f"{tuple(shape)} {getattr(value, 'dtype', '')}".rstrip()
