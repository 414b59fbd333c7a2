// The mean and variance of each channel, and batch normalisation, of arrays that lie in memory as (examples, channels,
// positions). A piece of a channel, `length` positions of `several` examples, belongs to some lanes of a warp or to a
// block; where there is one position, the channels are columns, and a block has pieces of up to 32 columns or packs of
// them. Sums of pieces are joined by a second launch. The order is fixed, so results are equal every time.
//
// Groups of `group` channels can share a mean and variance; so group normalisation is that of arrays of one example, the
// channels of all of them one after another.
//
// Bytes moved, for an input of n bytes, besides two numbers a piece: moments n; forward 2 n, and 3 n with the statistics
// of the input itself. Backward with given statistics 3 n: the input and the cotangent are read once, one gradient is
// written. With statistics of the input itself 5 n: both are read for the sums and again for the gradient, which is
// written once; less would take an input that the chip holds.

#include "rows.cuh"

#define SIZES i64 examples, i64 channels, i64 n, i64 several, i64 parts, i64 length
#define OF_SIZES examples, channels, n, several, parts, length

// The row-th piece: `count` positions from `start` on, in the examples from `first` to before `last`.
struct Piece {
    i64 channel, first, last, start, count;
    __device__ __forceinline__ Piece(i64 row, SIZES) : channel(row % channels) {
        const i64 slot = row / channels;
        start = slot % parts * length;
        count = n - start < length ? n - start : length;
        first = slot / parts * several;
        last = first + several < examples ? first + several : examples;
    }
    __device__ __forceinline__ A elements() const { return (A)((last - first) * count); }
};

// How many pieces a channel has.
DEVICE i64 pieces(SIZES) { return (examples + several - 1) / several * parts; }

#define FOR_PIECE(i, piece, N, place)                                                    \
    for (i64 example = (piece).first; example < (piece).last; ++example)                 \
        for (i64 i = (example * channels + (piece).channel) * n + (piece).start + (i64)(place).lane * (N), \
                 end_ = (example * channels + (piece).channel) * n + (piece).start +     \
                        ((place).there ? (piece).count : 0);                             \
             i < end_; i += (i64)(place).lanes * (N))

// For pieces of columns, N columns from `column` on; all threads of the block take part in each round.
#define FOR_COLUMN_PIECES(N)                                                                                        \
    for (i64 across = (channels + blockDim.x * (N) - 1) / (blockDim.x * (N)), tile = blockIdx.x,                    \
             tiles = across * pieces(OF_SIZES);                                                                     \
         tile < tiles; tile += gridDim.x)                                                                           \
        if (const i64 column = (tile % across * blockDim.x + threadIdx.x) * (N), slot = tile / across; true)

#define FOR_EXAMPLES(example, piece, there)                                                    \
    for (i64 example = (piece).first + threadIdx.y; example < ((there) ? (piece).last : 0); example += blockDim.y)

// The sum over the threads of a column, in all of them. `shared` may be used again at once.
DEVICE A column_sum(A value, A* shared) {
    shared[threadIdx.y * blockDim.x + threadIdx.x] = value;
    __syncthreads();
    A sum = 0;
    for (int other = threadIdx.x; other < COLUMN_THREADS; other += blockDim.x) sum += shared[other];
    __syncthreads();
    return sum;
}

// Moments

DEVICE A finite_or_zero(A x) { return x - x == 0 ? x : (A)0; }

// A number like those of the channel, its first. Means of pieces are kept as differences from it.
DEVICE A origin_of(const T* x, i64 channel, i64 n) { return finite_or_zero(to_acc(x[channel * n])); }

// What a thread knows of its elements: sums of the differences from the first of them, and of their squares. So a mean
// that is large beside the deviation loses no digits.
struct Moments {
    A shift, sum, square;
    i64 count;
    __device__ __forceinline__ Moments() : shift(0), sum(0), square(0), count(0) {}
    __device__ __forceinline__ void add(A x) {
        if (count++ == 0) shift = finite_or_zero(x);
        const A difference = x - shift;
        sum += difference;
        square += difference * difference;
    }
    // The elements' mean less `origin`; then `square` is about the mean.
    __device__ __forceinline__ A centre(A origin) {
        if (count == 0) return 0;
        const A mean = sum / count;
        square -= sum * mean;
        if (square < 0) square = 0;
        return mean + (shift - origin);
    }
    // The squares about a mean that is so far from this thread's.
    __device__ __forceinline__ A about(A distance) const { return square + (count ? count * distance * distance : (A)0); }
};

