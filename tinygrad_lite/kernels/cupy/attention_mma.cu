// Attention of 16-bit elements on the matrix unit, from sm_80 on: no scores in memory, forward and backward.
//
// A block has 4 warps. Forward, and for the gradient of the queries, each warp owns 16 queries and walks over the keys; for
// the gradients of keys and values it owns 16 keys and walks over the queries, so every sum has one owner and one order.
// Scores are computed three times in all. Memory moved: queries and results once, keys and values once for every 64
// queries, from the second-level cache. DIM, a multiple of 16, is the length of rows here; those in memory may be shorter.
// Source: Dao 2023, "FlashAttention-2", arXiv:2307.08691.

#include "attention.cuh"

#define OWN 64             // rows of a block: 16 for each warp
#define STRIDE (DIM + 8)   // of rows in shared memory: 16 bytes more, so that eight rows lie in different banks
#define KEYS 64            // rows of the other side at a time, forward; STEP of them backward
#define LOG2_E 1.4426950408889634f

// `rows` rows of DIM elements from memory, with zeros where there are none.
DEVICE void load_rows(T* tile, const T* from, i64 stride, i64 first, i64 count, int rows, int length) {
    const bool packs = length % 8 == 0 && stride % 8 == 0 && aligned16(from);
    T zero;
    zero.bits = 0;
    for (int i = threadIdx.x; i < rows * (DIM / 8); i += blockDim.x) {
        const int r = i / (DIM / 8), c = i % (DIM / 8) * 8;
        Pack<T, 8>* to = (Pack<T, 8>*)(tile + r * STRIDE + c);
        Pack<T, 8> pack;
        const T* row = from + (first + r) * stride + c;
        if (first + r < count && packs && c < length) {
            pack = *(const Pack<T, 8>*)row;
        } else {
#pragma unroll
            for (int k = 0; k < 8; ++k) pack.at[k] = first + r < count && c + k < length ? row[k] : zero;
        }
        *to = pack;
    }
}

DEVICE u32 pair(float x, float y) { return (u32)from_acc<T>(x).bits | (u32)from_acc<T>(y).bits << 16; }
DEVICE u32 word(const T* p) { return *(const u32*)p; }

// The fragments of rows [first, first + 16) and columns [k, k + 16) of a tile, as the left factor.
DEVICE void left(u32 a[4], const T* tile, int first, int k, int lane) {
    const T* p = tile + (first + lane / 4) * STRIDE + k + lane % 4 * 2;
    a[0] = word(p);
    a[1] = word(p + 8 * STRIDE);
    a[2] = word(p + 8);
    a[3] = word(p + 8 * STRIDE + 8);
}

// The right factor whose columns are rows [first, first + 8) of a tile, for its columns [k, k + 16).
DEVICE void right_of_rows(u32 b[2], const T* tile, int first, int k, int lane) {
    const T* p = tile + (first + lane / 4) * STRIDE + k + lane % 4 * 2;
    b[0] = word(p);
    b[1] = word(p + 8);
}

// The right factor that is rows [k, k + 16) and columns [first, first + 8) of a tile.
DEVICE void right(u32 b[2], const T* tile, int k, int first, int lane) {
    load_transposed(b, tile + (k + lane % 16) * STRIDE + first);
}

// The left factor that is 16 columns of what products left in a warp's accumulators.
DEVICE void left_of_sums(u32 a[4], const float low[4], const float high[4]) {
    a[0] = pair(low[0], low[1]);
    a[1] = pair(low[2], low[3]);
    a[2] = pair(high[0], high[1]);
    a[3] = pair(high[2], high[3]);
}

// sums[16 x 8 COUNT] = (16 rows of x from `first`) (8 COUNT rows of y)^T
template <int COUNT> DEVICE void products_of_rows(float sums[COUNT][4], const T* x, int first, const T* y, int lane) {
#pragma unroll
    for (int j = 0; j < COUNT; ++j) sums[j][0] = sums[j][1] = sums[j][2] = sums[j][3] = 0.0f;
#pragma unroll
    for (int k = 0; k < DIM; k += 16) {
        u32 a[4], b[2];
        left(a, x, first, k, lane);
#pragma unroll
        for (int j = 0; j < COUNT; ++j) {
            right_of_rows(b, y, 8 * j, k, lane);
            mma_16816(sums[j], a, b, T());
        }
    }
}

