"""Kernels of many expressions in one source: g++ takes half a second for a source, and little for one kernel more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tinygrad_lite.core.codegen import lazy_pull
from tinygrad_lite.core.op import OPS
from tinygrad_lite.cuda.module import Module
from tinygrad_lite.cuda.source import assemble
from tinygrad_lite.fusion.cuda import OPTIONS, Form, functions, kernel_text
from tinygrad_lite.fusion.kernels import FusedKernel
from tinygrad_lite.fusion.launches import CudaProgram
from tinygrad_lite.fusion.makers import PROGRAMS

__all__ = ["Together", "collected"]


class Together:
    """Programs whose kernels are noted when they would first be launched, and then compiled all at once.

    texts : the kernels' sources, by name.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.programs: list[CudaProgram] = []
        self.module: Module | None = None

    def program(self, *args: Any, **kwargs: Any) -> CudaProgram:
        made = _Program(self, len(self.programs), *args, **kwargs)
        self.programs.append(made)
        return made

    def compile(self) -> None:
        """Compile what was noted; launches work from now on."""
        self.module = Module(self.source(), OPTIONS)

    def source(self) -> str:
        return assemble("\n".join([functions(), *self.texts.values()]))


class _Program(CudaProgram):
    def __init__(self, group: Together, number: int, *args: Any, **kwargs: Any) -> None:
        self.group, self.number = group, number
        super().__init__(*args, **kwargs)

    def _module(self, form: Form) -> Any:
        group = self.group
        name = f"program_{self.number}_{form.width}{'i' if form.wide else ''}{'n' if form.live else ''}{form.rank}"
        name += "_" + "".join(read[:2] for read in form.reads) + f"_{form.pieces}"
        if group.module is None:
            group.texts[name] = kernel_text(
                self.roots, self.inputs, form, name=name, over=bool(self.over), numbers=self.numbers
            )
        elif name not in group.texts:
            return super()._module(form)
        return _Kernel(group, name)


class _Kernel:
    def __init__(self, group: Together, name: str) -> None:
        self.group, self.name = group, name

    def launch(self, _: str, blocks: Any, threads: Any, args: Any) -> None:
        if self.group.module is not None:
            self.group.module.launch(self.name, blocks, threads, args)


@contextmanager
def collected() -> Iterator[Together]:
    """Within the block CuPy's programs are those of a group."""
    before, group = PROGRAMS["cupy"], Together()
    PROGRAMS["cupy"] = partial(Together.program, group)
    _forget()
    try:
        yield group
    finally:
        PROGRAMS["cupy"] = before
        _forget()


def _forget() -> None:
    """Let operations make their programs for CuPy anew."""
    for op in OPS.values():
        for kernel in op.kernels.get("cupy", ()):
            if isinstance(kernel, FusedKernel):
                kernel.pairs.clear()
        op.implementations.clear()
        if op.rules:
            op.pull = lazy_pull(op, "pull")
