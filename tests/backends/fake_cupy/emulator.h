// What CUDA C++ has and C++ lacks, so that a kernel compiles with g++ and runs on a processor, one block after another.
//
// The threads of a block are fibers, which run one at a time until they wait: at a barrier for the block, at a shuffle or
// a vote for the warp. Their order is turned around at each barrier, and from block to block. Shared memory is filled
// with NaN before each block. So a missing barrier shows as a wrong value, a wrong index in guard bytes, which Python lays
// around every array. Not seen here: races that depend on timing, misaligned accesses, what the hardware orders.

#pragma once
#define EMULATED 1

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <type_traits>
#include <ucontext.h>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static __attribute__((section("emulated_shared")))
#define DYNAMIC_SHARED(name) unsigned char* name = emulated::dynamic

struct dim3 { unsigned x, y, z; };
struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
struct int2 { int x, y; };
struct int4 { int x, y, z, w; };
struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };
struct double2 { double x, y; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

// The first and last byte of the shared memory that kernels declare; weak, since there may be none.
extern "C" __attribute__((weak)) char __start_emulated_shared[], __stop_emulated_shared[];

namespace emulated {

const int MOST_THREADS = 1024, LANES = 32;
const size_t STACK = 256 << 10, MOST_DYNAMIC = 256 << 10;

enum State { READY, AT_BARRIER, AT_WARP, DONE };

struct Fiber {
    jmp_buf place;
    bool begun;
    State state;
    int line;
    dim3 index;
    unsigned mask;
};

// What the lanes of a warp show each other.
struct Warp {
    unsigned long long shown[LANES];
    unsigned words[LANES][8];
};

static Fiber fibers[MOST_THREADS];
static Warp warps[MOST_THREADS / LANES];
static jmp_buf scheduler;
static int current, count;
static char* stacks;
static dim3 grid, block, block_index;
static unsigned char* dynamic;
static char message[400];
static void (*body)(void*);
static void* body_args;
alignas(16) static unsigned char dynamic_memory[MOST_DYNAMIC];

// From a fiber to the scheduler and back. A jump takes 10 ns; swapcontext, which keeps signals' masks too, 300.
__noinline__ inline void wait(State state, int line) {
    fibers[current].state = state;
    fibers[current].line = line;
    if (!_setjmp(fibers[current].place)) _longjmp(scheduler, 1);
}

inline void fail(const char* what, int line) {
    if (!message[0]) {
        const dim3 t = fibers[current].index, b = block_index;
        snprintf(message, sizeof message, "%s, line %d, thread (%u, %u, %u) of block (%u, %u, %u)", what, line, t.x, t.y,
                 t.z, b.x, b.y, b.z);
    }
    wait(DONE, line);
}

inline int min_of(int x, int y) { return x < y ? x : y; }
inline unsigned lane_of(int thread) { return thread % LANES; }

// Wait until all lanes of the mask are here: twice for an exchange, before reading and before the next one.
inline void warp_wait(unsigned mask, int line) {
    Fiber& fiber = fibers[current];
    if (!(mask >> lane_of(current) & 1u)) fail("a lane is not in its own mask", line);
    fiber.mask = mask;
    wait(AT_WARP, line);
}

// A fiber runs a thread of one block after another.
inline void run_fiber() {
    for (;;) {
        body(body_args);
        wait(DONE, 0);
    }
}

__noinline__ inline void resume(int thread) {
    current = thread;
    Fiber& fiber = fibers[thread];
    if (_setjmp(scheduler)) return;
    if (fiber.begun) _longjmp(fiber.place, 1);
    fiber.begun = true;
    static ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks + STACK * thread;
    context.uc_stack.ss_size = STACK;
    makecontext(&context, run_fiber, 0);
    setcontext(&context);
}

// Let the lanes of a warp go on for whom all others of their mask have come. Returns whether there are some.
inline bool release_warp(int first) {
    bool some = false;
    for (int t = first; t < count && t < first + LANES; ++t) {
        if (fibers[t].state != AT_WARP) continue;
        const unsigned mask = fibers[t].mask;
        bool all = true;
        for (int lane = 0; lane < LANES; ++lane) {
            if (!(mask >> lane & 1u)) continue;
            const int other = first + lane;
            all = all && other < count && fibers[other].state == AT_WARP && fibers[other].mask == mask;
        }
        if (!all) continue;
        for (int lane = 0; lane < LANES; ++lane) {
            if (!(mask >> lane & 1u)) continue;
            Fiber& other = fibers[first + lane];
            if (other.line != fibers[t].line) {
                snprintf(message, sizeof message, "lanes of a warp meet at lines %d and %d", fibers[t].line, other.line);
                return false;
            }
            other.state = READY;
        }
        some = true;
    }
    return some;
}

// Let the block go on if all of it waits at one barrier. Returns whether it does.
inline bool release_block() {
    int waiting = 0, done = 0, line = 0;
    for (int t = 0; t < count; ++t) {
        done += fibers[t].state == DONE;
        if (fibers[t].state == AT_BARRIER) {
            if (waiting && fibers[t].line != line) {
                snprintf(message, sizeof message, "threads of block %u wait at the barriers of lines %d and %d",
                         block_index.x, line, fibers[t].line);
                return false;
            }
            line = fibers[t].line;
            ++waiting;
        }
    }
    if (done == count) return false;
    if (waiting == count) {
        for (int t = 0; t < count; ++t) fibers[t].state = READY;
        return true;
    }
    for (int t = 0; t < count && !waiting; ++t) {
        if (fibers[t].state == AT_WARP) line = fibers[t].line;
    }
    snprintf(message, sizeof message, "of %d threads of block %u, %d have ended, and others wait for them at line %d",
             count, block_index.x, done, line);
    return false;
}

inline void run_block(bool backwards) {
    if (__start_emulated_shared) memset(__start_emulated_shared, 0xff, __stop_emulated_shared - __start_emulated_shared);
    const int all = (count + LANES - 1) / LANES;
    memset(warps, 0, all * sizeof(Warp));
    for (int t = 0; t < count; ++t) {
        Fiber& fiber = fibers[t];
        fiber.state = READY;
        fiber.index = {t % block.x, t / block.x % block.y, t / (block.x * block.y)};
    }
    // One warp goes as far as it can before the next, so that one that need not wait is far ahead; between barriers in
    // another order than before.
    do {
        for (int w = 0; w < all; ++w) {
            const int first = (backwards ? all - 1 - w : w) * LANES, size = min_of(LANES, count - first);
            do {
                for (int i = 0; i < size; ++i) {
                    const int thread = first + (backwards ? size - 1 - i : i);
                    if (fibers[thread].state == READY) resume(thread);
                    if (message[0]) return;
                }
            } while (release_warp(first));
            if (message[0]) return;
        }
        backwards = !backwards;
    } while (release_block());
}

inline const char* run(dim3 g, dim3 b, size_t shared, void (*function)(void*), void* args) {
    message[0] = 0;
    grid = g, block = b, body = function, body_args = args;
    count = b.x * b.y * b.z;
    if (count > MOST_THREADS) return "more than 1024 threads";
    if (shared > MOST_DYNAMIC) return "more shared memory than there is";
    if (!stacks) {
        stacks = (char*)mmap(0, STACK * MOST_THREADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                             -1, 0);
        if (stacks == MAP_FAILED) return "no memory for stacks";
    }
    dynamic = dynamic_memory + (MOST_DYNAMIC - shared) / 16 * 16;
    for (unsigned z = 0; z < g.z; ++z) {
        for (unsigned y = 0; y < g.y; ++y) {
            for (unsigned x = 0; x < g.x; ++x) {
                block_index = {x, y, z};
                memset(dynamic, 0xff, shared);
                run_block((x + y + z) % 2);
                if (message[0]) {
                    for (Fiber& fiber : fibers) fiber.begun = false;  // they stand in the middle of threads
                    return message;
                }
            }
        }
    }
    return 0;
}

template <typename T> char kind_of() {
    return std::is_pointer<T>::value ? 'p' : std::is_same<T, bool>::value ? 'b' : std::is_floating_point<T>::value ? 'f'
         : std::is_integral<T>::value ? (std::is_signed<T>::value ? 'i' : 'u') : 's';
}

template <typename... A, size_t... I>
const char* launch_with(void (*kernel)(A...), dim3 g, dim3 b, size_t shared, void** args, const char* kinds,
                        const size_t* sizes, size_t given, std::index_sequence<I...>) {
    const char wanted[] = {kind_of<A>()..., 0};
    const size_t widths[] = {sizeof(A)..., 0};
    if (given != sizeof...(A)) {
        snprintf(message, sizeof message, "got %zu arguments, takes %zu", given, sizeof...(A));
        return message;
    }
    for (size_t i = 0; i < given; ++i) {
        if (kinds[i] != wanted[i] || sizes[i] != widths[i]) {
            snprintf(message, sizeof message, "argument %zu is of kind %c and %zu bytes, the parameter %c and %zu", i,
                     kinds[i], sizes[i], wanted[i], widths[i]);
            return message;
        }
    }
    struct Call {
        void (*kernel)(A...);
        void** args;
        static void run(void* call) {
            Call* c = (Call*)call;
            c->kernel(*(std::remove_reference_t<A>*)c->args[I]...);
        }
    } call = {kernel, args};
    return run(g, b, shared, Call::run, &call);
}

template <typename... A>
const char* launch(void (*kernel)(A...), const unsigned* g, const unsigned* b, size_t shared, void** args,
                   const char* kinds, const size_t* sizes, size_t given) {
    return launch_with(kernel, dim3{g[0], g[1], g[2]}, dim3{b[0], b[1], b[2]}, shared, args, kinds, sizes, given,
                       std::index_sequence_for<A...>());
}

inline void barrier(int line) { wait(AT_BARRIER, line); }

template <typename T> T exchange(unsigned mask, T value, int source, int line) {
    static_assert(sizeof(T) <= 8, "shuffles move up to 8 bytes");
    Warp& warp = warps[current / LANES];
    memcpy(&warp.shown[lane_of(current)], &value, sizeof(T));
    warp_wait(mask, line);
    T got;
    memset(&got, 0xff, sizeof(T));  // from a lane outside of the mask: undefined
    if (mask >> source & 1u) memcpy(&got, &warp.shown[source], sizeof(T));
    warp_wait(mask, line);
    return got;
}

inline unsigned ballot(unsigned mask, bool vote, int line) {
    Warp& warp = warps[current / LANES];
    warp.shown[lane_of(current)] = vote;
    warp_wait(mask, line);
    unsigned all = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        if (mask >> lane & 1u) all |= (unsigned)(warp.shown[lane] != 0) << lane;
    }
    warp_wait(mask, line);
    return all;
}

inline unsigned mask_of(unsigned mask = 0xffffffffu) { return mask; }

}  // namespace emulated