template <int N> DEVICE void moments(const T* x, A* means, A* squares, SIZES, int lanes, A* scratch) {
    FOR_ROWS(place, channels * pieces(OF_SIZES), lanes) {
        const Piece piece(place.row, OF_SIZES);
        Moments found;
        A held[N];
        FOR_PIECE(i, piece, N, place) {
            read<N>(x + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) found.add(held[k]);
        }
        const A mine = found.centre(origin_of(x, piece.channel, n));
        const A mean = row_sum(mine * found.count, lanes, scratch) / piece.elements();
        const A square = row_sum(found.about(mine - mean), lanes, scratch);
        if (place.there && place.lane == 0) {
            means[place.row] = mean;
            squares[place.row] = square;
        }
    }
}

template <int N> DEVICE void moments_columns(const T* x, A* means, A* squares, SIZES, A* shared) {
    FOR_COLUMN_PIECES(N) {
        const bool there = column < channels;
        const Piece piece(slot * channels, OF_SIZES);
        Moments found[N];
        A held[N];
        FOR_EXAMPLES(example, piece, there) {
            read<N>(x + example * channels + column, held);
#pragma unroll
            for (int k = 0; k < N; ++k) found[k].add(held[k]);
        }
#pragma unroll
        for (int k = 0; k < N; ++k) {
            const A mine = found[k].centre(there ? origin_of(x, column + k, n) : (A)0);
            const A mean = column_sum(mine * found[k].count, shared) / piece.elements();
            const A square = column_sum(found[k].about(mine - mean), shared);
            if (there && threadIdx.y == 0) {
                means[slot * channels + column + k] = mean;
                squares[slot * channels + column + k] = square;
            }
        }
    }
}

// The moments of channels from those of their pieces, rounded or not: a block has 32 channels, a warp every eighth piece.
KERNEL __launch_bounds__(COLUMN_THREADS) joined(const T* x, const A* means, const A* squares, T* mean, T* variance,
                                                A* exact_mean, A* exact_variance, SIZES) {
    __shared__ A shared[COLUMN_THREADS];
    const i64 c = (i64)blockIdx.x * WARP + threadIdx.x, many = c < channels ? pieces(OF_SIZES) : 0;
    const A count = (A)(examples * n);
    A sum = 0, square = 0;
    for (i64 i = threadIdx.y; i < many; i += blockDim.y) {
        sum += means[i * channels + c] * Piece(i * channels, OF_SIZES).elements();
    }
    const A centre = column_sum(sum, shared) / count;
    for (i64 i = threadIdx.y; i < many; i += blockDim.y) {
        const A distance = means[i * channels + c] - centre;
        square += squares[i * channels + c] + Piece(i * channels, OF_SIZES).elements() * distance * distance;
    }
    square = column_sum(square, shared) / count;
    if (threadIdx.y != 0 || c >= channels) return;
    const A found = origin_of(x, c, n) + centre;
    if (mean) mean[c] = from_acc<T>(found);
    if (variance) variance[c] = from_acc<T>(square);
    if (exact_mean) exact_mean[c] = found;
    if (exact_variance) exact_variance[c] = square;
}

// Normalisation

// Means and variances of `group` channels each, weights and biases of the first `params` channels and again of the next.
#define CHANNEL const A* means, const A* variances, const T* weights, const T* biases, A eps, i64 group, i64 params
#define OF_CHANNEL means, variances, weights, biases, eps, group, params

struct Channel {
    A mean, scale, weight, bias;
    __device__ __forceinline__ Channel() {}
    __device__ __forceinline__ Channel(i64 c, CHANNEL)
        : mean(means[c / group]), scale(rsqrt_of(variances[c / group] + eps)),
          weight(weights ? to_acc(weights[c % params]) : (A)1), bias(biases ? to_acc(biases[c % params]) : (A)0) {}
    __device__ __forceinline__ A slope() const { return scale * weight; }
    __device__ __forceinline__ A of(A x) const { return (x - mean) * slope() + bias; }
};

// What the statistics of the input itself take from its gradient: `shift`, and `tilt` times the centred input.
struct Correction {
    A shift, tilt, mean;
    __device__ __forceinline__ Correction() {}
    __device__ __forceinline__ Correction(i64 statistic, const A* shifts, const A* tilts, A mean)
        : shift(shifts ? shifts[statistic] : (A)0), tilt(tilts ? tilts[statistic] : (A)0), mean(mean) {}
    __device__ __forceinline__ A of(A x) const { return shift + tilt * (x - mean); }
};

#define BACKWARD const T* up, const T* x, T* of_x, A* totals, A* products, const A* shifts, const A* tilts
#define OF_BACKWARD up, x, of_x, totals, products, shifts, tilts

