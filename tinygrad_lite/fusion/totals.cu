// What is to be known of all gradients before a step: whether they are finite, or the sum of their squares, of arrays
// that lie apart. Blocks take every so many-th pack, then one block joins what they found; the order of both is fixed,
// so results are equal every time.
//
// Bytes moved, of the least possible: 1, besides one number for each block.

#include "elementwise.cuh"

typedef acc_t<ELEMENT> A;
constexpr int W = 16 / sizeof(ELEMENT);

struct Square { static __device__ __forceinline__ A of(A x) { return x * x; } };
struct NotFinite { static __device__ __forceinline__ A of(A x) { return isfinite_of(x) ? (A)0 : (A)1; } };

template <typename F> DEVICE void part(const Pieces<ELEMENT, CAPACITY>& pieces, A* parts, A* scratch) {
    const i64 count = pieces.bounds[pieces.count], packs = count / W, step = (i64)gridDim.x * blockDim.x;
    const i64 first = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    A found[W];
#pragma unroll
    for (int k = 0; k < W; ++k) found[k] = 0;
    for (i64 i = first; i < packs; i += step) {
        ELEMENT held[W];
        read_pieces<W>(pieces, i * W, held);
#pragma unroll
        for (int k = 0; k < W; ++k) found[k] += F::of(to_acc(held[k]));
    }
    for (i64 i = packs * W + first; i < count; i += step) found[0] += F::of(to_acc(read_piece(pieces, i)));
#pragma unroll
    for (int k = 1; k < W; ++k) found[0] += found[k];
    const A sum = block_sum(found[0], scratch);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

KERNEL __launch_bounds__(THREADS) squares(const __grid_constant__ Pieces<ELEMENT, CAPACITY> pieces, A* parts) {
    __shared__ A scratch[WARP];
    part<Square>(pieces, parts, scratch);
}

KERNEL __launch_bounds__(THREADS) not_finite(const __grid_constant__ Pieces<ELEMENT, CAPACITY> pieces, A* parts) {
    __shared__ A scratch[WARP];
    part<NotFinite>(pieces, parts, scratch);
}

// One block. sum, none : where the sum of the parts goes, or whether it is 0; one of them is null.
KERNEL __launch_bounds__(THREADS) joined(const A* parts, i64 count, A* sum, bool* none) {
    __shared__ A scratch[WARP];
    A found = 0;
    for (i64 i = threadIdx.x; i < count; i += blockDim.x) found += parts[i];
    found = block_sum(found, scratch);
    if (threadIdx.x != 0) return;
    if (sum) *sum = found;
    else *none = found == (A)0;
}
