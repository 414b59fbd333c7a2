// The functions of expressions with NumPy's results: NaN and its sign, infinities, zeros' signs, integers that wrap.
//
// Every function is given operands of the type in which it computes, float or double or an integer, and returns that
// type; comparisons and tests return bool. 16-bit floating point is computed with as float: see `convert`.

#define FLOATING(name, single, wide)              \
    DEVICE float name(float x) { return single(x); } \
    DEVICE double name(double x) { return wide(x); }
#define FLOATING_PAIR(name, single, wide)                          \
    DEVICE float name(float x, float y) { return single(x, y); } \
    DEVICE double name(double x, double y) { return wide(x, y); }

FLOATING(acos_of, acosf, acos)
FLOATING(acosh_of, acoshf, acosh)
FLOATING(asin_of, asinf, asin)
FLOATING(asinh_of, asinhf, asinh)
FLOATING(atan_of, atanf, atan)
FLOATING(atanh_of, atanhf, atanh)
FLOATING(ceil_of, ceilf, ceil)
FLOATING(cos_of, cosf, cos)
FLOATING(cosh_of, coshf, cosh)
FLOATING(expm1_of, expm1f, expm1)
FLOATING(floor_of, floorf, floor)
FLOATING(log10_of, log10f, log10)
FLOATING(log1p_of, log1pf, log1p)
FLOATING(log2_of, log2f, log2)
FLOATING(sin_of, sinf, sin)
FLOATING(sinh_of, sinhf, sinh)
FLOATING(tan_of, tanf, tan)
FLOATING(tanh_of, tanhf, tanh)
FLOATING(trunc_of, truncf, trunc)
FLOATING_PAIR(atan2_of, atan2f, atan2)
FLOATING_PAIR(copysign_of, copysignf, copysign)
FLOATING_PAIR(fmod_of, fmodf, fmod)
FLOATING_PAIR(hypot_of, hypotf, hypot)
FLOATING_PAIR(nextafter_of, nextafterf, nextafter)
FLOATING_PAIR(pow_of, powf, pow)

// Whole numbers are rounded already.
template <typename T> DEVICE T ceil_of(T x) { return x; }
template <typename T> DEVICE T floor_of(T x) { return x; }
template <typename T> DEVICE T trunc_of(T x) { return x; }

DEVICE bool signbit_of(float x) { return __float_as_int(x) < 0; }
DEVICE bool signbit_of(double x) { return __double_as_longlong(x) < 0; }
template <typename T> DEVICE bool signbit_of(T x) { return x < (T)0; }

DEVICE bool isnan_of(float x) { return x != x; }
DEVICE bool isnan_of(double x) { return x != x; }
template <typename T> DEVICE bool isnan_of(T) { return false; }
DEVICE bool isinf_of(float x) { return fabsf(x) == INFINITE; }
DEVICE bool isinf_of(double x) { return fabs(x) == (double)INFINITE; }
template <typename T> DEVICE bool isinf_of(T) { return false; }
template <typename T> DEVICE bool isfinite_of(T x) { return !isnan_of(x) && !isinf_of(x); }

// Integers are added as unsigned ones, whose overflow is defined; what is narrower than int never reaches its end there.

template <typename T> struct Unsigned { typedef T type; };
template <> struct Unsigned<int> { typedef u32 type; };
template <> struct Unsigned<i64> { typedef u64 type; };
template <> struct Unsigned<short> { typedef u32 type; };
template <> struct Unsigned<u16> { typedef u32 type; };
template <> struct Unsigned<signed char> { typedef u32 type; };
template <> struct Unsigned<u8> { typedef u32 type; };
template <typename T> using unsigned_t = typename Unsigned<T>::type;

template <typename T> DEVICE T add_of(T x, T y) { return (T)((unsigned_t<T>)x + (unsigned_t<T>)y); }
template <typename T> DEVICE T subtract_of(T x, T y) { return (T)((unsigned_t<T>)x - (unsigned_t<T>)y); }
template <typename T> DEVICE T multiply_of(T x, T y) { return (T)((unsigned_t<T>)x * (unsigned_t<T>)y); }
DEVICE bool add_of(bool x, bool y) { return x || y; }
DEVICE bool multiply_of(bool x, bool y) { return x && y; }

