// Rows of n elements of type T, each of which a group of threads works on: some lanes of a warp, a power of two, or all
// threads of a block. For sources that are compiled with T.
//
// A row of up to 8192 elements (double: 4096; where it is not read by packs of 16 bytes: 4096) is held in registers between
// its passes, E elements a thread, and so read once. A longer one is read again in each pass; the rows that blocks work on
// at a time fit a second-level cache of 40 MB up to about 150 KiB.
//
// ptxas for sm_90: kernels of rows in registers have at most 64 registers (double: 82), with weights' gradients 128; of
// those for float, double and bfloat the few that spill do so by 4 to 40 bytes a thread. No time was measured on a GPU.

typedef acc_t<T> A;

// Elements that 16 bytes hold.
#define W ((int)(16 / sizeof(T)))
// Elements that a thread holds of long rows, and of those that are not read by packs.
#define MANY (sizeof(T) == 8 ? 8 : 16)
#define SINGLE 8
#define MOST_THREADS 512

// Where a thread stands in its block's rows.
struct Place {
    int lane, lanes;
    i64 row;
    bool there;
    __device__ __forceinline__ Place(i64 first, i64 rows, int lanes)
        : lane(threadIdx.x % lanes), lanes(lanes), row(first + threadIdx.x / lanes), there(row < rows) {}
};

// For each row of this block; all of its threads take part in each round.
#define FOR_ROWS(place, rows, lanes)                                                       \
    for (i64 per = blockDim.x / (lanes), first = blockIdx.x * per; first < (rows); first += gridDim.x * per) \
        if (Place place(first, rows, lanes); true)

// For each element of a row, N at once, that this thread has: `i` is the first of them.
#define FOR_ELEMENTS(i, n, N, place) \
    for (i64 i = (i64)(place).lane * (N); i < ((place).there ? (i64)(n) : 0); i += (i64)(place).lanes * (N))

template <typename R> DEVICE A over_row(A value, A neutral, int lanes, A* scratch) {
    if (lanes > WARP) return block_reduce<R>(value, neutral, scratch);
    for (int offset = lanes / 2; offset > 0; offset /= 2) {
        value = R::of(value, __shfl_xor_sync(ALL_LANES, value, offset));
    }
    return value;
}

DEVICE A row_sum(A value, int lanes, A* scratch) { return over_row<Sum>(value, (A)0, lanes, scratch); }
DEVICE A row_max(A value, int lanes, A* scratch) { return over_row<Largest>(value, -(A)INFINITE, lanes, scratch); }

template <int N> DEVICE void read(const T* from, A* to) {
    const Pack<T, N> pack = *(const Pack<T, N>*)from;
#pragma unroll
    for (int k = 0; k < N; ++k) to[k] = to_acc(pack.at[k]);
}

template <int N> DEVICE void write(T* to, const A* from) {
    Pack<T, N> pack;
#pragma unroll
    for (int k = 0; k < N; ++k) pack.at[k] = from_acc<T>(from[k]);
    put((Pack<T, N>*)to, pack);
}

// The part of a row that a thread holds: E elements, N at once from memory; `missing` stands for those that there are not.
template <int N, int E> DEVICE void read_row(const T* row, int n, const Place& place, A missing, A (&held)[E]) {
#pragma unroll
    for (int k = 0; k < E; k += N) {
        const int i = (k / N * place.lanes + place.lane) * N;
        if (place.there && i < n) {
            read<N>(row + i, held + k);
        } else {
#pragma unroll
            for (int j = 0; j < N; ++j) held[k + j] = missing;
        }
    }
}

template <int N, int E> DEVICE void write_row(T* row, int n, const Place& place, const A (&held)[E]) {
#pragma unroll
    for (int k = 0; k < E; k += N) {
        const int i = (k / N * place.lanes + place.lane) * N;
        if (place.there && i < n) write<N>(row + i, held + k);
    }
}

// Which element of the row held[k] is.
template <int N> DEVICE int element(int k, const Place& place) { return (k / N * place.lanes + place.lane) * N + k % N; }

