// Cross-entropy of rows of logits with one class each: losses and the gradient in one pass.
//
// Elements moved, of the least possible for both: 1 for rows in registers; 3 of 2 for longer ones where the cache does
// not hold them between the passes. The backward reads nothing but its cotangent if that is 1.

#include "rows.cuh"

// What a class is: counted, ignored, or one that there is not, whose loss is NaN and whose gradient 0.
struct Target {
    i64 index;
    bool counted, wrong;
    __device__ __forceinline__ Target(const void* targets, bool wide, i64 row, i64 classes, i64 ignored) {
        index = wide ? ((const i64*)targets)[row] : (i64)((const int*)targets)[row];
        const bool exists = index >= 0 && index < classes;
        counted = index != ignored && exists;
        wrong = index != ignored && !exists;
    }
};

// How many rows count, at least 1: in all threads of a block.
DEVICE A count(const void* targets, bool wide, i64 rows, i64 classes, i64 ignored, double* scratch) {
    double found = 0;
    for (i64 row = threadIdx.x; row < rows; row += blockDim.x) {
        found += Target(targets, wide, row, classes, ignored).counted;
    }
    found = block_sum(found, scratch);
    return (A)(found > 0 ? found : 1);
}

// Where rows are many, blocks do not count them each by themselves.
KERNEL counted(const void* targets, bool wide, A* divisor, i64 rows, i64 classes, i64 ignored) {
    __shared__ double scratch[WARP];
    const A found = count(targets, wide, rows, classes, ignored, scratch);
    if (threadIdx.x == 0) *divisor = found;
}

struct Rows {
    const T* logits;
    const void* targets;
    T* gradient;       // or null
    const T* up;       // or null for 1: the cotangents, `up_step` elements apart
    A* losses;         // as numbers to add up, or null
    T* out;            // as they are returned, or null
    const A* divisor;  // of the gradient; if null, the number of rows that count for `mean`, else 1
    i64 up_step, n, ignored;
    A smoothing;
    bool wide, mean;

    __device__ __forceinline__ A divide_by(i64 rows, double* scratch) const {
        if (divisor) return *divisor;
        return mean ? count(targets, wide, rows, n, ignored, scratch) : (A)1;
    }

    // log: of the sum of the exponentials of logits - largest. total: of logits - largest, for smoothing.
    __device__ __forceinline__ void write_loss(const Place& place, const Target& target, A largest, A log, A total) const {
        if (!place.there || place.lane != 0) return;
        A loss = target.wrong ? (A)NOT_A_NUMBER : (A)0;
        if (target.counted) {
            loss = log - (to_acc(logits[place.row * n + target.index]) - largest);
            if (smoothing != 0) loss = (1 - smoothing) * loss + smoothing * (log - total / n);
        }
        if (losses) losses[place.row] = loss;
        if (out) out[place.row] = from_acc<T>(loss);
    }

    __device__ __forceinline__ A factor_of(const Place& place, A divisor) const {
        return (up && place.there ? to_acc(up[place.row * up_step]) : (A)1) / divisor;
    }

    // hit: whether it is the target's. uniform: smoothing / n.
    __device__ __forceinline__ A gradient_of(A probability, bool hit, const Target& target, A uniform, A factor) const {
        return target.counted ? factor * (probability - uniform - (hit ? 1 - smoothing : (A)0)) : (A)0;
    }
};

template <int N, int E> DEVICE void losses(const Rows& given, i64 rows, int lanes, A* scratch, double* wide_scratch) {
    const A divisor = given.gradient ? given.divide_by(rows, wide_scratch) : (A)1;
    const i64 n = given.n;
    FOR_ROWS(place, rows, lanes) {
        const Target target(given.targets, given.wide, place.there ? place.row : 0, n, given.ignored);
        A held[E], largest = -(A)INFINITE, sum = 0, total = 0;
        read_row<N, E>(given.logits + place.row * n, (int)n, place, -(A)INFINITE, held);
#pragma unroll
        for (int k = 0; k < E; ++k) largest = larger(largest, held[k]);
        largest = row_max(largest, lanes, scratch);
#pragma unroll
        for (int k = 0; k < E; ++k) {
            const bool exists = element<N>(k, place) < n;
            held[k] -= largest;
            if (exists) total += held[k];
            held[k] = exists ? exp_of(held[k]) : (A)0;
            sum += held[k];
        }
        sum = row_sum(sum, lanes, scratch);
        if (given.smoothing != 0) total = row_sum(total, lanes, scratch);
        given.write_loss(place, target, largest, log_of(sum), total);
        if (given.gradient) {
            const A factor = given.factor_of(place, divisor), scale = 1 / sum, uniform = given.smoothing / n;
            const int index = (int)target.index;  // of a class that there is, else it does not matter
#pragma unroll
            for (int k = 0; k < E; ++k) {
                held[k] = given.gradient_of(held[k] * scale, element<N>(k, place) == index, target, uniform, factor);
            }
            write_row<N, E>(given.gradient + place.row * n, (int)n, place, held);
        }
    }
}