// into[16 x DIM] += weights[16 x 8 COUNT] (8 COUNT rows of y)
template <int COUNT>
DEVICE void add_products(float into[DIM / 8][4], const float weights[COUNT][4], const T* y, int lane) {
#pragma unroll
    for (int k = 0; k < COUNT; k += 2) {
        u32 a[4], b[2];
        left_of_sums(a, weights[k], weights[k + 1]);
#pragma unroll
        for (int j = 0; j < DIM / 8; ++j) {
            right(b, y, 8 * k, 8 * j, lane);
            mma_16816(into[j], a, b, T());
        }
    }
}

// Two rows of a warp's accumulators, times factors, to memory.
DEVICE void store_rows(T* to, i64 stride, i64 first, i64 count, int length, const float sums[DIM / 8][4], float upper,
                       float lower, int lane) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const i64 row = first + lane / 4 + 8 * i;
        if (row >= count) continue;
#pragma unroll
        for (int j = 0; j < DIM / 8; ++j) {
#pragma unroll
            for (int k = 0; k < 2; ++k) {
                const int c = 8 * j + lane % 4 * 2 + k;
                if (c < length) to[row * stride + c] = from_acc<T>(sums[j][2 * i + k] * (i ? lower : upper));
            }
        }
    }
}

// The reduction over the four lanes that hold one row.
template <typename R> DEVICE float row_reduce(float value) {
    value = R::of(value, __shfl_xor_sync(ALL_LANES, value, 1));
    return R::of(value, __shfl_xor_sync(ALL_LANES, value, 2));
}

#define TENSOR_CORES (__CUDA_ARCH__ >= 800 || defined(EMULATED))

KERNEL __launch_bounds__(128) attention_forward(
    INPUT_PARAMETERS,
    STACK_PARAMETERS(T, out), float* logs, SIZE_PARAMETERS) {
#if TENSOR_CORES
    INPUTS;
    STACK(T, out);
    DYNAMIC_SHARED(memory);
    T *queries = (T*)memory, *keys = queries + OWN * STRIDE, *values = keys + KEYS * STRIDE;
    const int lane = threadIdx.x % WARP, mine = threadIdx.x / WARP * 16;
    const i64 tiles = (m + OWN - 1) / OWN, stack = blockIdx.x / tiles, o = stack / heads, h = stack % heads;
    const i64 first = (tiles - 1 - blockIdx.x % tiles) * OWN;  // the longest rows first
    load_rows(queries, q.at(o, h), q.row, first, m, OWN, (int)d);
    float sums[DIM / 8][4], most[2] = {HIDDEN, HIDDEN}, total[2] = {0.0f, 0.0f};
#pragma unroll
    for (int j = 0; j < DIM / 8; ++j) sums[j][0] = sums[j][1] = sums[j][2] = sums[j][3] = 0.0f;
    for (i64 start = 0, end = keys_seen(first, OWN, n); start < end; start += KEYS) {
        __syncthreads();
        load_rows(keys, k.at(o, h / repeats), k.row, start, n, KEYS, (int)d);
        load_rows(values, v.at(o, h / repeats), v.row, start, n, KEYS, (int)e);
        __syncthreads();
        float scores[KEYS / 8][4];
        products_of_rows<KEYS / 8>(scores, queries, mine, keys, lane);
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const i64 query = first + mine + lane / 4 + 8 * i;
            float largest = most[i];
#pragma unroll
            for (int j = 0; j < KEYS / 8; ++j) {
#pragma unroll
                for (int c = 0; c < 2; ++c) {
                    const i64 key = start + 8 * j + lane % 4 * 2 + c;
                    float& score = scores[j][2 * i + c];
                    score = mask.apply(score * factor, o, h, query, key, m, n);
                    largest = larger(largest, score);
                }
            }
            largest = row_reduce<Largest>(largest);
            const float base = largest == HIDDEN ? 0.0f : largest;  // nothing seen so far
            const float shrink = exp2f((most[i] - base) * LOG2_E);
            most[i] = largest;
            float sum = 0.0f;
#pragma unroll
            for (int j = 0; j < KEYS / 8; ++j) {
#pragma unroll
                for (int c = 0; c < 2; ++c) {
                    float& weight = scores[j][2 * i + c];
                    weight = exp2f((weight - base) * LOG2_E);
                    sum += weight;
                }
            }
            total[i] = total[i] * shrink + sum;
#pragma unroll
            for (int j = 0; j < DIM / 8; ++j) sums[j][2 * i] *= shrink, sums[j][2 * i + 1] *= shrink;
        }
        add_products<KEYS / 8>(sums, scores, values, lane);
    }
    float scale[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        total[i] = row_reduce<Sum>(total[i]);
        const bool none = most[i] == HIDDEN;
        scale[i] = none ? 0.0f : 1.0f / total[i];
        const i64 query = first + mine + lane / 4 + 8 * i;
        if (lane % 4 == 0 && query < m) logs[stack * m + query] = none ? INFINITE : most[i] + logf(total[i]);
    }
    store_rows(out.at(o, h), out.row, first + mine, m, (int)e, sums, scale[0], scale[1], lane);
