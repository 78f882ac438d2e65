/** The draw loops over `floats` and `words`, WIDTH of them, which the file that includes this one
 * defines for its instruction set: floats_all, _load, _store, _add, _sub, _mul, _fma (a b + c), _sqrt,
 * _flip (its sign changed where the top bit of a word is set), _choose (where the top bit of a word
 * is set the first, elsewhere the second), floats_of_words (of signed ones) and words_of_bits,
 * floats_of_bits (the same bits); words_all, _count (0, 1, ...), _add, _sub, _and, _shift (to the
 * left); words_philox, all rounds of counters whose last three words are alike; and DRAW_TABLE. The
 * operations are those of rng/normal.h, one by one.
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

enum { N_COUNTERS = CRD_STREAM_BLOCK / 4 };

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

/* The words of the counters of superblock `block` from `first` on. */
INLINE void random_words(words out[4], const constants *k, int64_t block, int first)
{
    words index = words_add(words_all((uint32_t)(N_COUNTERS * block + first)), words_count());
    out[0] = index;
    out[1] = k->draw;
    out[2] = k->image;
    out[3] = k->tensor;
    words_philox(out, k->keys);
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

INLINE void normals(floats eps[4], const constants *k, int64_t block, int first)
{
    words random[4];
    random_words(random, k, block, first);
    pairs(eps, random[0], random[1], k->turn);
    pairs(eps + 2, random[2], random[3], k->turn);
}

INLINE void signs(floats out[4], const constants *k, int64_t block, int first)
{
    words random[4];
    random_words(random, k, block, first);
    for (int word = 0; word < 4; word++)
        out[word] = floats_flip(floats_all(1.0f), random[word]);
}

typedef void numbers(floats out[4], const constants *k, int64_t block, int first);

INLINE void superblock(float out[CRD_STREAM_BLOCK], numbers *make, const constants *k,
                       int64_t block)
{
    for (int first = 0; first < N_COUNTERS; first += WIDTH) {
        floats part[4];
        make(part, k, block, first);
        for (int word = 0; word < 4; word++)
            floats_store(out + N_COUNTERS * word + first, part[word]);
    }
}

INLINE void fill(float *out, numbers *make, int64_t n, int64_t first, const crd_stream *stream)
{
    constants k;
    constants_init(&k, stream);
    int64_t n_whole = n - n % CRD_STREAM_BLOCK;
    for (int64_t i = 0; i < n_whole; i += CRD_STREAM_BLOCK)
        superblock(out + i, make, &k, (first + i) / CRD_STREAM_BLOCK);
    if (n_whole == n)
        return;
    float tail[CRD_STREAM_BLOCK];
    superblock(tail, make, &k, (first + n_whole) / CRD_STREAM_BLOCK);
    memcpy(out + n_whole, tail, (size_t)(n - n_whole) * sizeof *out);
}

static void normal_fill(float *out, int64_t n, int64_t first, const crd_stream *stream)
{
    fill(out, normals, n, first, stream);
}

static void sign_fill(float *out, int64_t n, const crd_stream *stream)
{
    fill(out, signs, n, 0, stream);
}

INLINE void draw_any(float *w, const float *mu, const float *sigma, int64_t n, int64_t first,
                     const crd_stream *stream)
{
    constants k;
    constants_init(&k, stream);
    int64_t n_whole = n - n % CRD_STREAM_BLOCK;
    for (int64_t i = 0; i < n_whole; i += CRD_STREAM_BLOCK)
        for (int counter = 0; counter < N_COUNTERS; counter += WIDTH) {
            floats eps[4];
            normals(eps, &k, (first + i) / CRD_STREAM_BLOCK, counter);
            for (int word = 0; word < 4; word++) {
                int64_t e = i + N_COUNTERS * word + counter;
                floats centre = mu != NULL ? floats_load(mu + e) : floats_all(0);
                floats_store(w + e, floats_fma(floats_load(sigma + e), eps[word], centre));
            }
        }
    if (n_whole == n)
        return;
    float tail[CRD_STREAM_BLOCK];
    superblock(tail, normals, &k, (first + n_whole) / CRD_STREAM_BLOCK);
    for (int64_t i = n_whole; i < n; i++)
        w[i] = fmaf(sigma[i], tail[i - n_whole], mu != NULL ? mu[i] : 0.0f);
}

static void draw(float *w, const float *mu, const float *sigma, int64_t n, int64_t first,
                 const crd_stream *stream)
{
    if (mu != NULL)
        draw_any(w, mu, sigma, n, first, stream);
    else
        draw_any(w, NULL, sigma, n, first, stream);
}

#endif
