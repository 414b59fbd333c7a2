"""Every CUDA source compiles with NVRTC for the architectures that are supported; no GPU is needed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import tinygrad_lite
from tests.cuda.binaries import resources
from tinygrad_lite.cuda.source import SOURCES, assemble

ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100")

STACK = 48
"""Bytes of a thread outside of registers that are let pass: a cosine takes 40, a few kernels spill 8 to 48."""

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
def test_sources_compile_without_spilling_registers(source, architecture):
    assert source.variants
    for macros in source.variants:
        used = resources(compiled(source.text(**macros), architecture))
        assert used
        assert {name: kernel for name, kernel in used.items() if kernel.stack > STACK} == {}, macros


@pytest.mark.parametrize("name", ["channels", "groups", "indexing", "losses", "normalization", "reductions"])
def test_packs_are_read_and_written_at_once(name):
    nvrtc = importlib.import_module("cuda.bindings.nvrtc")
    (source,) = [source for source in SOURCES if source.path.stem == name]
    checked = 0
    for macros in source.variants:
        if macros["T"] not in ("float", "half16") or macros.get("KIND") == "LOGSUMEXP":  # which writes one number a row
            continue
        for kernel, text in assembly(nvrtc, source.text(**macros)).items():
            if "packs" in kernel and not kernel.startswith("moments"):
                assert re.search(r"ld\.global(\.nc)?\.v4", text), kernel
                assert re.search(r"st\.global\.v4", text), kernel
                checked += 1
    assert checked


def assembly(nvrtc, text):
    """The PTX of each kernel of a source."""
    error, program = nvrtc.nvrtcCreateProgram(text.encode(), b"source.cu", 0, [], [])
    options = [b"-std=c++17", b"-arch=compute_90", b"-ftz=true", b"-default-device"]
    assert not any([error, *nvrtc.nvrtcCompileProgram(program, len(options), options)])
    _, size = nvrtc.nvrtcGetPTXSize(program)
    whole = bytes(size)
    nvrtc.nvrtcGetPTX(program, whole)
    return {part.partition("(")[0]: part for part in whole.decode().split(".entry ")[1:]}


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


def test_what_kernels_take_is_read_from_their_binaries():
    body = """
    KERNEL plain(float* y) { y[0] = 1; }
    KERNEL table(float* y, int i) {
        float t[200];
        for (int k = 0; k < 200; k++) t[(k * i) % 200] = y[k];
        y[0] = t[i];
    }
    KERNEL __launch_bounds__(1024) many(float* y) {
        float t[100];
        for (int k = 0; k < 100; k++) t[k] = y[k];
        __syncthreads();
        for (int k = 0; k < 100; k++) y[99 - k] = t[k] * t[(7 * k) % 100];
    }
    """
    for architecture in ARCHITECTURES:
        used = resources(compiled(assemble(body), architecture))
        assert sorted(used) == ["many", "plain", "table"]
        assert used["plain"].stack == 0
        assert 0 < used["plain"].registers <= 32
        assert used["table"].stack == 4 * 200
        assert used["many"].stack > STACK  # spilled: 1024 threads have 64 registers each
        assert used["many"].registers == 64


def test_an_error_is_noticed():
    with pytest.raises(Exception, match='identifier "nothing" is undefined'):
        compiled(assemble("KERNEL broken() { nothing; }"), "sm_90")
