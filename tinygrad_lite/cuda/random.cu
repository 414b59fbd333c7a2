// Random numbers from a key and a counter, and dropout, whose mask is made where it is needed and never stored.
//
// What is made of Philox's words is fixed in core/philox.py; products and sums that must round as NumPy's do so by name.
// A thread makes one block of four words at a time, 8 numbers of 32 bits or 4 of 64, and writes them in packs of 16
// bytes where they lie so. Memory moved: what is returned, once; dropout reads its input and writes its result, 1.0 of
// the least, and its backward likewise; masks that are kept would be read and written on top.
// T is the type of floating-point results, which are computed in acc_t<T>.

// What numpy.random.Philox has: block b of the stream is made of the counter plus b.
struct Place { u64 key[2], counter[4], skip; };  // skip: words of the first block that belong to an earlier draw

struct Words { u64 at[4]; };

// The words for a block. Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
DEVICE Words philox(const Place& place, i64 block) {
    u64 a = place.counter[0] + (u64)block, b = place.counter[1], c = place.counter[2], d = place.counter[3];
    if (a < (u64)block && ++b == 0 && ++c == 0) ++d;
    u64 k = place.key[0], m = place.key[1];
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const u64 x = 0xD2E7470EE14C6C93ull, y = 0xCA5A826395121157ull;
        const u64 left = __umul64hi(y, c) ^ b ^ k, right = __umul64hi(x, a) ^ d ^ m;
        b = y * c, d = x * a, a = left, c = right;
        k += 0x9E3779B97F4A7C15ull, m += 0xBB67AE8584CAA73Bull;
    }
    return {{a, b, c, d}};
}

DEVICE u32 half_word(const Words& words, int i) { return (u32)(words.at[i / 2] >> 32 * (i % 2)); }

// N numbers as elements `first` to `first + N` of n; those outside are for nobody.
template <typename S, int N> DEVICE void put(S* out, i64 first, i64 n, const S (&values)[N]) {
    const int wide = 16 / sizeof(S) < N ? 16 / sizeof(S) : N;
    if (first >= 0 && first + N <= n && ((u64)(out + first) & (sizeof(S) * wide - 1)) == 0) {
#pragma unroll
        for (int i = 0; i < N; i += wide) {
            Pack<S, wide> pack;
#pragma unroll
            for (int j = 0; j < wide; ++j) pack.at[j] = values[i + j];
            *(Pack<S, wide>*)(out + first + i) = pack;
        }
    } else {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            if (first + i >= 0 && first + i < n) out[first + i] = values[i];
        }
    }
}

// For each block of N numbers a thread makes its words; `live` is where they begin if that is not known at the launch.
#define FOR_BLOCKS(N)                                                                                                  \
    if (live) place = *live;                                                                                           \
    const i64 skipped = place.skip * (N / 4), blocks = (n + skipped + N - 1) / N;                                      \
    for (i64 block = (i64)blockIdx.x * blockDim.x + threadIdx.x; block < blocks; block += (i64)gridDim.x * blockDim.x)

// A range of 0 stands for 2^64.
KERNEL integers(Place place, const Place* live, i64* out, i64 n, u64 range, i64 lowest) {
    FOR_BLOCKS(4) {
        const Words words = philox(place, block);
        i64 values[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            values[i] = (i64)((u64)lowest + (range ? __umul64hi(words.at[i], range) : words.at[i]));
        }
        put(out, 4 * block - skipped, n, values);
    }
}

KERNEL bernoulli(Place place, const Place* live, bool* out, i64 n, i64 threshold) {
    FOR_BLOCKS(8) {
        const Words words = philox(place, block);
        bool values[8];
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] = (i64)half_word(words, i) < threshold;
        put(out, 8 * block - skipped, n, values);
    }
}

typedef acc_t<T> A;

DEVICE float times(float x, float y) { return __fmul_rn(x, y); }
DEVICE float plus(float x, float y) { return __fadd_rn(x, y); }
DEVICE double times(double x, double y) { return __dmul_rn(x, y); }
DEVICE double plus(double x, double y) { return __dadd_rn(x, y); }

// The bits that a number is made of, the i-th of those in a block; uniform numbers use the upper 24 or 53.
DEVICE u32 bits_of(const Words& words, int i, float) { return half_word(words, i); }
DEVICE u64 bits_of(const Words& words, int i, double) { return words.at[i]; }
DEVICE float upper(u32 bits) { return (float)(bits >> 8); }
DEVICE double upper(u64 bits) { return (double)(bits >> 11); }

const int PER_BLOCK = sizeof(A) == 4 ? 8 : 4;

// scale: with 2^-24 or 2^-53 in it.
KERNEL uniform(Place place, const Place* live, T* out, i64 n, A scale, A shift) {
    FOR_BLOCKS(PER_BLOCK) {
        const Words words = philox(place, block);
        T values[PER_BLOCK];
#pragma unroll
        for (int i = 0; i < PER_BLOCK; ++i) {
            const A made = times(upper(bits_of(words, i, A())), scale);
            values[i] = from_acc<T>(shift == 0 ? made : plus(made, shift));
        }
        put(out, PER_BLOCK * block - skipped, n, values);
    }
}

DEVICE float radius_of(u32 bits) { return sqrtf(-2.0f * logf((float)bits * 0x1p-32f + 0x1p-33f)); }
DEVICE double radius_of(u64 bits) { return sqrt(-2.0 * log((double)bits * 0x1p-64 + 0x1p-65)); }
DEVICE void turn(u32 bits, float* s, float* c) { sincosf((float)(int)bits * (float)(0x1p-31 * 3.14159265358979323846), s, c); }
DEVICE void turn(u64 bits, double* s, double* c) { sincos((double)(i64)bits * (0x1p-63 * 3.14159265358979323846), s, c); }

KERNEL normal(Place place, const Place* live, T* out, i64 n, A scale, A shift) {
    FOR_BLOCKS(PER_BLOCK) {
        const Words words = philox(place, block);
        T values[PER_BLOCK];
#pragma unroll
        for (int i = 0; i < PER_BLOCK; i += 2) {
            const A radius = times(radius_of(bits_of(words, i, A())), scale);
            A s, c;
            turn(bits_of(words, i + 1, A()), &s, &c);
            values[i] = from_acc<T>(plus(times(radius, c), shift));
            values[i + 1] = from_acc<T>(plus(times(radius, s), shift));
        }
        put(out, PER_BLOCK * block - skipped, n, values);
    }
}

// y = x scale where the half word is below the threshold, else 0.
KERNEL dropout(Place place, const Place* live, const T* x, T* y, i64 n, i64 threshold, A scale) {
    const int wide = 16 / sizeof(T) < 8 ? 16 / sizeof(T) : 8;
    FOR_BLOCKS(8) {
        const Words words = philox(place, block);
        const i64 first = 8 * block - skipped;
        T values[8];
        if (first >= 0 && first + 8 <= n && aligned16(x + first)) {
#pragma unroll
            for (int i = 0; i < 8; i += wide) {
                const Pack<T, wide> pack = *(const Pack<T, wide>*)(x + first + i);
#pragma unroll
                for (int j = 0; j < wide; ++j) values[i + j] = pack.at[j];
            }
        } else {
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                if (first + i >= 0 && first + i < n) values[i] = x[first + i];
            }
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const bool kept = (i64)half_word(words, i) < threshold;
            values[i] = from_acc<T>(kept ? to_acc(values[i]) * scale : (A)0);
        }
        put(y, first, n, values);
    }
}