#define threadIdx (emulated::fibers[emulated::current].index)
#define blockIdx emulated::block_index
#define blockDim emulated::block
#define gridDim emulated::grid

#define __syncthreads() emulated::barrier(__LINE__)
#define __syncwarp(...) emulated::ballot(emulated::mask_of(__VA_ARGS__), true, __LINE__)
#define __threadfence() ((void)0)
#define __threadfence_block() ((void)0)
#define __ballot_sync(mask, vote) emulated::ballot(mask, vote, __LINE__)
#define __any_sync(mask, vote) (emulated::ballot(mask, vote, __LINE__) != 0)
#define __all_sync(mask, vote) (emulated::ballot(mask, vote, __LINE__) == (mask))
#define __shfl_sync(mask, value, source) emulated::exchange(mask, value, (source) & 31, __LINE__)
#define __shfl_xor_sync(mask, value, bits) \
    emulated::exchange(mask, value, (int)(emulated::lane_of(emulated::current) ^ (unsigned)(bits)), __LINE__)
#define __shfl_down_sync(mask, value, delta)                                                                     \
    emulated::exchange(mask, value,                                                                              \
                       emulated::lane_of(emulated::current) + (delta) < 32                                       \
                           ? (int)(emulated::lane_of(emulated::current) + (delta))                               \
                           : (int)emulated::lane_of(emulated::current),                                          \
                       __LINE__)
