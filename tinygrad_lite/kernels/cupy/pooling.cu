// The maximum and the mean of each window of images (a, *image, b), up to three axes of images, and their gradients.
//
// Nothing but the images and the results is in memory: forward, each image is read once (further reads of windows that
// overlap come from the caches) and each result written once; backward, each element of the gradient has one owner, which
// adds over the windows that hold it in a fixed order, and counts equal maxima anew.

#include "windows.cuh"

// Where element `at` of (a, n0, n1, n2, b) is.
struct Place {
    i64 a, x0, x1, x2, b;
    __device__ Place(index_t at, i64 n0, i64 n1, i64 n2, i64 inner) {
        b = at % (index_t)inner; at /= (index_t)inner;
        x2 = at % (index_t)n2; at /= (index_t)n2;
        x1 = at % (index_t)n1; at /= (index_t)n1;
        x0 = at % (index_t)n0;
        a = at / (index_t)n0;
    }
};

#define EVERY(total)                                                                                  \
    for (index_t at = (index_t)blockIdx.x * blockDim.x + threadIdx.x; at < (index_t)(total);          \
         at += (index_t)gridDim.x * blockDim.x)

// The elements of the window (y0, y1, y2) that lie in the image; `x` is the position of each.
#define ELEMENTS(y0, y1, y2)                                                                          \
    for (i64 w0 = 0; w0 < k0; ++w0)                                                                   \
        for (i64 w1 = 0; w1 < k1; ++w1)                                                               \
            for (i64 w2 = 0, x0 = (y0) * s0 + w0 * g0 - p0, x1 = (y1) * s1 + w1 * g1 - p1, x2; w2 < k2; ++w2) \
                if ((x2 = (y2) * s2 + w2 * g2 - p2, x0 >= 0 && x0 < d0 && x1 >= 0 && x1 < d1 && x2 >= 0 && x2 < d2))

// The windows (y0, y1, y2) that hold the element (e0, e1, e2) of the padded image.
#define WINDOWS(e0, e1, e2)                                                                           \
    for (i64 w0 = 0, y0; w0 < k0; ++w0)                                                               \
        if ((y0 = (e0) - w0 * g0) >= 0 && y0 % s0 == 0 && (y0 /= s0) < o0)                            \
            for (i64 w1 = 0, y1; w1 < k1; ++w1)                                                       \
                if ((y1 = (e1) - w1 * g1) >= 0 && y1 % s1 == 0 && (y1 /= s1) < o1)                    \
                    for (i64 w2 = 0, y2; w2 < k2; ++w2)                                               \
                        if ((y2 = (e2) - w2 * g2) >= 0 && y2 % s2 == 0 && (y2 /= s2) < o2)

#define IMAGE_AT(a, x0, x1, x2, b) (((((a) * d0 + (x0)) * d1 + (x1)) * d2 + (x2)) * inner + (b))
#define WINDOW_AT(a, y0, y1, y2, b) (((((a) * o0 + (y0)) * o1 + (y1)) * o2 + (y2)) * inner + (b))

KERNEL largest(const T* image, T* out, i64 total, i64 inner, GEOMETRY_PARAMETERS) {
    EVERY(total) {
        const Place y(at, o0, o1, o2, inner);
        acc_t<T> most = -(acc_t<T>)INFINITE;
        ELEMENTS(y.x0, y.x1, y.x2) most = larger(most, to_acc(image[IMAGE_AT(y.a, x0, x1, x2, y.b)]));
        out[at] = from_acc<T>(most);
    }
}

// Equal maxima share the gradient; where the maximum is NaN, the NaNs do.
KERNEL largest_gradient(const T* image, const T* out, const T* g, T* result, i64 total, i64 inner, GEOMETRY_PARAMETERS) {
    EVERY(total) {
        const Place e(at, d0, d1, d2, inner);
        const acc_t<T> own = to_acc(image[at]);
        acc_t<T> sum = 0;
        WINDOWS(e.x0 + p0, e.x1 + p1, e.x2 + p2) {
            const i64 window = WINDOW_AT(e.a, y0, y1, y2, e.b);
            const acc_t<T> most = to_acc(out[window]);
            if (own == most || own != own) {
                int count = 0;
                ELEMENTS(y0, y1, y2) {
                    const acc_t<T> other = to_acc(image[IMAGE_AT(e.a, x0, x1, x2, e.b)]);
                    count += other == most || other != other;
                }
                sum += to_acc(g[window]) / (acc_t<T>)count;
            }
        }
        result[at] = from_acc<T>(sum);
    }
}

// What the sum of a window is divided by: a given number, or how many of its elements lie in the image, and if `padded` in
// its padding of p0, p1 and p2 on both sides.
DEVICE acc_t<T> divisor_of(acc_t<T> divisor, bool padded, i64 y0, i64 y1, i64 y2, GEOMETRY_PARAMETERS) {
    if (divisor != (acc_t<T>)0) return divisor;
    i64 count = 1;
    const i64 starts[3] = {y0 * s0 - p0, y1 * s1 - p1, y2 * s2 - p2}, lengths[3] = {d0, d1, d2}, sizes[3] = {k0, k1, k2};
    const i64 borders[3] = {p0, p1, p2};
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
        const i64 border = padded ? borders[axis] : 0, end = starts[axis] + sizes[axis];
        const i64 first = starts[axis] > -border ? starts[axis] : -border;
        const i64 last = end < lengths[axis] + border ? end : lengths[axis] + border;
        count *= last - first;
    }
    return (acc_t<T>)count;
}

#define DIVISOR(y0, y1, y2)                                                                                         \
    divisor_of((acc_t<T>)divisor, padded, y0, y1, y2, d0, d1, d2, k0, k1, k2, o0, o1, o2, s0, s1, s2, p0, p1, p2, g0, \
               g1, g2)

KERNEL mean(const T* image, T* out, i64 total, i64 inner, double divisor, bool padded, GEOMETRY_PARAMETERS) {
    EVERY(total) {
        const Place y(at, o0, o1, o2, inner);
        acc_t<T> sum = 0;
        ELEMENTS(y.x0, y.x1, y.x2) sum += to_acc(image[IMAGE_AT(y.a, x0, x1, x2, y.b)]);
        out[at] = from_acc<T>(sum / DIVISOR(y.x0, y.x1, y.x2));
    }
}

KERNEL mean_gradient(const T* g, T* result, i64 total, i64 inner, double divisor, bool padded, GEOMETRY_PARAMETERS) {
    EVERY(total) {
        const Place e(at, d0, d1, d2, inner);
        acc_t<T> sum = 0;
        WINDOWS(e.x0 + p0, e.x1 + p1, e.x2 + p2) {
            sum += to_acc(g[WINDOW_AT(e.a, y0, y1, y2, e.b)]) / DIVISOR(y0, y1, y2);
        }
        result[at] = from_acc<T>(sum);
    }
}
