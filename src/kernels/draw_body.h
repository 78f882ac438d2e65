/** The draw loops over `floats` and `words`, WIDTH of them, which the file that includes this one
 * defines for its instruction set: floats_all, _load, _store, _add, _sub, _mul, _fma (a b + c),
 * _sqrt, _flip (its sign changed where the top bit of a word is set), _choose (where the top bit
 * of a word is set the first, elsewhere the second), floats_of_words (of signed ones) and
 * words_of_bits, floats_of_bits (the same bits); words_all, _count (0, 1, ...), _load, _store,
 * _add, _sub, _and, _shift (to the left); words_philox, all rounds of N_SIDE_BY_SIDE times WIDTH
 * counters whose last three words are alike. The operations are those of rng/normal.h, one by one.
 *
 * A superblock of 64 elements is made from 16 counters, WIDTH at once, without a shuffle of lanes:
 * lane l of their word w is element 16 w + l.
 */
#ifndef CRD_KERNELS_DRAW_BODY_H
#define CRD_KERNELS_DRAW_BODY_H

#include "kernels/variants.h"
#include "rng/normal.h"
#include "rng/philox.h"

#define INLINE static inline __attribute__((always_inline))

/* AHEAD_FLOATS: between what is drawn and what is asked for of mu and sigma, so that it comes from
 * the far caches meanwhile. */
enum { N_COUNTERS = CRD_STREAM_BLOCK / 4, AHEAD_FLOATS = 1024, CACHE_LINE_FLOATS = 16 };

/* What is the same for all blocks of a stream. */
typedef struct constants {
    words keys[CRD_PHILOX_ROUNDS][2];
    words draw, image, tensor;
    words turn; /* from an angle to its quadrant */
} constants;

INLINE void constants_init(constants *k, const crd_stream *stream)
{
    uint32_t keys[CRD_PHILOX_ROUNDS][2], counter[4];
    crd_stream_keys(keys, stream);
    crd_stream_counter(counter, stream, 0);
    for (int round = 0; round < CRD_PHILOX_ROUNDS; round++) {
        k->keys[round][0] = words_all(keys[round][0]);
        k->keys[round][1] = words_all(keys[round][1]);
    }
    k->draw = words_all(counter[1]);
    k->image = words_all(counter[2]);
    k->tensor = words_all(counter[3]);
    k->turn = words_all(0x20000000u + crd_stream_turn(stream));
}

/* The random words of `n_blocks` superblocks from `block` on, element by element; after them `out`
 * has room for those of N_SIDE_BY_SIDE - 1 more. */
INLINE void random_words(uint32_t *out, const constants *k, int64_t block, int n_blocks)
{
    for (int counter = 0; counter < n_blocks * N_COUNTERS; counter += N_SIDE_BY_SIDE * WIDTH) {
        words c[N_SIDE_BY_SIDE][4];
        CRD_UNROLLED for (int i = 0; i < N_SIDE_BY_SIDE; i++)
        {
            uint32_t first = (uint32_t)(N_COUNTERS * block + counter + i * WIDTH);
            c[i][0] = words_add(words_all(first), words_count());
            c[i][1] = k->draw;
            c[i][2] = k->image;
            c[i][3] = k->tensor;
        }
        words_philox(c, k->keys);
        CRD_UNROLLED for (int i = 0; i < N_SIDE_BY_SIDE; i++)
        {
            int first = counter + i * WIDTH;
            uint32_t *to = out + 4 * (first - first % N_COUNTERS) + first % N_COUNTERS;
            CRD_UNROLLED for (int word = 0; word < 4; word++)
                words_store(to + N_COUNTERS * word, c[i][word]);
        }
    }
}

/* One step of a polynomial: p t + c. */
INLINE floats horner(floats p, floats t, float c)
{
    return floats_fma(p, t, floats_all(c));
}

/* crd_normal_radius. */
INLINE floats radius(words a)
{
    floats one = floats_all(1.0f);
    floats x = horner(floats_of_words(a), floats_all(0x1p-32f), 0x1p-33f);
    words bits = words_of_bits(floats_choose(a, floats_add(x, one), x));
    words exponent =
        words_and(words_sub(bits, words_all(CRD_NORMAL_SQRT_HALF)), words_all(CRD_NORMAL_EXPONENT));
    floats mantissa = floats_of_bits(words_sub(bits, exponent));
    /* The exponent is never positive, so its sign bit tells it from 0. */
    floats t = floats_choose(exponent, floats_sub(mantissa, one), x);
    floats p = floats_all(CRD_NORMAL_L7);
    p = horner(p, t, CRD_NORMAL_L6);
    p = horner(p, t, CRD_NORMAL_L5);
    p = horner(p, t, CRD_NORMAL_L4);
    p = horner(p, t, CRD_NORMAL_L3);
    p = horner(p, t, CRD_NORMAL_L2);
    p = horner(p, t, CRD_NORMAL_L1);
    p = horner(p, t, CRD_NORMAL_L0);
    return floats_sqrt(floats_fma(floats_of_words(exponent), floats_all(CRD_NORMAL_EXPONENT_SCALE),
                                  floats_mul(p, t)));
}

