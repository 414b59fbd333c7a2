"""CUDA sources as text: what all of them begin with, macros, and the list of those that there are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from ..core.errors import DTypeError
from .module import Module, cupy

__all__ = ["SOURCES", "CudaSource", "assemble", "c_type"]

PRELUDE = Path(__file__).with_name("prelude.cuh")

_C_TYPES = {
    "bool": "bool", "int8": "signed char", "uint8": "unsigned char", "int16": "short", "uint16": "unsigned short",
    "int32": "int", "uint32": "unsigned int", "int64": "long long", "uint64": "unsigned long long",
    "float16": "half16", "bfloat16": "bfloat", "float32": "float", "float64": "double",
}  # fmt: skip


def c_type(dtype: Any) -> str:
    """The name that elements of a dtype have in a source. DTypeError for a dtype that kernels do not know.

    >>> from tinygrad_lite.cuda.source import c_type
    >>> c_type("float16")
    'half16'
    """
    name = dtype if isinstance(dtype, str) else numpy.dtype(dtype).name  # bfloat16 may not be known to NumPy yet
    if name not in _C_TYPES:
        raise DTypeError(f"a kernel was given {name}; kernels know {', '.join(_C_TYPES)}. Convert it first.")
    return _C_TYPES[name]


def assemble(body: str, **macros: object) -> str:
    """A whole source: the prelude, a `#define` for each macro, and the body."""
    defines = "".join(f"#define {name} {value}\n" for name, value in macros.items())
    return f"{PRELUDE.read_text()}\n{defines}\n{body}"


_INCLUDE = re.compile(r'^#include "([^"]+)"\n', re.MULTILINE)

SOURCES: list[CudaSource] = []
"""All sources that lie in files, in the order in which their modules were imported."""


class CudaSource:
    """A `.cu` file, which is compiled with macros.

    path : of the file, or of the Python file beside it that has its name.
    variants : all sets of macros that are in use; checks compile each of them.
    """

    def __init__(self, path: str | Path, variants: Sequence[Mapping[str, object]]) -> None:
        self.path = Path(path).with_suffix(".cu")
        self.variants = list(variants)
        self._modules: dict[tuple, Module] = {}
        SOURCES.append(self)

    def text(self, **macros: object) -> str:
        """The whole source with these macros, and the files of the folder that it includes."""
        body = _INCLUDE.sub(lambda found: (self.path.parent / found[1]).read_text(), self.path.read_text())
        return assemble(body, **macros)

    def __call__(self, **macros: object) -> Module:
        """The compiled source, made when it is first wanted."""
        key = (cupy(), *macros.items())
        found = self._modules.get(key)
        if found is None:
            found = self._modules[key] = Module(self.text(**macros))
        return found
