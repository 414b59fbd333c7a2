// Layer normalisation and, without means, root-mean-square normalisation of rows, with weights and biases of their length.
//
// Elements moved, of the least possible: forward 1; backward with all gradients 1 (the input and the cotangent are read
// once, one gradient is written), besides BLOCKS rows of partial sums at most. Rows that are not held: forward 4 of 2,
// backward 7 of 3 where the cache does not hold them between the passes.

#include "rows.cuh"

// The mean of a row (0 without `centred`) and the reciprocal of its deviation, from the E elements that a thread holds,
// which become the centred ones.
template <int N, int E>
DEVICE A centre(A (&held)[E], const Place& place, i64 n, bool centred, A& mean, A eps, A* scratch) {
    A sum = 0, squares = 0;
    if (centred) {
#pragma unroll
        for (int k = 0; k < E; ++k) sum += held[k];
        mean = row_sum(sum, place.lanes, scratch) / n;
    }
#pragma unroll
    for (int k = 0; k < E; ++k) {
        held[k] = element<N>(k, place) < n ? held[k] - mean : (A)0;
        squares += held[k] * held[k];
    }
    return rsqrt_of(row_sum(squares, place.lanes, scratch) / n + eps);
}

// values * weight + bias, of N elements from the i-th on.
template <int N> DEVICE void scale_and_shift(A* values, const T* weight, const T* bias, i64 i) {
    A other[N];
    if (weight) {
        read<N>(weight + i, other);
#pragma unroll
        for (int k = 0; k < N; ++k) values[k] *= other[k];
    }
    if (bias) {
        read<N>(bias + i, other);
#pragma unroll
        for (int k = 0; k < N; ++k) values[k] += other[k];
    }
}

struct Normal {
    const T* x;
    const T* weight;  // or null
    const T* bias;    // or null
    T* y;
    A* means;         // or null: not centred
    A* scales;        // the reciprocals of the deviations
    A eps;
    i64 n;
};

template <int N, int E> DEVICE void forward(const Normal& given, i64 rows, int lanes, A* scratch) {
    FOR_ROWS(place, rows, lanes) {
        A held[E], mean = 0;
        read_row<N, E>(given.x + place.row * given.n, (int)given.n, place, (A)0, held);
        const A scale = centre<N, E>(held, place, given.n, given.means, mean, given.eps, scratch);
        if (place.there && place.lane == 0) {
            if (given.means) given.means[place.row] = mean;
            given.scales[place.row] = scale;
        }
#pragma unroll
        for (int k = 0; k < E; k += N) {
            const int i = element<N>(k, place);
            if (!place.there || i >= given.n) continue;
#pragma unroll
            for (int j = 0; j < N; ++j) held[k + j] *= scale;
            scale_and_shift<N>(held + k, given.weight, given.bias, i);
            write<N>(given.y + place.row * given.n + i, held + k);
        }
    }
}

template <int N> DEVICE void forward_long(const Normal& given, i64 rows, int lanes, A* scratch) {
    FOR_ROWS(place, rows, lanes) {
        const T* row = given.x + place.row * given.n;
        A held[N], mean = 0, sum = 0;
        if (given.means) {
            FOR_ELEMENTS(i, given.n, N, place) {
                read<N>(row + i, held);
#pragma unroll
                for (int k = 0; k < N; ++k) sum += held[k];
            }
            mean = row_sum(sum, lanes, scratch) / given.n;
            sum = 0;
        }
        FOR_ELEMENTS(i, given.n, N, place) {
            read<N>(row + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) sum += (held[k] - mean) * (held[k] - mean);
        }
        const A scale = rsqrt_of(row_sum(sum, lanes, scratch) / given.n + given.eps);
        if (place.lane == 0) {
            if (given.means) given.means[place.row] = mean;
            given.scales[place.row] = scale;
        }
        FOR_ELEMENTS(i, given.n, N, place) {
            read<N>(row + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) held[k] = (held[k] - mean) * scale;
            scale_and_shift<N>(held, given.weight, given.bias, i);
            write<N>(given.y + place.row * given.n + i, held);
        }
    }
}

