// Attention without the matrix unit, for float: no scores in memory, forward and backward.
//
// A block of (TILE / 4)^2 threads owns TILE rows - queries, or keys for the gradients of keys and values - and walks over
// the other side TILE rows at a time, so every sum has one owner and one order. Thread (x, y) holds 4 x 4 products of the
// owned rows 4 y to 4 y + 3, and of each owned row every (TILE / 4)th column from x on. Memory moved: as in
// attention_mma.cu. DIM is the length of rows here, with zeros behind those in memory.
// Source: Dao 2023, "FlashAttention-2", arXiv:2307.08691.

#include "attention.cuh"

#define SIDE (TILE / 4)
#define STRIDE (DIM + 1)  // of rows in shared memory, so that the same column of several rows lies in several banks
#define WIDE (TILE + 1)
#define PARTS (DIM / SIDE)

DEVICE void load_rows(float* tile, const T* from, i64 stride, i64 first, i64 count, int length) {
    for (int i = threadIdx.x; i < TILE * DIM; i += SIDE * SIDE) {
        const int r = i / DIM, c = i % DIM;
        tile[r * STRIDE + c] = first + r < count && c < length ? to_acc(from[(first + r) * stride + c]) : 0.0f;
    }
}

// products[i][j] of the rows 4 y + i of one tile with the rows 4 x + j of another
DEVICE void products_of_rows(float products[4][4], const float* one, const float* other, int x, int y) {
#pragma unroll
    for (int i = 0; i < 4; ++i) products[i][0] = products[i][1] = products[i][2] = products[i][3] = 0.0f;
#pragma unroll 8
    for (int k = 0; k < DIM; ++k) {
        float a[4], b[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) a[i] = one[(4 * y + i) * STRIDE + k], b[i] = other[(4 * x + i) * STRIDE + k];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
#pragma unroll
            for (int j = 0; j < 4; ++j) products[i][j] += a[i] * b[j];
        }
    }
}

// sums[i][p] += (row 4 y + i of weights) (column x + p SIDE of a tile); the block has written the weights.
DEVICE void add_products(float sums[4][PARTS], const float* weights, const float* tile, int x, int y) {
    for (int k = 0; k < TILE; ++k) {
        float a[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) a[i] = weights[(4 * y + i) * WIDE + k];
#pragma unroll
        for (int p = 0; p < PARTS; ++p) {
            const float b = tile[k * STRIDE + x + p * SIDE];
#pragma unroll
            for (int i = 0; i < 4; ++i) sums[i][p] += a[i] * b;
        }
    }
}

DEVICE void clear(float sums[4][PARTS]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int p = 0; p < PARTS; ++p) sums[i][p] = 0.0f;
    }
}

DEVICE void show(float* weights, const float values[4][4], int x, int y) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) weights[(4 * y + i) * WIDE + 4 * x + j] = values[i][j];
    }
}

DEVICE void store_rows(T* to, i64 stride, i64 first, i64 count, int length, const float sums[4][PARTS],
                       const float scale[4], int x, int y) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const i64 row = first + 4 * y + i;
#pragma unroll
        for (int p = 0; p < PARTS; ++p) {
            const int c = x + p * SIDE;
            if (row < count && c < length) to[row * stride + c] = from_acc<T>(sums[i][p] * scale[i]);
        }
    }
}

// The reduction over the SIDE threads that hold one row, which are neighbours in a warp.
template <typename R> DEVICE float row_reduce(float value) {
#pragma unroll
    for (int offset = SIDE / 2; offset > 0; offset /= 2) {
        value = R::of(value, __shfl_xor_sync(ALL_LANES, value, offset));
    }
    return value;
}

