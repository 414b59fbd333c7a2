"""What makes programs of expressions, by the backend whose arrays they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .programs import Program

__all__ = ["PROGRAMS"]


def _cuda_program(*args: Any, **kwargs: Any) -> Any:
    from .launches import CudaProgram  # on demand: few programs need it

    return CudaProgram(*args, **kwargs)


PROGRAMS: dict[str, Callable[..., Any]] = {"numpy": Program, "cupy": _cuda_program}
"""Where a backend is missing, definitions run as they are written."""
