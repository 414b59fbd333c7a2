// Windows on images of up to three axes, numbered 0 to 2: lengths d of the image, k of a window, counts o of windows, steps
// s between windows, padding p before the image, gaps g between the elements of a window.

typedef INDEX index_t;

#define GEOMETRY_PARAMETERS                                                                                          \
    i64 d0, i64 d1, i64 d2, i64 k0, i64 k1, i64 k2, i64 o0, i64 o1, i64 o2, i64 s0, i64 s1, i64 s2, i64 p0, i64 p1,  \
        i64 p2, i64 g0, i64 g1, i64 g2