KERNEL __launch_bounds__(SIDE * SIDE) attention_forward(
    INPUT_PARAMETERS,
    STACK_PARAMETERS(T, out), float* logs, SIZE_PARAMETERS) {
    INPUTS;
    STACK(T, out);
    DYNAMIC_SHARED(memory);
    float *queries = (float*)memory, *keys = queries + TILE * STRIDE, *weights = keys + TILE * STRIDE;
    const int x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    const i64 tiles = (m + TILE - 1) / TILE, stack = blockIdx.x / tiles, o = stack / heads, h = stack % heads;
    const i64 first = (tiles - 1 - blockIdx.x % tiles) * TILE;  // the longest rows first
    load_rows(queries, q.at(o, h), q.row, first, m, (int)d);
    float sums[4][PARTS], most[4], total[4];
    clear(sums);
#pragma unroll
    for (int i = 0; i < 4; ++i) most[i] = HIDDEN, total[i] = 0.0f;
    for (i64 start = 0, end = keys_seen(first, TILE, n); start < end; start += TILE) {
        __syncthreads();
        load_rows(keys, k.at(o, h / repeats), k.row, start, n, (int)d);
        __syncthreads();
        float scores[4][4];
        products_of_rows(scores, queries, keys, x, y);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            float largest = most[i];
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                scores[i][j] = mask.apply(scores[i][j] * factor, o, h, first + 4 * y + i, start + 4 * x + j, m, n);
                largest = larger(largest, scores[i][j]);
            }
            largest = row_reduce<Largest>(largest);
            const float base = largest == HIDDEN ? 0.0f : largest;  // nothing seen so far
            const float shrink = expf(most[i] - base);
            most[i] = largest;
            float sum = 0.0f;
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                scores[i][j] = expf(scores[i][j] - base);
                sum += scores[i][j];
            }
            total[i] = total[i] * shrink + sum;
#pragma unroll
            for (int p = 0; p < PARTS; ++p) sums[i][p] *= shrink;
        }
        __syncthreads();
        load_rows(keys, v.at(o, h / repeats), v.row, start, n, (int)e);  // the values, in the place of the keys
        show(weights, scores, x, y);
        __syncthreads();
        add_products(sums, weights, keys, x, y);
    }
    float scale[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        total[i] = row_reduce<Sum>(total[i]);
        const bool none = most[i] == HIDDEN;
        scale[i] = none ? 0.0f : 1.0f / total[i];
        const i64 query = first + 4 * y + i;
        if (x == 0 && query < m) logs[stack * m + query] = none ? INFINITE : most[i] + logf(total[i]);
    }
    store_rows(out.at(o, h), out.row, first, m, (int)e, sums, scale, x, y);
}

// Weights and the gradients of scores, from the products of both sides; rows are queries, or keys.
template <bool BY_QUERIES>
DEVICE void gradients_of_scores(float weights[4][4], float slopes[4][4], const Mask& mask, i64 o, i64 h, i64 row,
                                i64 column, i64 m, i64 n, const float* logs, const float* dots, float factor, int x,
                                int y) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int r = 4 * y + i, c = 4 * x + j, at = BY_QUERIES ? r : c;
            const i64 query = BY_QUERIES ? row + r : column + c, key = BY_QUERIES ? column + c : row + r;
            const float score = mask.apply(weights[i][j] * factor, o, h, query, key, m, n);
            const float weight = score == HIDDEN ? 0.0f : expf(score - logs[at]);
            weights[i][j] = weight;
            slopes[i][j] = weight == 0.0f ? 0.0f : weight * (slopes[i][j] - dots[at]);
        }
    }
}