#endif
}

// Weights of 16 owned rows for 8 COUNT others, and the scores' gradients, from their products with the other side.
// By queries: rows are queries, columns keys; else the other way round. logs and dots: of the queries, in shared memory.
template <int COUNT, bool BY_QUERIES>
DEVICE void gradients_of_scores(float weights[COUNT][4], float slopes[COUNT][4], const Mask& mask, i64 o, i64 h, i64 row,
                                i64 column, i64 m, i64 n, const float* logs, const float* dots, int mine, float factor,
                                int lane) {
#pragma unroll
    for (int j = 0; j < COUNT; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int r = lane / 4 + i / 2 * 8, c = 8 * j + lane % 4 * 2 + i % 2, at = BY_QUERIES ? mine + r : c;
            const i64 query = BY_QUERIES ? row + r : column + c, key = BY_QUERIES ? column + c : row + r;
            const float score = mask.apply(weights[j][i] * factor, o, h, query, key, m, n);
            const float weight = score == HIDDEN ? 0.0f : exp2f((score - logs[at]) * LOG2_E);
            weights[j][i] = weight;
            slopes[j][i] = weight == 0.0f ? 0.0f : weight * (slopes[j][i] - dots[at]);
        }
    }
}

KERNEL __launch_bounds__(128) attention_query_gradient(
    INPUT_PARAMETERS,
    STACK_PARAMETERS(const T, g), STACK_PARAMETERS(T, dq), const float* logs, const float* dots, SIZE_PARAMETERS) {
#if TENSOR_CORES
    INPUTS;
    STACK(const T, g);
    STACK(T, dq);
    DYNAMIC_SHARED(memory);
    T *queries = (T*)memory, *ups = queries + OWN * STRIDE, *keys = ups + OWN * STRIDE, *values = keys + STEP * STRIDE;
    float *row_logs = (float*)(values + STEP * STRIDE), *row_dots = row_logs + OWN;
    const int lane = threadIdx.x % WARP, mine = threadIdx.x / WARP * 16;
    const i64 tiles = (m + OWN - 1) / OWN, stack = blockIdx.x / tiles, o = stack / heads, h = stack % heads;
    const i64 first = (tiles - 1 - blockIdx.x % tiles) * OWN;
    load_rows(queries, q.at(o, h), q.row, first, m, OWN, (int)d);
    load_rows(ups, g.at(o, h), g.row, first, m, OWN, (int)e);
    load_numbers(row_logs, logs + stack * m, first, m, OWN);
    load_numbers(row_dots, dots + stack * m, first, m, OWN);
    float sums[DIM / 8][4];
#pragma unroll
    for (int j = 0; j < DIM / 8; ++j) sums[j][0] = sums[j][1] = sums[j][2] = sums[j][3] = 0.0f;
    for (i64 start = 0, end = keys_seen(first, OWN, n); start < end; start += STEP) {
        __syncthreads();
        load_rows(keys, k.at(o, h / repeats), k.row, start, n, STEP, (int)d);
        load_rows(values, v.at(o, h / repeats), v.row, start, n, STEP, (int)e);
        __syncthreads();
        float weights[STEP / 8][4], slopes[STEP / 8][4];
        products_of_rows<STEP / 8>(weights, queries, mine, keys, lane);
        products_of_rows<STEP / 8>(slopes, ups, mine, values, lane);
        gradients_of_scores<STEP / 8, true>(weights, slopes, mask, o, h, first + mine, start, m, n, row_logs, row_dots,
                                            mine, factor, lane);
        add_products<STEP / 8>(sums, slopes, keys, lane);
    }
    store_rows(dq.at(o, h), dq.row, first + mine, m, (int)d, sums, factor, factor, lane);
#endif
}

