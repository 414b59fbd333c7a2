// Reductions along some axes: R is Sum, Largest, Smallest or Product. The order of each is fixed, so results are equal
// every time: threads take every so many-th element, then those of a block are joined, and parts of long rows or columns
// by a second launch.
//
// Elements moved, of the least possible: 1, besides partial results of at most a 16th; variances 2.

#include "rows.cuh"

struct Smallest { template <typename B> static __device__ __forceinline__ B of(B x, B y) { return smaller(x, y); } };
struct Product { template <typename B> static __device__ __forceinline__ B of(B x, B y) { return x * y; } };

DEVICE A neutral(Sum) { return 0; }
DEVICE A neutral(Largest) { return -(A)INFINITE; }
DEVICE A neutral(Smallest) { return (A)INFINITE; }
DEVICE A neutral(Product) { return 1; }

// What becomes of the elements, and of results.
struct Reduction {
    A* partial;       // results that are used further, or null
    T* out;           // results, or null
    A divisor;        // of results
    const A* centre;  // or null: for each result, what is subtracted from the elements, whose squares are then added up

    __device__ __forceinline__ A origin(i64 i) const { return centre ? centre[i] : (A)0; }
    __device__ __forceinline__ A of(A x, A origin) const { return centre ? (x - origin) * (x - origin) : x; }
    __device__ __forceinline__ void store(i64 i, A value) const {
        if (partial) partial[i] = value / divisor;
        else out[i] = from_acc<T>(value / divisor);
    }
};

template <int N, typename X> DEVICE void load(const X* from, A* to) {
    const Pack<X, N> pack = *(const Pack<X, N>*)from;
#pragma unroll
    for (int k = 0; k < N; ++k) to[k] = to_acc(pack.at[k]);
}

// Rows of n, each of them in `parts` parts of `length` elements.
template <int N, typename X>
DEVICE void along_rows(const X* x, const Reduction& to, i64 rows, i64 n, i64 parts, i64 length, int lanes, A* scratch) {
    FOR_ROWS(place, rows * parts, lanes) {
        const i64 row = place.row / parts, start = place.row % parts * length;
        const i64 count = n - start < length ? n - start : length;
        const X* from = x + row * n + start;
        const A origin = place.there ? to.origin(row) : (A)0;
        A held[N], part[N];
#pragma unroll
        for (int k = 0; k < N; ++k) part[k] = neutral(R());
#pragma unroll 4
        FOR_ELEMENTS(i, count, N, place) {
            load<N>(from + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) part[k] = R::of(part[k], to.of(held[k], origin));
        }
#pragma unroll
        for (int k = 1; k < N; ++k) part[0] = R::of(part[0], part[k]);
        const A all = over_row<R>(part[0], neutral(R()), lanes, scratch);
        if (place.there && place.lane == 0) to.store(place.row, all);
    }
}

// Columns of (outer, n, inner), N of them a thread, each in `parts` parts of `length` elements.
template <int N, typename X>
DEVICE void along_columns(const X* x, const Reduction& to, i64 outer, i64 n, i64 inner, i64 parts, i64 length, A* shared) {
    const i64 across = (inner + blockDim.x * N - 1) / (blockDim.x * N);
    for (i64 tile = blockIdx.x; tile < outer * parts * across; tile += gridDim.x) {
        const i64 column = (tile % across * blockDim.x + threadIdx.x) * N, group = tile / across;
        const i64 start = group % parts * length, stop = start + length < n ? start + length : n;
        const bool there = column < inner;
        A held[N], part[N], origin[N];
#pragma unroll
        for (int k = 0; k < N; ++k) {
            part[k] = neutral(R());
            origin[k] = there ? to.origin(group / parts * inner + column + k) : (A)0;
        }
        const X* from = x + group / parts * n * inner + column;
#pragma unroll 4
        for (i64 i = start + threadIdx.y; i < (there ? stop : 0); i += blockDim.y) {
            load<N>(from + i * inner, held);
#pragma unroll
            for (int k = 0; k < N; ++k) part[k] = R::of(part[k], to.of(held[k], origin[k]));
        }
        const int mine = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
        for (int k = 0; k < N; ++k) shared[k * COLUMN_THREADS + mine] = part[k];
        __syncthreads();
        if (there && threadIdx.y == 0) {
#pragma unroll
            for (int k = 0; k < N; ++k) {
                for (int other = mine + blockDim.x; other < COLUMN_THREADS; other += blockDim.x) {
                    part[k] = R::of(part[k], shared[k * COLUMN_THREADS + other]);
                }
                to.store(group * inner + column + k, part[k]);
            }
        }
        __syncthreads();
    }
}

#define KERNELS(suffix, X, N)                                                                                 \
    KERNEL __launch_bounds__(MOST_THREADS)                                                                    \
        rows_##suffix(const X* x, A* partial, T* out, A divisor, const A* centre, i64 rows, i64 n, i64 parts, \
                      i64 length, i64 lanes) {                                                                \
        __shared__ A scratch[WARP];                                                                           \
        const Reduction to = {partial, out, divisor, centre};                                                 \
        along_rows<N>(x, to, rows, n, parts, length, (int)lanes, scratch);                                    \
    }                                                                                                         \
    KERNEL __launch_bounds__(COLUMN_THREADS)                                                                  \
        columns_##suffix(const X* x, A* partial, T* out, A divisor, const A* centre, i64 outer, i64 n,        \
                         i64 inner, i64 parts, i64 length) {                                                  \
        __shared__ A shared[COLUMN_THREADS * (N)];                                                            \
        const Reduction to = {partial, out, divisor, centre};                                                 \
        along_columns<N>(x, to, outer, n, inner, parts, length, shared);                                      \
    }

KERNELS(packs, T, W)
KERNELS(single, T, 1)
KERNELS(partial, A, 1)
