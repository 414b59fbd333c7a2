"""Programs on a GPU: an expression as one CUDA kernel, which is compiled for a way of going through memory when first
used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy

from ..core.effects import live_numbers
from ..cuda.module import Module, cupy
from ..cuda.source import assemble
from .cuda import OPTIONS, THREADS, Form, functions, kernel_text, parameters
from .expressions import Node
from .layouts import Layout, pack_width
from .pieces import Each, Pieces
from .recent import Recent

__all__ = ["CudaProgram", "argument", "number_type"]

MOST = 1 << 16
"""Blocks of a launch; what they do not take in one pack for each thread, they take in further ones."""

APART = (Pieces, Each)

LAYOUTS = 256
"""For how many combinations of shapes a program keeps how it goes through them."""


class CudaProgram:
    """Computes the values of some nodes from CuPy's arrays, in one launch; `programs.Program` is NumPy's.

    roots, inputs, name, over, numbers : as of `programs.Program`.

    The kernel reads and writes each array once, in accesses of 16 bytes where the memory of all is aligned to that and
    one pack follows another, or in rows whose length is a multiple of a pack's. Broadcast axes are read again, by
    strides of 0. Raises NotElementwise where kernels lack a function or a dtype.
    """

    of_parts = False

    def __init__(
        self,
        roots: Sequence[Node],
        inputs: Sequence[Node],
        name: str,
        *,
        over: dict[int, int] | None = None,
        numbers: Sequence[tuple[Node, int]] = (),
    ) -> None:
        self.roots, self.inputs, self.name = list(roots), list(inputs), name
        self.over, self.numbers = over or {}, list(numbers)
        self.dtypes = [root.dtype for root in roots]
        self.sizes = [node.dtype.itemsize for node in inputs]
        self._wanted = [node.dtype for node in inputs]
        self._given = [number_type(dtype) for dtype in parameters(numbers)]
        self._modules: dict[tuple, Module] = {}
        self._layouts: dict[tuple, Layout] = Recent(LAYOUTS)
        self.text(self._simplest(1))  # what cannot be written is said now

    @cached_property
    def source(self) -> str:
        """The kernel for arrays whose memory is aligned and goes on without gaps."""
        return self.text(self._simplest(pack_width(self._all_sizes)))

    def _simplest(self, width: int) -> Form:
        return Form(width, ("pack",) * len(self.inputs))

    @cached_property
    def _all_sizes(self) -> list[int]:
        return [*self.sizes, *(dtype.itemsize for dtype in self.dtypes)]

    def text(self, form: Form) -> str:
        """The source of the kernel of one form, without what all sources begin with."""
        text = kernel_text(self.roots, self.inputs, form, over=bool(self.over), numbers=self.numbers)
        return f"// {self.name}\n{text}"

    def __call__(
        self, arrays: Sequence[Any], outs: Sequence[Any] | None = None, numbers: Sequence[Any] = ()
    ) -> list[Any]:
        """The values for arrays whose shapes broadcast, in new arrays or in `outs`, which are contiguous.

        Beside arrays of one axis that are contiguous, an array may be in pieces, and others may have a value for each.

        New arrays lie in memory as the first array that fills its memory in some order of the axes.
        """
        arrays = [x if x.dtype == d else x.astype(d) for x, d in zip(arrays, self._wanted, strict=True)]
        layout = self._layout(arrays)
        if outs is None:
            xp = cupy()
            outs = [layout.empty(xp, dtype) for dtype in self.dtypes]
        if layout.count:
            self._launch(layout, arrays, outs, numbers)
        return list(outs)

    def _layout(self, arrays: Sequence[Any]) -> Layout:
        key = tuple([(x.shape, x.strides) for x in arrays])
        layout = self._layouts.get(key)
        if layout is None:
            layout = self._layouts[key] = Layout([x.shape for x in arrays], [x.strides for x in arrays], self.sizes)
        return layout

    def _launch(self, layout: Layout, arrays: Sequence[Any], outs: Sequence[Any], numbers: Sequence[Any]) -> None:
        form = self._form(layout, arrays, outs)
        blocks = min(-(-layout.count // (form.width * THREADS)), MOST)
        last = layout.structure(form.width) if form.rank else layout.count
        first = [*map(argument, arrays), *outs]

        def launch(form: Form, given: Sequence[Any]) -> None:
            self._module(form).launch("program", blocks, THREADS, [*first, *given, last])

        if self.over:
            self._start(launch, form, self._given, numbers, layout.count)
        else:
            launch(form, _by_value(self._given, numbers))

    def _start(
        self, launch: Callable[[Form, Sequence[Any]], None], form: Form, kinds: Sequence[type], numbers: Sequence[Any],
        *key: Any,
    ) -> None:  # fmt: skip
        """Call `launch` with the kernel's form and its numbers: by value, or where a captured step keeps them.

        key : what the launch depends on beside the form.
        """
        live = live_numbers.get()
        if live is None:
            launch(form, _by_value(kinds, numbers))
        elif not numbers:
            live.once(lambda: launch(form, []))
        else:
            form = replace(form, live=True)
            taken = live.take(numbers, (id(self), form, *key))
            if not live.refreshing:
                launch(form, [taken])

    def _form(self, layout: Layout, arrays: Sequence[Any], outs: Sequence[Any]) -> Form:
        width = pack_width(self._all_sizes)
        reads = layout.reads(width, self.sizes)
        if reads is not None:
            moved = [x for x, read in zip(arrays, reads, strict=True) if read == "pack" and not isinstance(x, APART)]
            if any([x.data.ptr % min(16, width * x.dtype.itemsize) for x in (*moved, *outs)]):
                reads = None
        if reads is None:
            width = 1
            reads = layout.reads(1, self.sizes)
        assert reads is not None
        form = Form(width, reads, 0 if layout.flat else len(layout.axes), layout.wide and not layout.flat)
        apart = [i for i, x in enumerate(arrays) if isinstance(x, Pieces)]
        if apart:
            kinds = {Pieces: "pieces", Each: "each"}
            reads = tuple([kinds.get(type(x), read) for x, read in zip(arrays, reads, strict=True)])
            form = replace(form, reads=reads, pieces=max(arrays[i].capacity for i in apart))
        return form

    def _module(self, form: Form) -> Module:
        """The kernel of one form, compiled."""
        key = (cupy(), form)
        found = self._modules.get(key)
        if found is None:
            text = assemble(f"{functions()}\n{self.text(form)}")
            found = self._modules[key] = Module(text, OPTIONS)
        return found


def argument(array: Any) -> Any:
    """What a kernel is given for an array."""
    return array.structure() if isinstance(array, Pieces) else array.values if isinstance(array, Each) else array


def _by_value(kinds: Sequence[type], numbers: Sequence[Any]) -> list[Any]:
    return [kind(number) for kind, number in zip(kinds, numbers, strict=True)]


def number_type(dtype: numpy.dtype) -> type:
    """The type as which a number goes to a kernel; 16-bit floating point is computed with as float32."""
    return numpy.float32 if dtype.name in ("float16", "bfloat16") else dtype.type