#define __shfl_up_sync(mask, value, delta)                                                                       \
    emulated::exchange(mask, value,                                                                              \
                       (int)emulated::lane_of(emulated::current) - (int)(delta) >= 0                             \
                           ? (int)emulated::lane_of(emulated::current) - (int)(delta)                            \
                           : (int)emulated::lane_of(emulated::current),                                          \
                       __LINE__)

template <typename T> T __ldg(const T* p) { return *p; }
template <typename T> T __ldcs(const T* p) { return *p; }
template <typename T> void __stcs(T* p, T value) { *p = value; }

inline float __int_as_float(int bits) { float x; memcpy(&x, &bits, 4); return x; }
inline float __uint_as_float(unsigned bits) { float x; memcpy(&x, &bits, 4); return x; }
inline int __float_as_int(float x) { int bits; memcpy(&bits, &x, 4); return bits; }
inline unsigned __float_as_uint(float x) { unsigned bits; memcpy(&bits, &x, 4); return bits; }
inline double __longlong_as_double(long long bits) { double x; memcpy(&x, &bits, 8); return x; }
inline long long __double_as_longlong(double x) { long long bits; memcpy(&bits, &x, 8); return bits; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __umulhi(unsigned x, unsigned y) { return (unsigned)((unsigned long long)x * y >> 32); }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
    return (unsigned long long)((unsigned __int128)x * y >> 64);
}
inline float __fdividef(float x, float y) { return x / y; }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fmul_rn(float x, float y) { volatile float z = x * y; return z; }
inline float __fadd_rn(float x, float y) { volatile float z = x + y; return z; }
inline float __fsub_rn(float x, float y) { volatile float z = x - y; return z; }
inline double __dmul_rn(double x, double y) { volatile double z = x * y; return z; }
inline double __dadd_rn(double x, double y) { volatile double z = x + y; return z; }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline void sincospif(float x, float* s, float* c) { *s = sinf(x * 3.14159265358979f), *c = cosf(x * 3.14159265358979f); }
inline void sincospi(double x, double* s, double* c) { *s = sin(x * M_PI), *c = cos(x * M_PI); }

