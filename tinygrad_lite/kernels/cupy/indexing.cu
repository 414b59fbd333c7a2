// Rows added up by their numbers, as in the gradient of a table: the numbers are sorted, 8 bits at a time, and rows of
// equal number are added in their order. So results are equal every time; no float is added by an atomic operation.
//
// Elements moved, of the least possible: 1 (each row is read once, each of the table written once or twice: zeros first).
// Sorting moves 16 bytes a number for each 8 bits, and takes three launches for them.

#include "rows.cuh"

#define DIGITS 256
#define TILE 1024

// The numbers in the order that they have so far: at first as they were given, wrapped around where out of range.
struct Order {
    const void* indices;
    bool wide;
    i64 rows;
    const u32* keys;    // or null: not yet sorted
    const u32* places;  // where they came from

    __device__ __forceinline__ u32 key(i64 i) const {
        if (keys) return keys[i];
        const i64 index = (wide ? ((const i64*)indices)[i] : (i64)((const int*)indices)[i]) % rows;
        return (u32)(index < 0 ? index + rows : index);
    }
    __device__ __forceinline__ u32 place(i64 i) const { return keys ? places[i] : (u32)i; }
};

#define ORDER const void* indices, bool wide, i64 rows, const u32* keys, const u32* places
#define IN_ORDER {indices, wide, rows, keys, places}

// For the tiles of this block's chunk: `from` is the first number, `count` how many there are.
#define FOR_TILES(from, count, m, chunk)                                                                       \
    for (i64 from = blockIdx.x * (chunk), stop = from + (chunk) < (m) ? from + (chunk) : (m); from < stop; from += TILE) \
        if (const int count = stop - from < TILE ? (int)(stop - from) : TILE; true)

// How many numbers of each chunk have each digit: counts of (chunks, DIGITS). A thread counts one digit.
KERNEL __launch_bounds__(DIGITS) counted(ORDER, u32* counts, i64 m, i64 chunk, i64 shift) {
    __shared__ u8 digits[TILE];
    const Order order = IN_ORDER;
    u32 found = 0;
    FOR_TILES(from, count, m, chunk) {
        for (int i = threadIdx.x; i < count; i += DIGITS) digits[i] = (u8)(order.key(from + i) >> shift);
        __syncthreads();
        for (int i = 0; i < count; ++i) found += digits[i] == threadIdx.x;
        __syncthreads();
    }
    counts[blockIdx.x * DIGITS + threadIdx.x] = found;
}

// From the counts to where the first number of each chunk and digit goes.
KERNEL __launch_bounds__(DIGITS) started(u32* counts, i64 chunks) {
    __shared__ u32 totals[DIGITS];
    u32 total = 0, start = 0;
    for (i64 i = 0; i < chunks; ++i) total += counts[i * DIGITS + threadIdx.x];
    totals[threadIdx.x] = total;
    __syncthreads();
    for (int digit = 0; digit < (int)threadIdx.x; ++digit) start += totals[digit];
    for (i64 i = 0; i < chunks; ++i) {
        const u32 here = counts[i * DIGITS + threadIdx.x];
        counts[i * DIGITS + threadIdx.x] = start;
        start += here;
    }
}

// Each number to its place: a thread takes those of one digit, one after another.
KERNEL __launch_bounds__(DIGITS)
    placed(ORDER, const u32* starts, u32* to_keys, u32* to_places, i64 m, i64 chunk, i64 shift) {
    __shared__ u32 held[TILE];
    __shared__ u32 origins[TILE];
    const Order order = IN_ORDER;
    u32 next = starts[blockIdx.x * DIGITS + threadIdx.x];
    FOR_TILES(from, count, m, chunk) {
        for (int i = threadIdx.x; i < count; i += DIGITS) {
            held[i] = order.key(from + i);
            origins[i] = order.place(from + i);
        }
        __syncthreads();
        for (int i = 0; i < count; ++i) {
            if ((u8)(held[i] >> shift) != threadIdx.x) continue;
            to_keys[next] = held[i];
            to_places[next++] = origins[i];
        }
        __syncthreads();
    }
}

// Rows of equal number, added up by the block of the first of them: 32 N columns, and every eighth row for a warp.
template <int N> DEVICE void add(const T* x, T* out, const u32* keys, const u32* places, i64 m, i64 n, A* shared) {
    const i64 column = ((i64)blockIdx.y * WARP + threadIdx.x) * N;
    for (i64 slot = blockIdx.x; slot < m; slot += gridDim.x) {
        const u32 key = keys[slot];
        if (slot > 0 && keys[slot - 1] == key) continue;
        A held[N], sum[N];
#pragma unroll
        for (int k = 0; k < N; ++k) sum[k] = 0;
        for (i64 i = slot + threadIdx.y; i < m && keys[i] == key; i += blockDim.y) {
            if (column >= n) continue;
            read<N>(x + places[i] * n + column, held);
#pragma unroll
            for (int k = 0; k < N; ++k) sum[k] += held[k];
        }
        const int mine = threadIdx.y * WARP + threadIdx.x;
#pragma unroll
        for (int k = 0; k < N; ++k) shared[k * COLUMN_THREADS + mine] = sum[k];
        __syncthreads();
        if (threadIdx.y == 0 && column < n) {
            for (int other = mine + WARP; other < COLUMN_THREADS; other += WARP) {
#pragma unroll
                for (int k = 0; k < N; ++k) sum[k] += shared[k * COLUMN_THREADS + other];
            }
            write<N>(out + (i64)key * n + column, sum);
        }
        __syncthreads();
    }
}

KERNEL __launch_bounds__(COLUMN_THREADS)
    added_packs(const T* x, T* out, const u32* keys, const u32* places, i64 m, i64 n) {
    __shared__ A shared[COLUMN_THREADS * W];
    add<W>(x, out, keys, places, m, n, shared);
}

KERNEL __launch_bounds__(COLUMN_THREADS)
    added_single(const T* x, T* out, const u32* keys, const u32* places, i64 m, i64 n) {
    __shared__ A shared[COLUMN_THREADS];
    add<1>(x, out, keys, places, m, n, shared);
}