struct Gradients {
    const T* up;
    const T* x;
    const T* weight;  // or null
    const A* means;   // or null
    const A* scales;
    T* of_x;          // or null
    A* of_weight;     // or null: for each block a row of partial sums
    A* of_bias;       // or null
    i64 n;

    // In rows that are there; elsewhere 0.
    __device__ __forceinline__ A mean(const Place& place) const { return means && place.there ? means[place.row] : (A)0; }
    __device__ __forceinline__ A scale(const Place& place) const { return place.there ? scales[place.row] : (A)0; }
};

// `shared`: 2 MANY WARP numbers for the sums of several rows that the block has at a time.
template <int N, int E>
DEVICE void backward(const Gradients& given, i64 rows, int lanes, A* scratch, A* shared) {
    const i64 n = given.n;
    A of_weight[E], of_bias[E];
#pragma unroll
    for (int k = 0; k < E; ++k) of_weight[k] = of_bias[k] = 0;
    FOR_ROWS(place, rows, lanes) {
        A normal[E], up[E], sum = 0, dot = 0;
        read_row<N, E>(given.x + place.row * n, (int)n, place, (A)0, normal);
        read_row<N, E>(given.up + place.row * n, (int)n, place, (A)0, up);
        const A mean = given.mean(place), scale = given.scale(place);
#pragma unroll
        for (int k = 0; k < E; k += N) {
            const int i = element<N>(k, place);
            A weight[N];
            if (given.weight && i < n) read<N>(given.weight + i, weight);
#pragma unroll
            for (int j = 0; j < N; ++j) {
                normal[k + j] = i < n ? (normal[k + j] - mean) * scale : (A)0;
                of_weight[k + j] += up[k + j] * normal[k + j];
                of_bias[k + j] += up[k + j];
                if (given.weight && i < n) up[k + j] *= weight[j];
                sum += up[k + j];
                dot += up[k + j] * normal[k + j];
            }
        }
        if (!given.of_x) continue;
        sum = given.means ? row_sum(sum, lanes, scratch) / n : (A)0;
        dot = row_sum(dot, lanes, scratch) / n;
#pragma unroll
        for (int k = 0; k < E; ++k) normal[k] = scale * (up[k] - sum - normal[k] * dot);
        write_row<N, E>(given.of_x + place.row * n, (int)n, place, normal);
    }
    if (!given.of_weight && !given.of_bias) return;
    // The rows that the block had at a time, one after another.
    const Place place(0, 1, lanes);
    for (int group = 0; group < (int)blockDim.x / lanes; ++group) {
        const bool last = group == (int)blockDim.x / lanes - 1;
        if (threadIdx.x / lanes == group) {
#pragma unroll
            for (int k = 0; k < E; ++k) {
                const int i = element<N>(k, place);
                if (i >= n) continue;
                if (group > 0) {
                    of_weight[k] += shared[2 * i];
                    of_bias[k] += shared[2 * i + 1];
                }
                if (!last) {
                    shared[2 * i] = of_weight[k];
                    shared[2 * i + 1] = of_bias[k];
                }
                if (last && given.of_weight) given.of_weight[blockIdx.x * n + i] = of_weight[k];
                if (last && given.of_bias) given.of_bias[blockIdx.x * n + i] = of_bias[k];
            }
        }
        __syncthreads();
    }
}

