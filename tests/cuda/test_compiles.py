"""Every CUDA source compiles with NVRTC for the architectures that are supported; no GPU is needed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import tinygrad_lite
from tinygrad_lite.cuda.source import SOURCES, assemble

ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100")

core = pytest.importorskip(
    "cuda.core", reason="there is no NVRTC, which pip install 'tinygrad-lite[cuda-check]' brings", exc_type=ImportError
)

PACKAGE = Path(tinygrad_lite.__file__).parent

for folder in sorted({path.parent for path in PACKAGE.rglob("*.cu")}):
    for path in sorted(folder.glob("*.py")):
        importlib.import_module(".".join(["tinygrad_lite", *path.relative_to(PACKAGE).with_suffix("").parts]))


def compiled(text, architecture):
    """The binary of a source, with the options that CuPy adds to it."""
    options = core.ProgramOptions(std="c++17", arch=architecture, ftz=True, device_as_default_execution_space=True)
    return core.Program(text, "c++", options).compile("cubin").code


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.path.stem)
def test_sources_compile(source, architecture):
    assert source.variants
    for macros in source.variants:
        assert compiled(source.text(**macros), architecture)


def test_every_source_is_listed():
    assert {source.path for source in SOURCES} == set(PACKAGE.rglob("*.cu"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_prelude_compiles_with_all_that_it_has(architecture):
    body = """
    KERNEL everything(const T* x, float* y, double* z, i64 n) {
        __shared__ float scratch[WARP];
        __shared__ double wide[WARP];
        DYNAMIC_SHARED(memory);
        y[0] = block_sum(to_acc(x[0]), scratch) + block_max((float)memory[0], scratch);
        z[0] = block_sum(z[1], wide) + exp_of(z[2]) + log_of(z[3]) + rsqrt_of(z[4]) + block_max(z[5], wide);
        *(Pack<float, 4>*)y = *(const Pack<float, 4>*)(y + 4);
        ((T*)y)[9] = from_acc<T>(y[3] + warp_max(rsqrt_of(exp_of(log_of(sqrt_of(y[2]))))));
        if (!aligned16(y)) y[1] = smaller(y[0], NOT_A_NUMBER);
    }
    """
    for T in ("half16", "bfloat", "float"):
        assert compiled(assemble(body, T=T), architecture)


def test_an_error_is_noticed():
    with pytest.raises(Exception, match='identifier "nothing" is undefined'):
        compiled(assemble("KERNEL broken() { nothing; }"), "sm_90")
