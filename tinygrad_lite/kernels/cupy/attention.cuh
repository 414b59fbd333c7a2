// What both kinds of attention kernels share: which rows and keys a block works on, and what a mask says.

#define HIDDEN (-INFINITE)

// A stack of matrices, (outer, heads, rows, columns), whose columns are neighbours in memory.
template <typename E> struct Stack {
    E* data;
    i64 outer, head, row;
    __device__ E* at(i64 o, i64 h) const { return data + o * outer + h * head; }
};

// The score of a query for a key, with what the mask says of it. MASK is 0: none, 1: a query sees the keys up to its own
// number, 2: booleans, 3: numbers to be added.
#if MASK == 2
typedef bool mask_t;
#else
typedef T mask_t;
#endif

struct Mask {
    const mask_t* data;
    i64 outer, head, row, column;
    __device__ float apply(float score, i64 o, i64 h, i64 query, i64 key, i64 queries, i64 keys) const {
        if (query >= queries || key >= keys) return HIDDEN;
#if MASK == 1
        if (key > query) return HIDDEN;
#elif MASK == 2
        if (!data[o * outer + h * head + query * row + key * column]) return HIDDEN;
#elif MASK == 3
        return score + to_acc(data[o * outer + h * head + query * row + key * column]);
#endif
        return score;
    }
};

// The end of the keys that some of `own` queries see.
DEVICE i64 keys_seen(i64 first_query, i64 own, i64 n) {
#if MASK == 1
    return first_query + own < n ? first_query + own : n;
#else
    return n;
#endif
}

// `size` numbers from memory, with zeros where there are none.
DEVICE void load_numbers(float* to, const float* from, i64 first, i64 count, int size) {
    for (int i = threadIdx.x; i < size; i += blockDim.x) to[i] = first + i < count ? from[first + i] : 0.0f;
}

#define STACK_PARAMETERS(E, x) E* x##_data, i64 x##_outer, i64 x##_head, i64 x##_row
#define STACK(E, x) const Stack<E> x = {x##_data, x##_outer, x##_head, x##_row}
#define INPUT_PARAMETERS                                                                                    \
    STACK_PARAMETERS(const T, q), STACK_PARAMETERS(const T, k), STACK_PARAMETERS(const T, v),               \
        const mask_t *mask_data, i64 mask_outer, i64 mask_head, i64 mask_row, i64 mask_column
#define INPUTS                                                                                              \
    STACK(const T, q);                                                                                      \
    STACK(const T, k);                                                                                      \
    STACK(const T, v);                                                                                      \
    const Mask mask = {mask_data, mask_outer, mask_head, mask_row, mask_column}
// m queries with d columns, n keys, values with e columns; `repeats` heads of queries share a head of keys.
#define SIZE_PARAMETERS i64 heads, i64 repeats, i64 m, i64 n, i64 d, i64 e, float factor

// The products of gradients with results, one number a query: a warp for each.
KERNEL attention_dots(STACK_PARAMETERS(const T, g), STACK_PARAMETERS(const T, out), float* dots, i64 heads, i64 m, i64 e,
                      i64 rows) {
    STACK(const T, g);
    STACK(const T, out);
    const i64 warps = (i64)gridDim.x * (blockDim.x / WARP);
    for (i64 row = (i64)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP; row < rows; row += warps) {
        const i64 stack = row / m, query = row % m, o = stack / heads, h = stack % heads;
        const T *up = g.at(o, h) + query * g.row, *result = out.at(o, h) + query * out.row;
        float sum = 0.0f;
        for (i64 i = threadIdx.x % WARP; i < e; i += WARP) sum += to_acc(up[i]) * to_acc(result[i]);
        sum = warp_sum(sum);
        if (threadIdx.x % WARP == 0) dots[row] = sum;
    }
}
