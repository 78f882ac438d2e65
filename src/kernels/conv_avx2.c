/* The loops of convolution with AVX2: 16 channels are two registers, and a tile of 6 pixels fills 12
 * of 16. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define PANELS 1
#define MAX_WIDTH 3
#define CONV_TABLE crd_conv_kernels_avx2

typedef struct lanes {
    __m256 low, high;
} lanes;

static inline lanes lanes_zero(void)
{
    return (lanes){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

static inline lanes lanes_all(float value)
{
    return (lanes){_mm256_set1_ps(value), _mm256_set1_ps(value)};
}

static inline lanes lanes_load(const float *from)
{
    return (lanes){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

static inline void lanes_store(float *to, lanes x)
{
    _mm256_storeu_ps(to, x.low);
    _mm256_storeu_ps(to + 8, x.high);
}

/* All bits set in the lanes whose number is below n. */
static inline __m256i first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}

static inline lanes lanes_load_n(const float *from, int n)
{
    return (lanes){_mm256_maskload_ps(from, first(n)), _mm256_maskload_ps(from + 8, first(n - 8))};
}

static inline void lanes_store_n(float *to, lanes x, int n)
{
    _mm256_maskstore_ps(to, first(n), x.low);
    _mm256_maskstore_ps(to + 8, first(n - 8), x.high);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return (lanes){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

static inline lanes lanes_sub(lanes a, lanes b)
{
    return (lanes){_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    return (lanes){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

static inline lanes lanes_max(lanes a, lanes b)
{
    return (lanes){_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}

static inline void transpose8(__m256 r[8])
{
    __m256 t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            __m256d a = _mm256_castps_pd(t[i + k]), b = _mm256_castps_pd(t[i + 2 + k]);
            r[i + 2 * k] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
            r[i + 2 * k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
        }
    for (int i = 0; i < 4; i++) {
        __m256 a = r[i], b = r[4 + i];
        r[i] = _mm256_permute2f128_ps(a, b, 0x20);
        r[4 + i] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}

/* Four blocks of 8 x 8, the two beside the diagonal exchanged. */
static inline void lanes_transpose(lanes r[16])
{
    __m256 blocks[2][2][8];
    for (int i = 0; i < 16; i++) {
        blocks[i / 8][0][i % 8] = r[i].low;
        blocks[i / 8][1][i % 8] = r[i].high;
    }
    for (int block = 0; block < 4; block++)
        transpose8(blocks[block / 2][block % 2]);
    for (int i = 0; i < 16; i++)
        r[i] = (lanes){blocks[0][i / 8][i % 8], blocks[1][i / 8][i % 8]};
}

#include "kernels/conv_body.h"