KERNEL __launch_bounds__(SIDE * SIDE) attention_query_gradient(
    INPUT_PARAMETERS,
    STACK_PARAMETERS(const T, g), STACK_PARAMETERS(T, dq), const float* logs, const float* dots, SIZE_PARAMETERS) {
    INPUTS;
    STACK(const T, g);
    STACK(T, dq);
    DYNAMIC_SHARED(memory);
    float *queries = (float*)memory, *ups = queries + TILE * STRIDE, *keys = ups + TILE * STRIDE;
    float *shown = keys + TILE * STRIDE, *row_logs = shown + TILE * WIDE, *row_dots = row_logs + TILE;
    const int x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    const i64 tiles = (m + TILE - 1) / TILE, stack = blockIdx.x / tiles, o = stack / heads, h = stack % heads;
    const i64 first = (tiles - 1 - blockIdx.x % tiles) * TILE;
    load_rows(queries, q.at(o, h), q.row, first, m, (int)d);
    load_rows(ups, g.at(o, h), g.row, first, m, (int)e);
    load_numbers(row_logs, logs + stack * m, first, m, TILE);
    load_numbers(row_dots, dots + stack * m, first, m, TILE);
    float sums[4][PARTS];
    clear(sums);
    for (i64 start = 0, end = keys_seen(first, TILE, n); start < end; start += TILE) {
        float weights[4][4], slopes[4][4];
        __syncthreads();
        load_rows(keys, v.at(o, h / repeats), v.row, start, n, (int)e);
        __syncthreads();
        products_of_rows(slopes, ups, keys, x, y);
        __syncthreads();
        load_rows(keys, k.at(o, h / repeats), k.row, start, n, (int)d);
        __syncthreads();
        products_of_rows(weights, queries, keys, x, y);
        gradients_of_scores<true>(weights, slopes, mask, o, h, first, start, m, n, row_logs, row_dots, factor, x, y);
        show(shown, slopes, x, y);
        __syncthreads();
        add_products(sums, shown, keys, x, y);
    }
    const float scale[4] = {factor, factor, factor, factor};
    store_rows(dq.at(o, h), dq.row, first, m, (int)d, sums, scale, x, y);
}

KERNEL __launch_bounds__(SIDE * SIDE) attention_key_gradients(
    INPUT_PARAMETERS,
    STACK_PARAMETERS(const T, g), STACK_PARAMETERS(T, dk), STACK_PARAMETERS(T, dv), const float* logs, const float* dots,
    SIZE_PARAMETERS) {
    INPUTS;
    STACK(const T, g);
    STACK(T, dk);
    STACK(T, dv);
    DYNAMIC_SHARED(memory);
    float *keys = (float*)memory, *values = keys + TILE * STRIDE, *theirs = values + TILE * STRIDE;
    float *shown = theirs + TILE * STRIDE, *their_logs = shown + TILE * WIDE, *their_dots = their_logs + TILE;
    const int x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    const i64 tiles = (n + TILE - 1) / TILE, stack = blockIdx.x / tiles, own = heads / repeats;
    const i64 o = stack / own, shared_head = stack % own, first = blockIdx.x % tiles * TILE;
    load_rows(keys, k.at(o, shared_head), k.row, first, n, (int)d);
    load_rows(values, v.at(o, shared_head), v.row, first, n, (int)e);
    float of_keys[4][PARTS], of_values[4][PARTS];
    clear(of_keys);
    clear(of_values);
    for (i64 h = shared_head * repeats; h < (shared_head + 1) * repeats; ++h) {
        const i64 rows = (o * heads + h) * m;
#if MASK == 1
        const i64 begin = first;  // earlier queries do not see these keys
#else
        const i64 begin = 0;
#endif
        for (i64 start = begin; start < m; start += TILE) {
            float weights[4][4], slopes[4][4];
            __syncthreads();
            load_rows(theirs, q.at(o, h), q.row, start, m, (int)d);
            load_numbers(their_logs, logs + rows, start, m, TILE);
            load_numbers(their_dots, dots + rows, start, m, TILE);
            __syncthreads();
            products_of_rows(weights, keys, theirs, x, y);
            __syncthreads();
            load_rows(theirs, g.at(o, h), g.row, start, m, (int)e);
            __syncthreads();
            products_of_rows(slopes, values, theirs, x, y);
            gradients_of_scores<false>(weights, slopes, mask, o, h, first, start, m, n, their_logs, their_dots, factor,
                                       x, y);
            show(shown, weights, x, y);
            __syncthreads();
            add_products(of_values, shown, theirs, x, y);
            __syncthreads();
            load_rows(theirs, q.at(o, h), q.row, start, m, (int)d);
            show(shown, slopes, x, y);
            __syncthreads();
            add_products(of_keys, shown, theirs, x, y);
        }
    }
    const float scale[4] = {factor, factor, factor, factor}, one[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    store_rows(dk.at(o, shared_head), dk.row, first, n, (int)d, of_keys, scale, x, y);
    store_rows(dv.at(o, shared_head), dv.row, first, n, (int)e, of_values, one, x, y);
}
