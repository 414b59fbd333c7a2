// Normalisation of groups of channels, each group of each example by its own mean and variance, with weights and biases of
// the channels. Arrays lie in memory as (examples, channels, n positions), so the `count` groups of `per` channels are rows,
// each of which a block holds in its registers, or a warp: some lanes of a warp for each channel, or several warps.
//
// Bytes moved, for an input of n bytes: forward 2 n, backward with all gradients 3 n, the least possible, besides two
// numbers a group and, for the weights, two of each channel of each example. Longer groups go through `channels.cu`.

#include "rows.cuh"

#define GROUPS i64 count, i64 per, i64 n, i64 channels, i64 team, i64 lanes
#define OF_GROUPS count, per, n, channels, (int)team, (int)lanes

// For each group of this team, the `team` threads that a group has; all threads of the block take part in each round.
#define FOR_GROUPS(group)                                                                                              \
    for (i64 teams = blockDim.x / team, first = blockIdx.x * teams; first < count; first += gridDim.x * teams)         \
        if (const i64 group = first + threadIdx.x / team; true)

// The channel of the group that this thread has, and its place there.
DEVICE Place channel_of(i64 group, i64 count, i64 per, int team, int lanes) {
    Place place(0, 0, lanes);
    const int channel = threadIdx.x % team / lanes;
    place.row = group * per + channel;
    place.there = group < count && channel < per;
    return place;
}

// The sum over the lanes of a channel, in all of them.
DEVICE A channel_sum(A value, int lanes, A* scratch) {
    if (lanes <= WARP) return row_sum(value, lanes, scratch);
    value = warp_sum(value);
    const int warp = threadIdx.x / WARP, warps = lanes / WARP;
    if (threadIdx.x % WARP == 0) scratch[warp] = value;
    __syncthreads();
    value = 0;
    for (int i = 0; i < warps; ++i) value += scratch[warp / warps * warps + i];
    __syncthreads();
    return value;
}

DEVICE A parameter(const T* values, const Place& place, i64 channels, A missing) {
    return values && place.there ? to_acc(values[place.row % channels]) : missing;
}

template <int N, int E>
DEVICE void forward(const T* x, const T* weights, const T* biases, T* y, A* means, A* scales, A eps, i64 count, i64 per,
                    i64 n, i64 channels, int team, int lanes, A* scratch) {
    FOR_GROUPS(group) {
        const Place place = channel_of(group, count, per, team, lanes);
        A held[E], sum = 0, squares = 0;
        read_row<N, E>(x + place.row * n, (int)n, place, (A)0, held);
#pragma unroll
        for (int k = 0; k < E; ++k) sum += held[k];
        const A mean = row_sum(sum, team, scratch) / (A)(per * n);
#pragma unroll
        for (int k = 0; k < E; ++k) {
            held[k] = place.there && element<N>(k, place) < n ? held[k] - mean : (A)0;
            squares += held[k] * held[k];
        }
        const A scale = rsqrt_of(row_sum(squares, team, scratch) / (A)(per * n) + eps);
        if (threadIdx.x % team == 0 && group < count) {
            means[group] = mean;
            scales[group] = scale;
        }
        const A weight = parameter(weights, place, channels, 1), bias = parameter(biases, place, channels, 0);
#pragma unroll
        for (int k = 0; k < E; ++k) held[k] = held[k] * scale * weight + bias;
        write_row<N, E>(y + place.row * n, (int)n, place, held);
    }
}

// totals, products: for each channel of each example the sums of the cotangent, and of it times the normalised input.
template <int N, int E>
DEVICE void backward(const T* up, const T* x, const T* weights, const A* means, const A* scales, T* of_x, A* totals,
                     A* products, i64 count, i64 per, i64 n, i64 channels, int team, int lanes, A* scratch) {
    FOR_GROUPS(group) {
        const Place place = channel_of(group, count, per, team, lanes);
        A normal[E], g[E], total = 0, product = 0;
        read_row<N, E>(x + place.row * n, (int)n, place, (A)0, normal);
        read_row<N, E>(up + place.row * n, (int)n, place, (A)0, g);
        const A mean = place.there ? means[group] : (A)0, scale = place.there ? scales[group] : (A)0;
#pragma unroll
        for (int k = 0; k < E; ++k) {
            normal[k] = (normal[k] - mean) * scale;
            total += g[k];
            product += g[k] * normal[k];
        }
        if (totals) {
            const A whole = channel_sum(total, lanes, scratch), dot = channel_sum(product, lanes, scratch);
            if (place.there && place.lane == 0) {
                totals[place.row] = whole;
                products[place.row] = dot;
            }
        }
        if (!of_x) continue;
        const A weight = parameter(weights, place, channels, 1);
        total = row_sum(weight * total, team, scratch) / (A)(per * n);
        product = row_sum(weight * product, team, scratch) / (A)(per * n);
#pragma unroll
        for (int k = 0; k < E; ++k) normal[k] = scale * (weight * g[k] - total - normal[k] * product);
        write_row<N, E>(of_x + place.row * n, (int)n, place, normal);
    }
}

HELD_KERNELS(forward, (const T* x, const T* weights, const T* biases, T* y, A* means, A* scales, A eps, GROUPS),
             (x, weights, biases, y, means, scales, eps, OF_GROUPS, scratch))
HELD_KERNELS(backward, (const T* up, const T* x, const T* weights, const A* means, const A* scales, T* of_x, A* totals,
                        A* products, GROUPS),
             (up, x, weights, means, scales, of_x, totals, products, OF_GROUPS, scratch))
