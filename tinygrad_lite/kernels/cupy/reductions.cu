// softmax, log_softmax, logsumexp and their derivatives. KIND is one of
#define SOFTMAX 0
#define LOG_SOFTMAX 1
#define LOGSUMEXP 2
// Elements moved, of the least possible: rows in registers 1, forward and backward; longer rows and other axes 3 of 2
// forward and 5 of 3 backward (2 of 1, 3 of 2 for logsumexp) where the cache does not hold them between the passes.

#include "rows.cuh"

// log(sum(exp)); infinities as the definition has them, where a difference of them would be NaN.
DEVICE A log_of_sum(A largest, A sum) {
    return largest == (A)INFINITE || largest == -(A)INFINITE ? largest : largest + log_of(sum);
}

// x becomes what the forward gives, for the row's largest element and its sum.
DEVICE A finished(A x, A largest, A sum) {
    return KIND == SOFTMAX ? exp_of(x - largest) / sum : x - largest - log_of(sum);
}

template <int N, int E> DEVICE void forward(const T* x, T* y, i64 rows, i64 n, int lanes, A* scratch) {
    FOR_ROWS(place, rows, lanes) {
        A held[E], sum = 0;
        read_row<N, E>(x + place.row * n, (int)n, place, -(A)INFINITE, held);
        A largest = -(A)INFINITE;
#pragma unroll
        for (int k = 0; k < E; ++k) largest = larger(largest, held[k]);
        largest = row_max(largest, lanes, scratch);
        const A infinite = (A)INFINITE;
        const A shift = KIND == LOGSUMEXP && (largest == infinite || largest == -infinite) ? (A)0 : largest;
#pragma unroll
        for (int k = 0; k < E; ++k) {
            const bool missing = element<N>(k, place) >= n;
            held[k] -= shift;
            const A e = missing ? (A)0 : exp_of(held[k]);
            sum += e;
            if (KIND == SOFTMAX) held[k] = e;
        }
        sum = row_sum(sum, lanes, scratch);
        if (KIND == LOGSUMEXP) {
            if (place.there && place.lane == 0) y[place.row] = from_acc<T>(log_of_sum(largest, sum));
        } else {
            const A factor = 1 / sum, subtracted = log_of(sum);
#pragma unroll
            for (int k = 0; k < E; ++k) held[k] = KIND == SOFTMAX ? held[k] * factor : held[k] - subtracted;
            write_row<N, E>(y + place.row * n, (int)n, place, held);
        }
    }
}

template <int N> DEVICE void forward_long(const T* x, T* y, i64 rows, i64 n, int lanes, A* scratch) {
    FOR_ROWS(place, rows, lanes) {
        const T* row = x + place.row * n;
        Exponentials part;
        A held[N];
        FOR_ELEMENTS(i, n, N, place) {
            read<N>(row + i, held);
            part.add<N>(held);
        }
        const Exponentials all = over_row(part, lanes, scratch);
        if (KIND == LOGSUMEXP) {
            if (place.lane == 0) y[place.row] = from_acc<T>(log_of_sum(all.largest, all.sum));
            continue;
        }
        FOR_ELEMENTS(i, n, N, place) {
            read<N>(row + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) held[k] = finished(held[k], all.largest, all.sum);
            write<N>(y + place.row * n + i, held);
        }
    }
}

// The gradient of one element follows from it and the sum of the terms of its row.
// For softmax and log_softmax `y` is the output, for logsumexp the input; then `up` and `out` have one element a row.
DEVICE A term_of(A y, A g, A out) {
    if (KIND == LOGSUMEXP) return exp_of(y - (out == -(A)INFINITE ? (A)0 : out));
    return KIND == SOFTMAX ? g * y : g;
}

DEVICE A gradient_of(A y, A g, A out, A sum) {
    if (KIND == LOGSUMEXP) return g / (sum == 0 ? (A)1 : sum) * term_of(y, g, out);
    return KIND == SOFTMAX ? y * (g - sum) : g - exp_of(y) * sum;
}

template <int N, int E>
DEVICE void backward(const T* up, const T* y, const T* out, T* gradient, i64 rows, i64 n, int lanes, A* scratch) {
    FOR_ROWS(place, rows, lanes) {
        A held[E], g[KIND == LOGSUMEXP ? 1 : E], end = 0, sum = 0;
        read_row<N, E>(y + place.row * n, (int)n, place, -(A)INFINITE, held);
        if constexpr (KIND == LOGSUMEXP) {
            g[0] = place.there ? to_acc(up[place.row]) : (A)0;
            end = place.there ? to_acc(out[place.row]) : (A)0;
        } else {
            read_row<N, E>(up + place.row * n, (int)n, place, (A)0, g);
        }
#pragma unroll
        for (int k = 0; k < E; ++k) {
            const A term = term_of(held[k], g[KIND == LOGSUMEXP ? 0 : k], end);
            sum += element<N>(k, place) < n ? term : (A)0;
        }
        sum = row_sum(sum, lanes, scratch);
#pragma unroll
        for (int k = 0; k < E; ++k) held[k] = gradient_of(held[k], g[KIND == LOGSUMEXP ? 0 : k], end, sum);
        write_row<N, E>(gradient + place.row * n, (int)n, place, held);
    }
}

