"""What makes programs of expressions, by the backend whose arrays they take."""

from __future__ import annotations

from typing import Any

from .launches import CudaProgram
from .programs import Program

__all__ = ["PROGRAMS"]

PROGRAMS: dict[str, Any] = {"numpy": Program, "cupy": CudaProgram}
"""Where a backend is missing, definitions run as they are written."""