template <int N> DEVICE void losses_long(const Rows& given, i64 rows, int lanes, A* scratch, double* wide_scratch) {
    const A divisor = given.gradient ? given.divide_by(rows, wide_scratch) : (A)1;
    const i64 n = given.n;
    FOR_ROWS(place, rows, lanes) {
        const Target target(given.targets, given.wide, place.row, n, given.ignored);
        const T* row = given.logits + place.row * n;
        Exponentials part;
        // The logits less one of them are summed, since their own sum may be large.
        const A start = to_acc(row[0]), origin = start - start == 0 ? start : (A)0;
        A held[N], total = 0;
        FOR_ELEMENTS(i, n, N, place) {
            read<N>(row + i, held);
            part.add<N>(held);
#pragma unroll
            for (int k = 0; k < N; ++k) total += held[k] - origin;
        }
        const Exponentials all = over_row(part, lanes, scratch);
        if (given.smoothing != 0) total = row_sum(total, lanes, scratch) + (origin - all.largest) * n;
        given.write_loss(place, target, all.largest, log_of(all.sum), total);
        if (given.gradient) {
            const A factor = given.factor_of(place, divisor), scale = 1 / all.sum, uniform = given.smoothing / n;
            FOR_ELEMENTS(i, n, N, place) {
                read<N>(row + i, held);
#pragma unroll
                for (int k = 0; k < N; ++k) {
                    const A probability = exp_of(held[k] - all.largest) * scale;
                    held[k] = given.gradient_of(probability, i + k == target.index, target, uniform, factor);
                }
                write<N>(given.gradient + place.row * n + i, held);
            }
        }
    }
}

#define PARAMETERS                                                                                                \
    (const T* logits, const void* targets, T* gradient, const T* up, A* losses_of, T* out, const A* divisor,      \
     i64 up_step, i64 ignored, A smoothing, bool wide, bool mean, i64 rows, i64 n, i64 lanes)
#define ARGUMENTS                                                                                                      \
    (Rows{logits, targets, gradient, up, losses_of, out, divisor, up_step, n, ignored, smoothing, wide, mean}, rows, \
     (int)lanes, scratch, wide_scratch)
#undef ROW_SHARED
#define ROW_SHARED                 \
    __shared__ A scratch[WARP];    \
    __shared__ double wide_scratch[WARP]

HELD_KERNELS(losses, PARAMETERS, ARGUMENTS)
LONG_KERNELS(losses, PARAMETERS, ARGUMENTS)

// The sum or mean of the losses, in one block: each thread's in order, then those of the threads.
KERNEL reduced(const A* losses_of, T* out, const void* targets, const A* divisor, bool wide, bool mean, i64 rows,
               i64 classes, i64 ignored) {
    __shared__ A scratch[WARP];
    __shared__ double wide_scratch[WARP];
    A by = 1, sum = 0;
    if (mean) by = divisor ? *divisor : count(targets, wide, rows, classes, ignored, wide_scratch);
    for (i64 row = threadIdx.x; row < rows; row += blockDim.x) sum += losses_of[row];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) *out = from_acc<T>(sum / by);
}

// The gradient times its rows' cotangents, in place; not looked at where they are 1.
template <int N> DEVICE void scale(T* gradient, const T* up, i64 up_step, i64 rows, i64 n) {
    if (up_step == 0 && to_acc(*up) == 1) return;
    for (i64 i = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * N; i < rows * n; i += (i64)gridDim.x * blockDim.x * N) {
        const A factor = to_acc(up_step ? up[i / n] : *up);
        if (factor == 1) continue;
        A held[N];
        read<N>(gradient + i, held);
#pragma unroll
        for (int k = 0; k < N; ++k) held[k] *= factor;
        write<N>(gradient + i, held);
    }
}

KERNEL scaled(T* gradient, const T* up, i64 up_step, i64 rows, i64 n) {
    if (n % W) scale<1>(gradient, up, up_step, rows, n);
    else scale<W>(gradient, up, up_step, rows, n);
}