template <int N>
DEVICE void backward_long(const T* up, const T* y, const T* out, T* gradient, i64 rows, i64 n, int lanes, A* scratch) {
    FOR_ROWS(place, rows, lanes) {
        const i64 start = place.row * n;
        A held[N], g[N], end = 0, sum = 0;
        if (KIND == LOGSUMEXP) {
            end = to_acc(out[place.row]);
#pragma unroll
            for (int k = 0; k < N; ++k) g[k] = to_acc(up[place.row]);
        }
        FOR_ELEMENTS(i, n, N, place) {
            if (KIND != LOGSUMEXP) read<N>(up + start + i, g);
            if (KIND != LOG_SOFTMAX) read<N>(y + start + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) sum += term_of(held[k], g[k], end);
        }
        sum = row_sum(sum, lanes, scratch);
        FOR_ELEMENTS(i, n, N, place) {
            if (KIND != LOGSUMEXP) read<N>(up + start + i, g);
            read<N>(y + start + i, held);
#pragma unroll
            for (int k = 0; k < N; ++k) held[k] = gradient_of(held[k], g[k], end, sum);
            write<N>(gradient + start + i, held);
        }
    }
}

#define FORWARD (const T* x, T* y, i64 rows, i64 n, i64 lanes)
#define BACKWARD (const T* up, const T* y, const T* out, T* gradient, i64 rows, i64 n, i64 lanes)

HELD_KERNELS(forward, FORWARD, (x, y, rows, n, (int)lanes, scratch))
LONG_KERNELS(forward, FORWARD, (x, y, rows, n, (int)lanes, scratch))
HELD_KERNELS(backward, BACKWARD, (up, y, out, gradient, rows, n, (int)lanes, scratch))
LONG_KERNELS(backward, BACKWARD, (up, y, out, gradient, rows, n, (int)lanes, scratch))

// Along another axis, arrays of (outer, n, inner): neighbouring threads have neighbouring columns, and the threads above
// each other share one.

KERNEL __launch_bounds__(COLUMN_THREADS) forward_columns(const T* x, T* y, i64 outer, i64 n, i64 inner) {
    __shared__ A largest[COLUMN_THREADS];
    __shared__ A sums[COLUMN_THREADS];
    FOR_COLUMNS(column, outer, n, inner) {
        Exponentials part, all;
        FOR_BELOW(i, column, n, inner) {
            const A value = to_acc(x[i]);
            part.add<1>(&value);
        }
        largest[column.mine] = part.largest;
        sums[column.mine] = part.sum;
        __syncthreads();
        for (int k = threadIdx.x; k < COLUMN_THREADS; k += blockDim.x) all.join(Exponentials(largest[k], sums[k]));
        __syncthreads();
        if (KIND == LOGSUMEXP) {
            if (column.there && threadIdx.y == 0) y[column.reduced] = from_acc<T>(log_of_sum(all.largest, all.sum));
        } else {
            FOR_BELOW(i, column, n, inner) y[i] = from_acc<T>(finished(to_acc(x[i]), all.largest, all.sum));
        }
    }
}

KERNEL __launch_bounds__(COLUMN_THREADS)
    backward_columns(const T* up, const T* y, const T* out, T* gradient, i64 outer, i64 n, i64 inner) {
    __shared__ A sums[COLUMN_THREADS];
    FOR_COLUMNS(column, outer, n, inner) {
        A part = 0, sum = 0, g = 0, end = 0;
        if (KIND == LOGSUMEXP && column.there) {
            g = to_acc(up[column.reduced]);
            end = to_acc(out[column.reduced]);
        }
        FOR_BELOW(i, column, n, inner) {
            if (KIND != LOGSUMEXP) g = to_acc(up[i]);
            part += term_of(to_acc(y[i]), g, end);
        }
        sums[column.mine] = part;
        __syncthreads();
        for (int k = threadIdx.x; k < COLUMN_THREADS; k += blockDim.x) sum += sums[k];
        __syncthreads();
        FOR_BELOW(i, column, n, inner) {
            if (KIND != LOGSUMEXP) g = to_acc(up[i]);
            gradient[i] = from_acc<T>(gradient_of(to_acc(y[i]), g, end, sum));
        }
    }
}