template <typename T> DEVICE T negative_of(T x) { return (T)(0 - (unsigned_t<T>)x); }
DEVICE float negative_of(float x) { return -x; }
DEVICE double negative_of(double x) { return -x; }

template <typename T> DEVICE T abs_of(T x) { return x < (T)0 ? negative_of(x) : x; }
DEVICE bool abs_of(bool x) { return x; }
DEVICE float abs_of(float x) { return fabsf(x); }
DEVICE double abs_of(double x) { return fabs(x); }

template <typename T> DEVICE T square_of(T x) { return multiply_of(x, x); }

// 1 / x of a whole number is 0 but for 1 and -1; 1 / 0 is not defined.
template <typename T> DEVICE T reciprocal_of(T x) { return x == (T)1 || (x == (T)-1 && x < (T)0) ? x : (T)0; }
DEVICE float reciprocal_of(float x) { return 1.0f / x; }
DEVICE double reciprocal_of(double x) { return 1.0 / x; }

template <typename T> DEVICE T sign_of(T x) { return (T)((x > (T)0) - (x < (T)0)); }
DEVICE float sign_of(float x) { return isnan_of(x) ? x : (float)((x > 0.0f) - (x < 0.0f)); }
DEVICE double sign_of(double x) { return isnan_of(x) ? x : (double)((x > 0.0) - (x < 0.0)); }

// The largest whole number that is not above x / y, and what remains, which has the sign of y; by 0 both are 0.
template <typename T> DEVICE T floor_divide_of(T x, T y) {
    if (y == (T)0) return (T)0;
    if (y == (T)-1 && (T)-1 < (T)0) return negative_of(x);  // the least number has no opposite: it would be a trap
    const T quotient = (T)(x / y);
    return (T)(quotient * y) != x && ((x < (T)0) != (y < (T)0)) ? (T)(quotient - 1) : quotient;
}
template <typename T> DEVICE T remainder_of(T x, T y) {
    if (y == (T)0 || (y == (T)-1 && (T)-1 < (T)0)) return (T)0;
    const T rest = (T)(x % y);
    return rest != (T)0 && ((rest < (T)0) != (y < (T)0)) ? (T)(rest + y) : rest;
}

// Of floating point, the quotient is a whole number computed from an exact remainder, so that both fit together.
template <typename A> DEVICE A floating_remainder(A x, A y) {
    A rest = fmod_of(x, y);
    if (y == (A)0) return rest;
    if (rest == (A)0) return copysign_of((A)0, y);
    return (y < (A)0) != (rest < (A)0) ? rest + y : rest;
}
template <typename A> DEVICE A floating_quotient(A x, A y) {
    if (y == (A)0) return x / y;
    const A rest = fmod_of(x, y);
    A quotient = (x - rest) / y;
    if (rest != (A)0 && (y < (A)0) != (rest < (A)0)) quotient -= (A)1;
    if (quotient == (A)0) return copysign_of((A)0, x / y);
    const A below = floor_of(quotient);
    return quotient - below > (A)0.5 ? below + (A)1 : below;
}
DEVICE float remainder_of(float x, float y) { return floating_remainder(x, y); }
DEVICE double remainder_of(double x, double y) { return floating_remainder(x, y); }
DEVICE float floor_divide_of(float x, float y) { return floating_quotient(x, y); }
DEVICE double floor_divide_of(double x, double y) { return floating_quotient(x, y); }

// By squaring. NumPy refuses a negative exponent, and a GPU cannot: the result is 1 / x ** -y, rounded towards 0.
template <typename T> DEVICE T pow_of(T x, T y) {
    if (y < (T)0) return x == (T)1 ? x : x == (T)-1 ? ((y & (T)1) ? x : (T)1) : (T)0;
    T power = (T)1;
    for (; y != (T)0; y = (T)(y >> 1)) {
        if (y & (T)1) power = multiply_of(power, x);
        x = multiply_of(x, x);
    }
    return power;
}