template <int N> DEVICE void backward_long(const Gradients& given, i64 rows, int lanes, A* scratch, A*) {
    const i64 n = given.n;
    FOR_ROWS(place, rows, lanes) {
        const T* x = given.x + place.row * n;
        const T* from = given.up + place.row * n;
        const A mean = given.mean(place), scale = given.scale(place);
        A normal[N], up[N], sum = 0, dot = 0;
        FOR_ELEMENTS(i, n, N, place) {
            read<N>(x + i, normal);
            read<N>(from + i, up);
            scale_and_shift<N>(up, given.weight, 0, i);
#pragma unroll
            for (int k = 0; k < N; ++k) {
                sum += up[k];
                dot += up[k] * (normal[k] - mean) * scale;
            }
        }
        sum = given.means ? row_sum(sum, lanes, scratch) / n : (A)0;
        dot = row_sum(dot, lanes, scratch) / n;
        FOR_ELEMENTS(i, n, N, place) {
            read<N>(x + i, normal);
            read<N>(from + i, up);
            scale_and_shift<N>(up, given.weight, 0, i);
#pragma unroll
            for (int k = 0; k < N; ++k) up[k] = scale * (up[k] - sum - (normal[k] - mean) * scale * dot);
            write<N>(given.of_x + place.row * n + i, up);
        }
    }
}

// Partial sums for the weights and biases of long rows: a block has 256 columns and every gridDim.y-th row.
KERNEL __launch_bounds__(256) long_columns(const T* up, const T* x, const A* means, const A* scales, A* of_weight,
                                           A* of_bias, i64 rows, i64 n) {
    const i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= n) return;
    A weight = 0, bias = 0;
    for (i64 row = blockIdx.y; row < rows; row += gridDim.y) {
        const A g = to_acc(up[row * n + column]);
        weight += g * (to_acc(x[row * n + column]) - (means ? means[row] : (A)0)) * scales[row];
        bias += g;
    }
    if (of_weight) of_weight[blockIdx.y * n + column] = weight;
    if (of_bias) of_bias[blockIdx.y * n + column] = bias;
}

// Sums of the columns of `parts` rows of partial sums, in order: for the weights, and for the biases in the second row of
// blocks. A block has 32 columns, and each of its warps every eighth part.
KERNEL __launch_bounds__(256) summed(const A* of_weight, const A* of_bias, T* weight, T* bias, i64 parts, i64 n) {
    __shared__ A sums[256];
    const A* from = blockIdx.y ? of_bias : of_weight;
    T* to = blockIdx.y ? bias : weight;
    const i64 column = (i64)blockIdx.x * WARP + threadIdx.x % WARP;
    A sum = 0;
    if (to && column < n) {
        for (i64 part = threadIdx.x / WARP; part < parts; part += 256 / WARP) sum += from[part * n + column];
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x >= WARP || !to || column >= n) return;
    for (int other = threadIdx.x + WARP; other < 256; other += WARP) sum += sums[other];
    to[column] = from_acc<T>(sum);
}

#define FORWARD                                                                                            \
    (const T* x, const T* weight, const T* bias, T* y, A* means, A* scales, A eps, i64 rows, i64 n, i64 lanes)
#define FORWARD_ARGUMENTS (Normal{x, weight, bias, y, means, scales, eps, n}, rows, (int)lanes, scratch)
HELD_KERNELS(forward, FORWARD, FORWARD_ARGUMENTS)
LONG_KERNELS(forward, FORWARD, FORWARD_ARGUMENTS)

#define BACKWARD                                                                                                    \
    (const T* up, const T* x, const T* weight, const A* means, const A* scales, T* of_x, A* of_weight, A* of_bias, \
     i64 rows, i64 n, i64 lanes)
#define BACKWARD_ARGUMENTS \
    (Gradients{up, x, weight, means, scales, of_x, of_weight, of_bias, n}, rows, (int)lanes, scratch, shared)
#undef ROW_SHARED
#define ROW_SHARED                \
    __shared__ A scratch[WARP];   \
    __shared__ A shared[2 * MANY * WARP]
HELD_KERNELS(backward, BACKWARD, BACKWARD_ARGUMENTS)
LONG_KERNELS(backward, BACKWARD, BACKWARD_ARGUMENTS)
