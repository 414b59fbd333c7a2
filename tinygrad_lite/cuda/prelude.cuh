// The beginning of every CUDA source: types, conversions, vectors, reductions, and the matrix unit.
//
// No header of CUDA's is included, so that a source compiles in about 20 ms and needs nothing but NVRTC. The same text
// compiles with g++ behind the tests' emulator, which defines EMULATED and, as functions, what a GPU has as instructions.

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

#define DEVICE static __device__ __forceinline__
#define KERNEL extern "C" __global__ void

#define INFINITE __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fffffff)

#ifndef EMULATED
// Memory of a block whose size is given with the launch.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif

// 16-bit floating point: stored so, computed with as float.

struct half16 { u16 bits; };
struct bfloat { u16 bits; };

#ifndef EMULATED
DEVICE float half_to_float(u16 bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
DEVICE u16 float_to_half(float value) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#endif

DEVICE float bfloat_to_float(u16 bits) { return __uint_as_float((u32)bits << 16); }

// To the nearest, ties to even; NaN stays NaN. The matrix unit's own conversion needs sm_80.
DEVICE u16 float_to_bfloat(float value) {
    u32 bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (u16)((bits >> 16) | 0x40u);
    return (u16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// acc_t<T>: what elements of type T are computed with.

template <typename T> struct Accumulator { typedef T type; };
template <> struct Accumulator<half16> { typedef float type; };
template <> struct Accumulator<bfloat> { typedef float type; };
template <typename T> using acc_t = typename Accumulator<T>::type;

template <typename T> DEVICE acc_t<T> to_acc(T value) { return value; }
DEVICE float to_acc(half16 value) { return half_to_float(value.bits); }
DEVICE float to_acc(bfloat value) { return bfloat_to_float(value.bits); }

template <typename T> struct Convert {
    template <typename A> static __device__ __forceinline__ T from(A value) { return (T)value; }
};
template <> struct Convert<half16> {
    template <typename A> static __device__ __forceinline__ half16 from(A value) {
        half16 made;
        made.bits = float_to_half((float)value);
        return made;
    }
};
template <> struct Convert<bfloat> {
    template <typename A> static __device__ __forceinline__ bfloat from(A value) {
        bfloat made;
        made.bits = float_to_bfloat((float)value);
        return made;
    }
};
template <typename T, typename A> DEVICE T from_acc(A value) { return Convert<T>::from(value); }

// N elements that are read and written at once; pointers to it must be aligned to its size.

template <typename T, int N> struct __align__(sizeof(T) * N) Pack { T at[N]; };

// Writes a pack. One of 16 bytes is written at once: of `*to = pack` alone the compiler made four stores in some kernels,
// of batch norm's results and of a table's gradient.
template <typename T, int N> DEVICE void put(Pack<T, N>* to, const Pack<T, N>& pack) {
#ifndef EMULATED
    if constexpr (sizeof(pack) == 16) {
        uint4 words;
        memcpy(&words, &pack, 16);
        asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};"
                     :: "l"(to), "r"(words.x), "r"(words.y), "r"(words.z), "r"(words.w) : "memory");
        return;
    }
#endif
    *to = pack;
}

// Whether memory can be read by packs of 16 bytes from here.
DEVICE bool aligned16(const void* pointer) { return ((u64)pointer & 15u) == 0; }

// Functions of CUDA's that are there for float and double under different names.

DEVICE float exp_of(float x) { return expf(x); }
DEVICE double exp_of(double x) { return exp(x); }
DEVICE float log_of(float x) { return logf(x); }
DEVICE double log_of(double x) { return log(x); }
DEVICE float sqrt_of(float x) { return sqrtf(x); }
DEVICE double sqrt_of(double x) { return sqrt(x); }
DEVICE float rsqrt_of(float x) { return 1.0f / sqrtf(x); }
DEVICE double rsqrt_of(double x) { return 1.0 / sqrt(x); }

// NaN if one is, as NumPy's maximum; the instruction gives the other number.
template <typename A> DEVICE A larger(A x, A y) { return (x > y || x != x) ? x : y; }
template <typename A> DEVICE A smaller(A x, A y) { return (x < y || x != x) ? x : y; }

struct Sum { template <typename A> static __device__ __forceinline__ A of(A x, A y) { return x + y; } };
struct Largest { template <typename A> static __device__ __forceinline__ A of(A x, A y) { return larger(x, y); } };

#define WARP 32
#define ALL_LANES 0xffffffffu

// The reduction over the 32 threads of a warp, in all of them; all must take part.
template <typename R, typename A> DEVICE A warp_reduce(A value) {
#pragma unroll
    for (int offset = WARP / 2; offset > 0; offset /= 2) {
        value = R::of(value, __shfl_xor_sync(ALL_LANES, value, offset));
    }
    return value;
}

// The reduction over a block of whole warps, in all of its threads; all must take part.
// scratch: WARP values of shared memory, which may be used again at once.
template <typename R, typename A> DEVICE A block_reduce(A value, A neutral, A* scratch) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    value = warp_reduce<R>(value);
    if (warps == 1) return value;
    if (lane == 0) scratch[warp] = value;
    __syncthreads();
    value = warp_reduce<R>(lane < warps ? scratch[lane] : neutral);
    __syncthreads();
    return value;
}

template <typename A> DEVICE A warp_sum(A value) { return warp_reduce<Sum>(value); }
template <typename A> DEVICE A warp_max(A value) { return warp_reduce<Largest>(value); }
template <typename A> DEVICE A block_sum(A value, A* scratch) { return block_reduce<Sum>(value, (A)0, scratch); }
template <typename A> DEVICE A block_max(A value, A* scratch) {
    return block_reduce<Largest>(value, -(A)INFINITE, scratch);
}

// D += A B on the matrix unit, for one warp: A is 16 x 16, B is 16 x 8, D is 16 x 8 in float; from sm_80 on, half16 also
// below. Thread t of the warp holds, with r = t / 4 and c = 2 (t % 4), as two elements a word, the lower first:
//   a[0]: A[r][c, c+1], a[1]: A[r+8][c, c+1], a[2]: A[r][c+8, c+9], a[3]: A[r+8][c+8, c+9],
//   b[0]: B[c, c+1][r], b[1]: B[c+8, c+9][r], d[0, 1]: D[r][c, c+1], d[2, 3]: D[r+8][c, c+1].
// Source: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
#ifndef EMULATED
#if __CUDA_ARCH__ >= 800
DEVICE void mma_16816(float d[4], const u32 a[4], const u32 b[2], bfloat) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void mma_16816(float d[4], const u32 a[4], const u32 b[2], half16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif
#endif

// Two 8 x 8 matrices of 16-bit elements from shared memory, transposed: b is as `mma_16816` wants it of a B that lies in
// memory by rows. Lane i < 16 gives the address of row i of B, 16 bytes, aligned; the addresses of other lanes are unused.
// Source: PTX ISA, "ldmatrix".
#ifndef EMULATED
DEVICE void load_transposed(u32 b[2], const void* row) {
    const u32 address = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(b[0]), "=r"(b[1])
                 : "r"(address) : "memory");
}
#endif