template <typename A> DEVICE A logaddexp_of(A x, A y) {
    if (x == y) return x + (A)0.693147180559945309417;  // infinities too, whose difference is NaN
    const A difference = x - y;
    if (difference > (A)0) return x + log1p_of(exp_of(-difference));
    return difference <= (A)0 ? y + log1p_of(exp_of(difference)) : difference;
}

// The value of type A as one of type B: 16-bit floating point is rounded to, and read, through float.
template <typename B, typename A> struct Conversion {
    static __device__ __forceinline__ B of(A x) { return (B)x; }
};
template <typename A> struct Conversion<bool, A> {
    static __device__ __forceinline__ bool of(A x) { return x != (A)0; }
};
template <typename B, typename A> DEVICE B convert(A x) { return Conversion<B, A>::of(x); }

// What is stored as T, from what it is computed with.
template <typename T> DEVICE T stored(acc_t<T> x) { return from_acc<T>(x); }

// N elements from or to memory that is aligned for them, in accesses of up to 16 bytes.
template <int N, typename T> DEVICE void read(const T* from, T (&to)[N]) {
    constexpr int M = N * sizeof(T) <= 16 ? N : 16 / sizeof(T);
#pragma unroll
    for (int i = 0; i < N; i += M) {
        const Pack<T, M> pack = *(const Pack<T, M>*)(from + i);
#pragma unroll
        for (int k = 0; k < M; ++k) to[i + k] = pack.at[k];
    }
}
template <int N, typename T> DEVICE void write(T* to, const T (&from)[N]) {
    constexpr int M = N * sizeof(T) <= 16 ? N : 16 / sizeof(T);
#pragma unroll
    for (int i = 0; i < N; i += M) {
        Pack<T, M> pack;
#pragma unroll
        for (int k = 0; k < M; ++k) pack.at[k] = from[i + k];
        *(Pack<T, M>*)(to + i) = pack;
    }
}

// Arrays that lie apart and stand for one: piece s has the elements bounds[s] to bounds[s + 1] - 1, from `from[s]` on.

template <typename T, int N> struct Pieces {
    i64 bounds[N + 1];
    const T* from[N];
    i64 count;
};

template <typename T, int N> DEVICE int piece_of(const Pieces<T, N>& pieces, i64 at) {
    int first = 0, last = (int)pieces.count - 1;
    while (first < last) {
        const int middle = (first + last + 1) / 2;
        if (pieces.bounds[middle] <= at) {
            first = middle;
        } else {
            last = middle - 1;
        }
    }
    return first;
}

template <typename T, int N> DEVICE T read_piece(const Pieces<T, N>& pieces, i64 at) {
    const int s = piece_of(pieces, at);
    return pieces.from[s][at - pieces.bounds[s]];
}

// A pack within a piece whose memory is aligned is read at once, as most are; else one element after another.
template <int M, typename T, int N> DEVICE void read_pieces(const Pieces<T, N>& pieces, i64 at, T (&to)[M]) {
    const int s = piece_of(pieces, at);
    const T* from = pieces.from[s] + (at - pieces.bounds[s]);
    constexpr int BYTES = M * sizeof(T) <= 16 ? M * sizeof(T) : 16;
    if (at + M <= pieces.bounds[s + 1] && ((u64)from & (BYTES - 1)) == 0) {
        read<M>(from, to);
    } else {
        for (int k = 0; k < M; ++k) to[k] = read_piece(pieces, at + k);
    }
}

// For each element of a pack the value that is kept for its piece.
template <int M, typename T, int N, typename V>
DEVICE void values_of_pieces(const Pieces<T, N>& pieces, const V* values, i64 at, V (&to)[M]) {
    const int s = piece_of(pieces, at);
    const bool whole = at + M <= pieces.bounds[s + 1];
    for (int k = 0; k < M; ++k) to[k] = values[whole ? s : piece_of(pieces, at + k)];
}