// The kernels `name`_... of a template <int N, int E> (rows in registers), as plans name them.
#define HELD_KERNELS(name, parameters, arguments)                           \
    ROW_KERNEL(name##_packs_few, name<W COMMA W>, parameters, arguments)    \
    ROW_KERNEL(name##_packs_many, name<W COMMA MANY>, parameters, arguments) \
    ROW_KERNEL(name##_single_held, name<1 COMMA SINGLE>, parameters, arguments)

// The kernels of a template <int N> (rows that are read in each pass).
#define LONG_KERNELS(name, parameters, arguments)                            \
    ROW_KERNEL(name##_packs_long, name##_long<W>, parameters, arguments)     \
    ROW_KERNEL(name##_single_long, name##_long<1>, parameters, arguments)

#define COMMA ,
#define ROW_SHARED __shared__ A scratch[WARP]
#define ROW_KERNEL(name, function, parameters, arguments)      \
    KERNEL __launch_bounds__(MOST_THREADS) name parameters {   \
        ROW_SHARED;                                            \
        function arguments;                                    \
    }

// The largest of some elements, and the sum of exp(element - largest) without overflow: one pass finds both.
// Where all are -inf the sum is 0.
struct Exponentials {
    A largest, sum;
    __device__ __forceinline__ Exponentials() : largest(-(A)INFINITE), sum(0) {}
    __device__ __forceinline__ Exponentials(A largest, A sum) : largest(largest), sum(sum) {}
    static __device__ __forceinline__ A shift_of(A largest) { return largest == -(A)INFINITE ? (A)0 : largest; }
    __device__ __forceinline__ void join(const Exponentials& other) {
        const A both = larger(largest, other.largest), shift = shift_of(both);
        sum = sum * exp_of(largest - shift) + other.sum * exp_of(other.largest - shift);
        largest = both;
    }
    // Once more exp for N elements than they have.
    template <int N> __device__ __forceinline__ void add(const A* values) {
        A both = largest;
#pragma unroll
        for (int k = 0; k < N; ++k) both = larger(both, values[k]);
        const A shift = shift_of(both);
        sum *= exp_of(largest - shift);
#pragma unroll
        for (int k = 0; k < N; ++k) sum += exp_of(values[k] - shift);
        largest = both;
    }
};

// In all threads of the row, the exponentials of the whole row.
DEVICE Exponentials over_row(const Exponentials& part, int lanes, A* scratch) {
    const A largest = row_max(part.largest, lanes, scratch);
    const A shift = Exponentials::shift_of(largest);
    return Exponentials(largest, row_sum(part.sum * exp_of(part.largest - shift), lanes, scratch));
}

// Columns of arrays of (outer, n, inner). A block is `wide` columns across and COLUMN_THREADS / wide high.

#define COLUMN_THREADS 256

// Where a thread stands: its place in the block, its first element, the element of (outer, inner).
struct Column {
    int mine;
    i64 start, reduced;
    bool there;
    __device__ __forceinline__ Column(i64 tile, i64 n, i64 inner) : mine(threadIdx.y * blockDim.x + threadIdx.x) {
        const i64 across = (inner + blockDim.x - 1) / blockDim.x;
        const i64 at = tile % across * blockDim.x + threadIdx.x;
        there = at < inner;
        reduced = tile / across * inner + at;
        start = tile / across * n * inner + at;
    }
};

// For the columns of this block; all of its threads take part in each round.
#define FOR_COLUMNS(column, outer, n, inner)                                                                   \
    for (i64 tile = blockIdx.x; tile < (outer) * (((inner) + blockDim.x - 1) / blockDim.x); tile += gridDim.x) \
        if (Column column(tile, n, inner); true)

// For the elements that this thread has of its column: `i` is their place in the array.
#define FOR_BELOW(i, column, n, inner)                                                             \
    for (i64 i = (column).start + threadIdx.y * (inner), end_ = (column).start + (i64)(n) * (inner); \
         (column).there && i < end_; i += blockDim.y * (inner))
