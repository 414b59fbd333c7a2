// Batch normalisation with given statistics of arrays (examples, channels, positions), whose rows are the positions of one
// channel of one example. Elements moved, of the least possible: forward 1; backward with all gradients 1 (the input
// and the cotangent are read once, one gradient is written), besides two numbers a row.

#include "rows.cuh"

struct Channel {
    A mean, scale, weight, bias;
    __device__ __forceinline__ Channel(i64 c, const T* means, const T* variances, const T* weights, const T* biases, A eps)
        : mean(to_acc(means[c])), scale(rsqrt_of(to_acc(variances[c]) + eps)), weight(weights ? to_acc(weights[c]) : (A)1),
          bias(biases ? to_acc(biases[c]) : (A)0) {}
};

#define CHANNEL const T* means, const T* variances, const T* weights, const T* biases, A eps
#define OF_CHANNEL means, variances, weights, biases, eps

template <int N> DEVICE void forward(const T* x, T* y, CHANNEL, i64 rows, i64 channels, i64 n, int lanes) {
    FOR_ROWS(place, rows, lanes) {
        const Channel channel(place.there ? place.row % channels : 0, OF_CHANNEL);
        const A slope = channel.scale * channel.weight;
        A held[N];
#pragma unroll 4
        FOR_ELEMENTS(i, n, N, place) {
            read<N>(x + place.row * n + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) held[k] = (held[k] - channel.mean) * slope + channel.bias;
            write<N>(y + place.row * n + i, held);
        }
    }
}

// totals, products: for each row the sums of the cotangent, and of it times the centred input; null if not wanted.
template <int N>
DEVICE void backward(const T* up, const T* x, T* of_x, A* totals, A* products, CHANNEL, i64 rows, i64 channels, i64 n,
                     int lanes, A* scratch) {
    FOR_ROWS(place, rows, lanes) {
        const Channel channel(place.there ? place.row % channels : 0, OF_CHANNEL);
        const A slope = channel.scale * channel.weight;
        A held[N], g[N], total = 0, product = 0;
#pragma unroll 4
        FOR_ELEMENTS(i, n, N, place) {
            read<N>(up + place.row * n + i, g);
            if (totals) {
                read<N>(x + place.row * n + i, held);
#pragma unroll
                for (int k = 0; k < N; ++k) {
                    total += g[k];
                    product += g[k] * (held[k] - channel.mean);
                }
            }
            if (of_x) {
#pragma unroll
                for (int k = 0; k < N; ++k) g[k] *= slope;
                write<N>(of_x + place.row * n + i, g);
            }
        }
        if (!totals) continue;
        total = row_sum(total, lanes, scratch);
        product = row_sum(product, lanes, scratch);
        if (place.there && place.lane == 0) {
            totals[place.row] = total;
            products[place.row] = product;
        }
    }
}

#define KERNELS(suffix, N)                                                                                             \
    KERNEL __launch_bounds__(MOST_THREADS)                                                                             \
        forward_##suffix(const T* x, T* y, CHANNEL, i64 rows, i64 channels, i64 n, i64 lanes) {                        \
        forward<N>(x, y, OF_CHANNEL, rows, channels, n, (int)lanes);                                                   \
    }                                                                                                                  \
    KERNEL __launch_bounds__(MOST_THREADS)                                                                             \
        backward_##suffix(const T* up, const T* x, T* of_x, A* totals, A* products, CHANNEL, i64 rows, i64 channels,   \
                          i64 n, i64 lanes) {                                                                          \
        __shared__ A scratch[WARP];                                                                                    \
        backward<N>(up, x, of_x, totals, products, OF_CHANNEL, rows, channels, n, (int)lanes, scratch);                \
    }

KERNELS(packs, W)
KERNELS(single, 1)

// The gradients of what belongs to the channels, each of them or null: a block has 32 channels, a warp every eighth example.
KERNEL __launch_bounds__(COLUMN_THREADS)
    finished(const A* totals, const A* products, T* of_mean, T* of_variance, T* of_weight, T* of_bias, CHANNEL,
             i64 examples, i64 channels) {
    __shared__ A shared[2 * COLUMN_THREADS];
    const i64 c = (i64)blockIdx.x * WARP + threadIdx.x;
    A total = 0, product = 0;
    for (i64 i = threadIdx.y; i < examples && c < channels; i += blockDim.y) {
        total += totals[i * channels + c];
        product += products[i * channels + c];
    }
    const int mine = threadIdx.y * WARP + threadIdx.x;
    shared[mine] = total;
    shared[COLUMN_THREADS + mine] = product;
    __syncthreads();
    if (threadIdx.y != 0 || c >= channels) return;
    for (int other = mine + WARP; other < COLUMN_THREADS; other += WARP) {
        total += shared[other];
        product += shared[COLUMN_THREADS + other];
    }
    const Channel channel(c, OF_CHANNEL);
    const A slope = channel.scale * channel.weight;
    if (of_mean) of_mean[c] = from_acc<T>(-slope * total);
    if (of_variance) of_variance[c] = from_acc<T>(slope * product * (A)-0.5 * channel.scale * channel.scale);
    if (of_weight) of_weight[c] = from_acc<T>(channel.scale * product);
    if (of_bias) of_bias[c] = from_acc<T>(total);
}
