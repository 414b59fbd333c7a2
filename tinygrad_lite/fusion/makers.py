"""What makes programs of expressions, by the backend whose arrays they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .programs import Program

__all__ = ["NORM_PROGRAMS", "PROGRAMS"]


def _cuda_program(*args: Any, **kwargs: Any) -> Any:
    from .launches import CudaProgram  # on demand: few programs need it

    return CudaProgram(*args, **kwargs)


def _norm_program(*args: Any, **kwargs: Any) -> Any:
    from .norms import NormProgram

    return NormProgram(*args, **kwargs)


def _cuda_norm_program(*args: Any, **kwargs: Any) -> Any:
    from .norm_launches import CudaNormProgram

    return CudaNormProgram(*args, **kwargs)


PROGRAMS: dict[str, Callable[..., Any]] = {"numpy": Program, "cupy": _cuda_program}
"""Where a backend is missing, definitions run as they are written."""

NORM_PROGRAMS: dict[str, Callable[..., Any]] = {"numpy": _norm_program, "cupy": _cuda_norm_program}
"""The same for rules with norms, whose programs are also given where the parts begin that these are of."""
