/* The draw loops in plain C: what every other instruction set must equal bit for bit. */
#include "kernels/variants.h"
#include "rng/normal.h"
#include "rng/philox.h"

/* The words of superblock `block`: element e of it is words[e]. */
static void block_words(uint32_t words[CRD_STREAM_BLOCK], const crd_stream *stream,
                        uint32_t keys[CRD_PHILOX_ROUNDS][2], int64_t block)
{
    for (int lane = 0; lane < 16; lane++) {
        uint32_t c[4];
        crd_stream_counter(c, stream, (uint32_t)(16 * block + lane));
        crd_philox_rounds(c, keys);
        for (int word = 0; word < 4; word++)
            words[16 * word + lane] = c[word];
    }
}

static void block_normals(float eps[CRD_STREAM_BLOCK], const crd_stream *stream,
                          uint32_t keys[CRD_PHILOX_ROUNDS][2], int64_t block)
{
    uint32_t words[CRD_STREAM_BLOCK];
    block_words(words, stream, keys, block);
    for (int i = 0; i < CRD_STREAM_BLOCK; i++) {
        if (i / 16 % 2 == 1)
            continue; /* made together with its partner, 16 elements before it */
        float pair[2];
        crd_normal_pair(pair, words[i], words[i + 16] + crd_stream_turn(stream));
        eps[i] = pair[0];
        eps[i + 16] = pair[1];
    }
}

static int64_t block_length(int64_t n, int64_t i)
{
    return n - i < CRD_STREAM_BLOCK ? n - i : CRD_STREAM_BLOCK;
}

static void normal_fill(float *out, int64_t n, int64_t first, const crd_stream *stream)
{
    uint32_t keys[CRD_PHILOX_ROUNDS][2];
    crd_stream_keys(keys, stream);
    for (int64_t i = 0; i < n; i += CRD_STREAM_BLOCK) {
        float eps[CRD_STREAM_BLOCK];
        block_normals(eps, stream, keys, (first + i) / CRD_STREAM_BLOCK);
        memcpy(out + i, eps, (size_t)block_length(n, i) * sizeof *out);
    }
}

static void draw(float *w, const float *mu, const float *sigma, int64_t n, int64_t first,
                 const crd_stream *stream)
{
    uint32_t keys[CRD_PHILOX_ROUNDS][2];
    crd_stream_keys(keys, stream);
    for (int64_t i = 0; i < n; i += CRD_STREAM_BLOCK) {
        float eps[CRD_STREAM_BLOCK];
        block_normals(eps, stream, keys, (first + i) / CRD_STREAM_BLOCK);
        for (int64_t e = 0; e < block_length(n, i); e++)
            w[i + e] = fmaf(sigma[i + e], eps[e], mu != NULL ? mu[i + e] : 0.0f);
    }
}

static void sign_fill(float *out, int64_t n, const crd_stream *stream)
{
    uint32_t keys[CRD_PHILOX_ROUNDS][2];
    crd_stream_keys(keys, stream);
    for (int64_t i = 0; i < n; i += CRD_STREAM_BLOCK) {
        uint32_t words[CRD_STREAM_BLOCK];
        block_words(words, stream, keys, i / CRD_STREAM_BLOCK);
        for (int64_t e = 0; e < block_length(n, i); e++)
            out[i + e] = words[e] >> 31 ? -1.0f : 1.0f;
    }
}

const crd_kernels crd_kernels_ref = {
    .name = "ref",
    .normal_fill = normal_fill,
    .draw = draw,
    .sign_fill = sign_fill,
    .conv = &crd_conv_kernels_ref,
    .bf16 = &crd_bf16_kernels_ref,
    .param = &crd_param_kernels_ref,
    .elementwise = &crd_elementwise_kernels_ref,
};
