/** The `lanes` of kernels/conv_body.h, 16 floats, as two `floats` of 8, which the file that
 * includes this one has defined: the same functions of 8, floats_transpose of 8 x 8; and
 * floats_load_four. */
#ifndef CRD_KERNELS_LANES_H
#define CRD_KERNELS_LANES_H

typedef struct lanes {
    floats low, high;
} lanes;

static inline lanes lanes_all(float value)
{
    return (lanes){floats_all(value), floats_all(value)};
}

static inline lanes lanes_zero(void)
{
    return lanes_all(0);
}

static inline lanes lanes_load(const float *from)
{
    return (lanes){floats_load(from), floats_load(from + 8)};
}

static inline void lanes_store(float *to, lanes x)
{
    floats_store(to, x.low);
    floats_store(to + 8, x.high);
}

static inline lanes lanes_load_n(const float *from, int n)
{
    return (lanes){floats_load_n(from, n), floats_load_n(from + 8, n - 8)};
}

static inline void lanes_store_n(float *to, lanes x, int n)
{
    floats_store_n(to, x.low, n);
    floats_store_n(to + 8, x.high, n - 8);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return (lanes){floats_add(a.low, b.low), floats_add(a.high, b.high)};
}

static inline lanes lanes_sub(lanes a, lanes b)
{
    return (lanes){floats_sub(a.low, b.low), floats_sub(a.high, b.high)};
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    return (lanes){floats_mul(a.low, b.low), floats_mul(a.high, b.high)};
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes){floats_fma(a.low, b.low, c.low), floats_fma(a.high, b.high, c.high)};
}

static inline lanes lanes_max(lanes a, lanes b)
{
    return (lanes){floats_max(a.low, b.low), floats_max(a.high, b.high)};
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return (lanes){floats_min(a.low, b.low), floats_min(a.high, b.high)};
}

static inline lanes lanes_even(lanes a, lanes b)
{
    return (lanes){floats_even(a.low, a.high), floats_even(b.low, b.high)};
}

static inline lanes lanes_odd(lanes a, lanes b)
{
    return (lanes){floats_odd(a.low, a.high), floats_odd(b.low, b.high)};
}

/* Four blocks of 8 x 8, the two beside the diagonal exchanged. */
static inline void lanes_transpose(lanes r[16])
{
    floats blocks[2][2][8];
    for (int i = 0; i < 16; i++) {
        blocks[i / 8][0][i % 8] = r[i].low;
        blocks[i / 8][1][i % 8] = r[i].high;
    }
    for (int block = 0; block < 4; block++)
        floats_transpose(blocks[block / 2][block % 2]);
    for (int i = 0; i < 16; i++)
        r[i] = (lanes){blocks[0][i / 8][i % 8], blocks[1][i / 8][i % 8]};
}

static inline void lanes_load_four(lanes r[4], const float *from, int64_t step)
{
    floats low[4], high[4];
    floats_load_four(low, from, step);
    floats_load_four(high, from + 8 * step, step);
    for (int k = 0; k < 4; k++)
        r[k] = (lanes){low[k], high[k]};
}

#endif