template <int N> DEVICE void forward(const T* x, T* y, CHANNEL, SIZES, int lanes) {
    FOR_ROWS(place, channels * pieces(OF_SIZES), lanes) {
        const Piece piece(place.row, OF_SIZES);
        const Channel channel(piece.channel, OF_CHANNEL);
        A held[N];
        FOR_PIECE(i, piece, N, place) {
            read<N>(x + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) held[k] = channel.of(held[k]);
            write<N>(y + i, held);
        }
    }
}

template <int N> DEVICE void forward_columns(const T* x, T* y, CHANNEL, SIZES) {
    FOR_COLUMN_PIECES(N) {
        if (column >= channels) continue;
        const Piece piece(slot * channels, OF_SIZES);
        Channel channel[N];
        A held[N];
#pragma unroll
        for (int k = 0; k < N; ++k) channel[k] = Channel(column + k, OF_CHANNEL);
        FOR_EXAMPLES(example, piece, true) {
            read<N>(x + example * channels + column, held);
#pragma unroll
            for (int k = 0; k < N; ++k) held[k] = channel[k].of(held[k]);
            write<N>(y + example * channels + column, held);
        }
    }
}

// totals, products: for each piece the sums of the cotangent, and of it times the normalised input; null if not wanted.
// shifts, tilts: of the corrections of the gradient, or null for none.
template <int N> DEVICE void backward(BACKWARD, CHANNEL, SIZES, int lanes, A* scratch) {
    FOR_ROWS(place, channels * pieces(OF_SIZES), lanes) {
        const Piece piece(place.row, OF_SIZES);
        const Channel channel(piece.channel, OF_CHANNEL);
        const Correction correction(piece.channel / group, shifts, tilts, channel.mean);
        A held[N], g[N], total = 0, product = 0;
        FOR_PIECE(i, piece, N, place) {
            read<N>(up + i, g);
            if (totals || shifts) read<N>(x + i, held);
            if (totals) {
#pragma unroll
                for (int k = 0; k < N; ++k) {
                    total += g[k];
                    product += g[k] * (held[k] - channel.mean);
                }
            }
            if (of_x) {
#pragma unroll
                for (int k = 0; k < N; ++k) {
                    g[k] *= channel.slope();
                    if (shifts) g[k] -= correction.of(held[k]);
                }
                write<N>(of_x + i, g);
            }
        }
        if (!totals) continue;
        total = row_sum(total, lanes, scratch);
        product = row_sum(product, lanes, scratch);
        if (place.there && place.lane == 0) {
            totals[place.row] = total;
            products[place.row] = channel.scale * product;
        }
    }
}

template <int N> DEVICE void backward_columns(BACKWARD, CHANNEL, SIZES, A* shared) {
    FOR_COLUMN_PIECES(N) {
        const bool there = column < channels;
        const Piece piece(slot * channels, OF_SIZES);
        Channel channel[N];
        Correction correction[N];
        A held[N], g[N], total[N], product[N];
#pragma unroll
        for (int k = 0; k < N; ++k) {
            if (there) {
                channel[k] = Channel(column + k, OF_CHANNEL);
                correction[k] = Correction((column + k) / group, shifts, tilts, channel[k].mean);
            }
            total[k] = product[k] = 0;
        }
        FOR_EXAMPLES(example, piece, there) {
            read<N>(up + example * channels + column, g);
            if (totals || shifts) read<N>(x + example * channels + column, held);
            if (totals) {
#pragma unroll
                for (int k = 0; k < N; ++k) {
                    total[k] += g[k];
                    product[k] += g[k] * (held[k] - channel[k].mean);
                }
            }
            if (of_x) {
#pragma unroll
                for (int k = 0; k < N; ++k) {
                    g[k] *= channel[k].slope();
                    if (shifts) g[k] -= correction[k].of(held[k]);
                }
                write<N>(of_x + example * channels + column, g);
            }
        }
        if (!totals) continue;
#pragma unroll
        for (int k = 0; k < N; ++k) {
            total[k] = column_sum(total[k], shared);
            product[k] = column_sum(product[k], shared);
            if (there && threadIdx.y == 0) {
                totals[slot * channels + column + k] = total[k];
                products[slot * channels + column + k] = channel[k].scale * product[k];
            }
        }
    }
}

