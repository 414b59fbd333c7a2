// The elements under each window of images, and their adjoint, for convolution as a product of matrices.
//
// Images are (channels, *image, n), windows' elements (channels, *kernel, *out, n), both up to three axes of images, with
// the batch last, so that neighbouring threads read and write neighbours. Memory moved: `columns` writes its result once
// and reads each image once, further reads of it coming from the caches; `images` the other way round. Each element of a
// sum has one owner, which adds in a fixed order. V elements along the batch are moved at once.

#include "windows.cuh"

// images: strides in elements; n counts packs of V. total: packs of the result.
template <int V>
DEVICE void gather(const T* images, T* result, i64 total, i64 n, i64 channel, i64 i0, i64 i1, i64 i2, i64 batch,
                   GEOMETRY_PARAMETERS) {
    typedef Pack<T, V> P;
    P* to = (P*)result;
    for (index_t at = (index_t)blockIdx.x * blockDim.x + threadIdx.x; at < (index_t)total;
         at += (index_t)gridDim.x * blockDim.x) {
        index_t rest = at;
        const index_t b = rest % (index_t)n; rest /= (index_t)n;
        const index_t q2 = rest % (index_t)o2; rest /= (index_t)o2;
        const index_t q1 = rest % (index_t)o1; rest /= (index_t)o1;
        const index_t q0 = rest % (index_t)o0; rest /= (index_t)o0;
        const index_t w2 = rest % (index_t)k2; rest /= (index_t)k2;
        const index_t w1 = rest % (index_t)k1; rest /= (index_t)k1;
        const index_t w0 = rest % (index_t)k0, c = rest / (index_t)k0;
        const i64 x0 = q0 * s0 + w0 * g0 - p0, x1 = q1 * s1 + w1 * g1 - p1, x2 = q2 * s2 + w2 * g2 - p2;
        P pack;
        if (x0 >= 0 && x0 < d0 && x1 >= 0 && x1 < d1 && x2 >= 0 && x2 < d2) {
            pack = *(const P*)(images + c * channel + x0 * i0 + x1 * i1 + x2 * i2 + (i64)b * V * batch);
        } else {
#pragma unroll
            for (int k = 0; k < V; ++k) pack.at[k] = from_acc<T>((acc_t<T>)0);
        }
        to[at] = pack;
    }
}

KERNEL columns(const T* images, T* result, i64 total, i64 n, i64 channel, i64 i0, i64 i1, i64 i2, i64 batch,
               GEOMETRY_PARAMETERS) {
    gather<1>(images, result, total, n, channel, i0, i1, i2, batch, d0, d1, d2, k0, k1, k2, o0, o1, o2, s0, s1, s2, p0,
              p1, p2, g0, g1, g2);
}

KERNEL columns_packed(const T* images, T* result, i64 total, i64 n, i64 channel, i64 i0, i64 i1, i64 i2, i64 batch,
                      GEOMETRY_PARAMETERS) {
    gather<16 / sizeof(T)>(images, result, total, n, channel, i0, i1, i2, batch, d0, d1, d2, k0, k1, k2, o0, o1, o2, s0,
                           s1, s2, p0, p1, p2, g0, g1, g2);
}

// Both contiguous; n counts packs of V, total packs of the result.
template <int V> DEVICE void scatter(const T* windows, T* result, i64 total, i64 n, GEOMETRY_PARAMETERS) {
    typedef Pack<T, V> P;
    const P* from = (const P*)windows;
    for (index_t at = (index_t)blockIdx.x * blockDim.x + threadIdx.x; at < (index_t)total;
         at += (index_t)gridDim.x * blockDim.x) {
        index_t rest = at;
        const index_t b = rest % (index_t)n; rest /= (index_t)n;
        const i64 x2 = rest % (index_t)d2 + p2; rest /= (index_t)d2;
        const i64 x1 = rest % (index_t)d1 + p1; rest /= (index_t)d1;
        const i64 x0 = rest % (index_t)d0 + p0, c = rest / (index_t)d0;
        acc_t<T> sums[V];
#pragma unroll
        for (int k = 0; k < V; ++k) sums[k] = 0;
        for (i64 w0 = 0; w0 < k0; ++w0) {
            const i64 y0 = x0 - w0 * g0;
            if (y0 < 0 || y0 % s0 || y0 / s0 >= o0) continue;
            for (i64 w1 = 0; w1 < k1; ++w1) {
                const i64 y1 = x1 - w1 * g1;
                if (y1 < 0 || y1 % s1 || y1 / s1 >= o1) continue;
                for (i64 w2 = 0; w2 < k2; ++w2) {
                    const i64 y2 = x2 - w2 * g2;
                    if (y2 < 0 || y2 % s2 || y2 / s2 >= o2) continue;
                    const i64 window = ((y0 / s0) * o1 + y1 / s1) * o2 + y2 / s2, place = ((c * k0 + w0) * k1 + w1) * k2 + w2;
                    const P pack = from[(place * o0 * o1 * o2 + window) * n + b];
#pragma unroll
                    for (int k = 0; k < V; ++k) sums[k] += to_acc(pack.at[k]);
                }
            }
        }
        P made;
#pragma unroll
        for (int k = 0; k < V; ++k) made.at[k] = from_acc<T>(sums[k]);
        ((P*)result)[at] = made;
    }
}

KERNEL images(const T* windows, T* result, i64 total, i64 n, GEOMETRY_PARAMETERS) {
    scatter<1>(windows, result, total, n, d0, d1, d2, k0, k1, k2, o0, o1, o2, s0, s1, s2, p0, p1, p2, g0, g1, g2);
}

KERNEL images_packed(const T* windows, T* result, i64 total, i64 n, GEOMETRY_PARAMETERS) {
    scatter<16 / sizeof(T)>(windows, result, total, n, d0, d1, d2, k0, k1, k2, o0, o1, o2, s0, s1, s2, p0, p1, p2, g0, g1,
                            g2);
}