template <typename T> inline T min(T x, T y) { return y < x ? y : x; }
template <typename T> inline T max(T x, T y) { return x < y ? y : x; }
inline long long min(long long x, int y) { return x < y ? x : y; }
inline long long min(int x, long long y) { return x < y ? x : y; }
inline long long max(long long x, int y) { return x > y ? x : y; }
inline long long max(int x, long long y) { return x > y ? x : y; }
inline float min(float x, float y) { return fminf(x, y); }
inline float max(float x, float y) { return fmaxf(x, y); }
inline double min(double x, double y) { return fmin(x, y); }
inline double max(double x, double y) { return fmax(x, y); }

template <typename T> T atomicAdd(T* p, T x) { T old = *p; *p = old + x; return old; }
template <typename T> T atomicSub(T* p, T x) { T old = *p; *p = old - x; return old; }
template <typename T> T atomicMax(T* p, T x) { T old = *p; if (old < x) *p = x; return old; }
template <typename T> T atomicMin(T* p, T x) { T old = *p; if (x < old) *p = x; return old; }
template <typename T> T atomicOr(T* p, T x) { T old = *p; *p = old | x; return old; }
template <typename T> T atomicAnd(T* p, T x) { T old = *p; *p = old & x; return old; }
template <typename T> T atomicExch(T* p, T x) { T old = *p; *p = x; return old; }
template <typename T> T atomicCAS(T* p, T compare, T x) { T old = *p; if (old == compare) *p = x; return old; }

// 16-bit floating point, rounded to the nearest, ties to even.

inline float half_to_float(unsigned short bits) {
    _Float16 value;
    memcpy(&value, &bits, 2);
    return (float)value;
}
inline unsigned short float_to_half(float value) {
    _Float16 rounded = (_Float16)value;
    unsigned short bits;
    memcpy(&bits, &rounded, 2);
    return bits;
}

// The matrix unit: every lane sees what all lanes of the warp hold, and computes its own part.

namespace emulated {

inline float half_of(unsigned word, int which, bool bf) {
    const unsigned short bits = (unsigned short)(word >> (16 * which));
    return bf ? __uint_as_float((unsigned)bits << 16) : half_to_float(bits);
}

inline void multiply_fragments(float d[4], const unsigned a[4], const unsigned b[2], bool bf, int line) {
    Warp& warp = warps[current / LANES];
    const int lane = lane_of(current);
    memcpy(warp.words[lane], a, 16);
    memcpy(warp.words[lane] + 4, b, 8);
    warp_wait(0xffffffffu, line);
    for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + (i / 2) * 8, column = lane % 4 * 2 + i % 2;
        float sum = d[i];
        for (int k = 0; k < 16; ++k) {
            const int within = k % 8;
            const unsigned* of_a = warp.words[row % 8 * 4 + within / 2];
            const unsigned* of_b = warp.words[column * 4 + within / 2];
            sum += half_of(of_a[row / 8 + k / 8 * 2], within % 2, bf) * half_of(of_b[4 + k / 8], within % 2, bf);
        }
        d[i] = sum;
    }
    warp_wait(0xffffffffu, line);
}

}  // namespace emulated

struct half16;
struct bfloat;
template <typename T> inline void mma_16816(float d[4], const unsigned a[4], const unsigned b[2], T) {
    emulated::multiply_fragments(d, a, b, std::is_same<T, bfloat>::value, 0);
}

inline void load_transposed(unsigned b[2], const void* row) {
    const int lane = emulated::lane_of(emulated::current);
    if (lane < 16 && ((uintptr_t)row & 15)) emulated::fail("the address of a row is not aligned", 0);
    emulated::Warp& warp = emulated::warps[emulated::current / emulated::LANES];
    warp.shown[lane] = (unsigned long long)row;
    emulated::warp_wait(0xffffffffu, 0);
    for (int i = 0; i < 2; ++i) {
        const unsigned short* first = (const unsigned short*)warp.shown[8 * i + lane % 4 * 2];
        const unsigned short* second = (const unsigned short*)warp.shown[8 * i + lane % 4 * 2 + 1];
        b[i] = first[lane / 4] | (unsigned)second[lane / 4] << 16;
    }
    emulated::warp_wait(0xffffffffu, 0);
}