#define KERNELS(suffix, N)                                                                                              \
    KERNEL __launch_bounds__(COLUMN_THREADS) moments_##suffix(const T* x, A* means, A* squares, SIZES, i64 lanes) {     \
        __shared__ A scratch[WARP];                                                                                     \
        moments<N>(x, means, squares, OF_SIZES, (int)lanes, scratch);                                                   \
    }                                                                                                                   \
    KERNEL __launch_bounds__(COLUMN_THREADS) moments_columns_##suffix(const T* x, A* means, A* squares, SIZES) {        \
        __shared__ A shared[COLUMN_THREADS];                                                                            \
        moments_columns<N>(x, means, squares, OF_SIZES, shared);                                                        \
    }                                                                                                                   \
    KERNEL __launch_bounds__(COLUMN_THREADS) forward_##suffix(const T* x, T* y, CHANNEL, SIZES, i64 lanes) {            \
        forward<N>(x, y, OF_CHANNEL, OF_SIZES, (int)lanes);                                                             \
    }                                                                                                                   \
    KERNEL __launch_bounds__(COLUMN_THREADS) forward_columns_##suffix(const T* x, T* y, CHANNEL, SIZES) {               \
        forward_columns<N>(x, y, OF_CHANNEL, OF_SIZES);                                                                 \
    }                                                                                                                   \
    KERNEL __launch_bounds__(COLUMN_THREADS) backward_##suffix(BACKWARD, CHANNEL, SIZES, i64 lanes) {                   \
        __shared__ A scratch[WARP];                                                                                     \
        backward<N>(OF_BACKWARD, OF_CHANNEL, OF_SIZES, (int)lanes, scratch);                                            \
    }                                                                                                                   \
    KERNEL __launch_bounds__(COLUMN_THREADS) backward_columns_##suffix(BACKWARD, CHANNEL, SIZES) {                      \
        __shared__ A shared[COLUMN_THREADS];                                                                            \
        backward_columns<N>(OF_BACKWARD, OF_CHANNEL, OF_SIZES, shared);                                                 \
    }

KERNELS(packs, W)
KERNELS(single, 1)

// The gradients of what belongs to the channels, and the corrections, each of them or null: a block has 32 channels, a
// warp every eighth piece. from_mean, from_variance: the cotangents of the statistics of the input itself, or null.
KERNEL __launch_bounds__(COLUMN_THREADS)
    finished(const A* totals, const A* products, const T* from_mean, const T* from_variance, T* of_mean, T* of_variance,
             T* of_weight, T* of_bias, A* shifts, A* tilts, CHANNEL, SIZES) {
    __shared__ A shared[COLUMN_THREADS];
    const i64 c = (i64)blockIdx.x * WARP + threadIdx.x, many = c < channels ? pieces(OF_SIZES) : 0;
    A total = 0, product = 0;
    for (i64 i = threadIdx.y; i < many; i += blockDim.y) {
        total += totals[i * channels + c];
        product += products[i * channels + c];
    }
    total = column_sum(total, shared);
    product = column_sum(product, shared);
    if (threadIdx.y != 0 || c >= channels) return;
    const Channel channel(c, OF_CHANNEL);
    const A slope = channel.slope(), count = (A)(examples * n);
    if (of_mean) of_mean[c] = from_acc<T>(-slope * total);
    if (of_variance) of_variance[c] = from_acc<T>(channel.weight * product * (A)-0.5 * channel.scale * channel.scale);
    if (of_weight) of_weight[c] = from_acc<T>(product);
    if (of_bias) of_bias[c] = from_acc<T>(total);
    if (!shifts) return;
    shifts[c] = (slope * total - (from_mean ? to_acc(from_mean[c]) : (A)0)) / count;
    tilts[c] = (slope * channel.scale * product - (from_variance ? 2 * to_acc(from_variance[c]) : (A)0)) / count;
}

// The corrections of groups of `group` channels, arrays of one example: a group has a warp.
KERNEL __launch_bounds__(COLUMN_THREADS)
    corrections(const A* totals, const A* products, A* shifts, A* tilts, CHANNEL, SIZES) {
    const i64 which = (i64)blockIdx.x * blockDim.y + threadIdx.y, many = group * pieces(OF_SIZES);
    if (which >= channels / group) return;
    A sum = 0, dot = 0;
    for (i64 i = threadIdx.x; i < many; i += WARP) {
        const i64 c = which * group + i % group, at = i / group * channels + c;
        const A weight = weights ? to_acc(weights[c % params]) : (A)1;
        sum += weight * totals[at];
        dot += weight * products[at];
    }
    sum = warp_sum(sum) / (A)(group * n);
    dot = warp_sum(dot) / (A)(group * n);
    if (threadIdx.x != 0) return;
    const A scale = rsqrt_of(variances[which] + eps);
    shifts[which] = scale * sum;
    tilts[which] = scale * scale * dot;
}