/* crd_normal_pair. */
INLINE void pairs(floats out[2], words a, words b, words turn)
{
    floats r = radius(a);
    floats z = floats_mul(floats_of_words(words_shift(b, 2)), floats_all(0x1p-32f));
    words quadrant = words_add(b, turn);
    floats zz = floats_mul(z, z);
    floats s = horner(floats_all(CRD_NORMAL_S3), zz, CRD_NORMAL_S2);
    s = horner(s, zz, CRD_NORMAL_S1);
    s = horner(s, zz, CRD_NORMAL_S0);
    s = floats_mul(s, z);
    floats c = horner(floats_all(CRD_NORMAL_C3), zz, CRD_NORMAL_C2);
    c = horner(c, zz, CRD_NORMAL_C1);
    c = horner(c, zz, CRD_NORMAL_C0);
    words swap = words_shift(quadrant, 1);
    floats cosine =
        floats_flip(floats_choose(swap, s, c), words_add(quadrant, words_all(0x40000000u)));
    floats sine = floats_flip(floats_choose(swap, c, s), quadrant);
    out[0] = floats_mul(r, cosine);
    out[1] = floats_mul(r, sine);
}

/* Four numbers of each of WIDTH counters, from their random words. */
typedef void numbers(floats out[4], const uint32_t *random, const constants *k);

INLINE void normals(floats eps[4], const uint32_t *random, const constants *k)
{
    for (int word = 0; word < 4; word += 2)
        pairs(eps + word, words_load(random + N_COUNTERS * word),
              words_load(random + N_COUNTERS * (word + 1)), k->turn);
}

INLINE void signs(floats out[4], const uint32_t *random, const constants *k)
{
    (void)k;
    for (int word = 0; word < 4; word++)
        out[word] = floats_flip(floats_all(1.0f), words_load(random + N_COUNTERS * word));
}

/* One superblock of mu + sigma * number; a NULL sigma stands for 1 and no mu, a NULL mu for 0. */
INLINE void superblock(float *out, const float *mu, const float *sigma, numbers *make,
                       const uint32_t *random, const constants *k)
{
    for (int e = 0; e < CRD_STREAM_BLOCK; e += CACHE_LINE_FLOATS) {
        if (sigma != NULL)
            __builtin_prefetch(sigma + e + AHEAD_FLOATS);
        if (mu != NULL)
            __builtin_prefetch(mu + e + AHEAD_FLOATS);
    }
    for (int counter = 0; counter < N_COUNTERS; counter += WIDTH) {
        floats x[4];
        make(x, random + counter, k);
        for (int word = 0; word < 4; word++) {
            int e = N_COUNTERS * word + counter;
            if (sigma != NULL)
                x[word] = floats_fma(floats_load(sigma + e), x[word],
                                     mu != NULL ? floats_load(mu + e) : floats_all(0));
            floats_store(out + e, x[word]);
        }
    }
}

/* The random words of so many superblocks are made before the first is used, and stay in L1: so the
 * long chains of Philox fill the CPU's window of instructions side by side, and then those of the
 * normals do, where it would wait for each if they came in turns. */
enum { N_AHEAD = 8 };

/* superblock() for `n` elements from `first` on, a multiple of CRD_STREAM_BLOCK. */
INLINE void stretch(float *out, const float *mu, const float *sigma, int64_t n, int64_t first,
                    const crd_stream *stream, numbers *make)
{
    constants k;
    constants_init(&k, stream);
    _Alignas(64) uint32_t random[(N_AHEAD + N_SIDE_BY_SIDE - 1) * CRD_STREAM_BLOCK];
    for (int64_t i = 0; i < n; i += CRD_STREAM_BLOCK) {
        int64_t ahead = i / CRD_STREAM_BLOCK % N_AHEAD, left = n - i;
        if (ahead == 0) {
            int64_t n_blocks = (left + CRD_STREAM_BLOCK - 1) / CRD_STREAM_BLOCK;
            random_words(random, &k, (first + i) / CRD_STREAM_BLOCK,
                         (int)(n_blocks < N_AHEAD ? n_blocks : N_AHEAD));
        }
        const uint32_t *here = random + CRD_STREAM_BLOCK * ahead;
        if (left >= CRD_STREAM_BLOCK) {
            superblock(out + i, mu != NULL ? mu + i : NULL, sigma != NULL ? sigma + i : NULL, make,
                       here, &k);
        } else {
            float tail[CRD_STREAM_BLOCK];
            superblock(tail, NULL, NULL, make, here, &k);
            for (int64_t j = 0; j < left; j++)
                out[i + j] = sigma == NULL
                                 ? tail[j]
                                 : fmaf(sigma[i + j], tail[j], mu != NULL ? mu[i + j] : 0.0f);
        }
    }
}

static void normal_fill(float *out, int64_t n, int64_t first, const crd_stream *stream)
{
    stretch(out, NULL, NULL, n, first, stream, normals);
}

static void sign_fill(float *out, int64_t n, const crd_stream *stream)
{
    stretch(out, NULL, NULL, n, 0, stream, signs);
}

static void draw(float *w, const float *mu, const float *sigma, int64_t n, int64_t first,
                 const crd_stream *stream)
{
    if (mu != NULL)
        stretch(w, mu, sigma, n, first, stream, normals);
    else
        stretch(w, NULL, sigma, n, first, stream, normals);
}

#endif