KERNEL __launch_bounds__(128) attention_key_gradients(
    INPUT_PARAMETERS,
    STACK_PARAMETERS(const T, g), STACK_PARAMETERS(T, dk), STACK_PARAMETERS(T, dv), const float* logs, const float* dots,
    SIZE_PARAMETERS) {
#if TENSOR_CORES
    INPUTS;
    STACK(const T, g);
    STACK(T, dk);
    STACK(T, dv);
    DYNAMIC_SHARED(memory);
    T *keys = (T*)memory, *values = keys + OWN * STRIDE, *queries = values + OWN * STRIDE, *ups = queries + STEP * STRIDE;
    float *their_logs = (float*)(ups + STEP * STRIDE), *their_dots = their_logs + STEP;
    const int lane = threadIdx.x % WARP, mine = threadIdx.x / WARP * 16;
    const i64 tiles = (n + OWN - 1) / OWN, stack = blockIdx.x / tiles, own = heads / repeats;
    const i64 o = stack / own, shared_head = stack % own, first = blockIdx.x % tiles * OWN;
    load_rows(keys, k.at(o, shared_head), k.row, first, n, OWN, (int)d);
    load_rows(values, v.at(o, shared_head), v.row, first, n, OWN, (int)e);
    float of_keys[DIM / 8][4], of_values[DIM / 8][4];
#pragma unroll
    for (int j = 0; j < DIM / 8; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) of_keys[j][i] = of_values[j][i] = 0.0f;
    }
    for (i64 h = shared_head * repeats; h < (shared_head + 1) * repeats; ++h) {
        const i64 rows = (o * heads + h) * m;
#if MASK == 1
        const i64 begin = first / STEP * STEP;  // earlier queries do not see these keys
#else
        const i64 begin = 0;
#endif
        for (i64 start = begin; start < m; start += STEP) {
            __syncthreads();
            load_rows(queries, q.at(o, h), q.row, start, m, STEP, (int)d);
            load_rows(ups, g.at(o, h), g.row, start, m, STEP, (int)e);
            load_numbers(their_logs, logs + rows, start, m, STEP);
            load_numbers(their_dots, dots + rows, start, m, STEP);
            __syncthreads();
            float weights[STEP / 8][4], slopes[STEP / 8][4];
            products_of_rows<STEP / 8>(weights, keys, mine, queries, lane);
            products_of_rows<STEP / 8>(slopes, values, mine, ups, lane);
            gradients_of_scores<STEP / 8, false>(weights, slopes, mask, o, h, first + mine, start, m, n, their_logs,
                                                 their_dots, mine, factor, lane);
            add_products<STEP / 8>(of_values, weights, ups, lane);
            add_products<STEP / 8>(of_keys, slopes, queries, lane);
        }
    }
    store_rows(dk.at(o, shared_head), dk.row, first + mine, n, (int)d, of_keys, factor, factor, lane);
    store_rows(dv.at(o, shared_head), dv.row, first + mine, n, (int)e, of_values, 1.0f, 1.0f, lane);
#endif
}
