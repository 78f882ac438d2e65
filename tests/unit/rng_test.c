/* Philox against Random123, addresses of streams, and one normal pair against double precision. */
#include <Random123/philox.h>
#include <math.h>

#include "crd_test.h"
#include "kernels/kernels.h"
#include "rng/normal.h"
#include "rng/philox.h"

static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t words[4];
        crd_philox4x32(words, cases[i].counter, cases[i].key);
        assert_memory_equal(words, cases[i].words, sizeof words);
    }
}

static uint32_t next_word(uint64_t *walk)
{
    *walk = *walk * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*walk >> 32);
}

static void philox_equals_random123(void **state)
{
    (void)state;
    uint64_t walk = 1;
    for (int i = 0; i < 1000000; i++) {
        philox4x32_ctr_t counter;
        philox4x32_key_t key;
        for (int word = 0; word < 4; word++)
            counter.v[word] = next_word(&walk);
        for (int word = 0; word < 2; word++)
            key.v[word] = next_word(&walk);
        philox4x32_ctr_t expected = philox4x32_R(10, counter, key);
        uint32_t words[4];
        crd_philox4x32(words, counter.v, key.v);
        assert_memory_equal(words, expected.v, sizeof words);
    }
}

/* Every purpose of the enum: the compiler warns here when one is missing, and refuses two that are
 * equal. */
static int is_purpose(crd_purpose value)
{
    switch (value) {
    case CRD_PURPOSE_WEIGHT:
    case CRD_PURPOSE_SIGN_IN:
    case CRD_PURPOSE_SIGN_OUT:
    case CRD_PURPOSE_ACTIVATION:
    case CRD_PURPOSE_INITIAL_MU:
    case CRD_PURPOSE_INITIAL_RHO:
    case CRD_PURPOSE_DROPOUT:
    case CRD_PURPOSE_AUGMENT:
    case CRD_PURPOSE_SHUFFLE:
    case CRD_PURPOSE_BOOTSTRAP:
    case CRD_PURPOSE_LABEL:
    case CRD_PURPOSE_CHAIN:
    case CRD_PURPOSE_CHAIN_START:
    case CRD_PURPOSE_CHAIN_ACCEPT:
    case CRD_PURPOSE_LOW_RANK:
        return 1;
    }
    return 0;
}

static void purposes_fit_the_counter(void **state)
{
    (void)state;
    int n_fit = 0, n_all = 0;
    for (int value = -1; value < 1 << 20; value++) {
        int known = is_purpose((crd_purpose)value);
        n_all += known;
        n_fit += known && value >= 1 && value <= 255;
    }
    assert_int_equal(n_all, 15);
    assert_int_equal(n_fit, n_all);
}

static int by_words(const void *a, const void *b)
{
    return memcmp(a, b, 4 * sizeof(uint32_t));
}

static void counters_never_coincide(void **state)
{
    (void)state;
    static const uint32_t edges[] = {0, 1, 2, 255, 256, 65536, 0x00ffffff};
    enum { N_EDGES = sizeof edges / sizeof edges[0], N_PURPOSES = 255 };
    static uint32_t counters[N_EDGES * N_EDGES * N_EDGES * N_EDGES * N_PURPOSES][4];
    size_t n = 0;
    for (uint32_t purpose = 1; purpose <= N_PURPOSES; purpose++) {
        for (int i = 0; i < N_EDGES * N_EDGES * N_EDGES * N_EDGES; i++) {
            crd_stream stream = {.draw = edges[i % N_EDGES],
                                 .image = edges[i / N_EDGES % N_EDGES],
                                 .tensor = edges[i / N_EDGES / N_EDGES % N_EDGES],
                                 .purpose = purpose};
            crd_stream_counter(counters[n++], &stream, edges[i / N_EDGES / N_EDGES / N_EDGES]);
        }
    }
    qsort(counters, n, sizeof counters[0], by_words);
    for (size_t i = 1; i < n; i++)
        assert_int_not_equal(by_words(counters[i - 1], counters[i]), 0);
}

/* The address as the header states it, by crd_philox4x32 alone: element e of a stream. */
static float element(const crd_stream *stream, int64_t e)
{
    uint32_t counter[4] = {(uint32_t)(16 * (e / 64) + e % 16), stream->draw, stream->image,
                           stream->tensor * 256 + stream->purpose};
    uint32_t key[2] = {(uint32_t)stream->seed, (uint32_t)(stream->seed >> 32)};
    uint32_t words[4];
    float pair[2];
    crd_philox4x32(words, counter, key);
    int64_t word = e / 16 % 4;
    crd_normal_pair(pair, words[word / 2 * 2], words[word / 2 * 2 + 1]);
    return pair[word % 2];
}

static void elements_have_addresses(void **state)
{
    (void)state;
    static const crd_stream streams[] = {
        {.seed = 0, .purpose = CRD_PURPOSE_WEIGHT},
        {.seed = 0x0123456789abcdef, .draw = 7, .image = 5, .tensor = 3, .purpose = 4},
        {.seed = UINT64_MAX,
         .draw = UINT32_MAX,
         .image = UINT32_MAX,
         .tensor = 0xffffff,
         .purpose = 255},
    };
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        enum { N = 1000 };
        float whole[N], part[N];
        crd_normal_fill(whole, N, 0, &streams[i]);
        for (int64_t e = 0; e < N; e++)
            assert_memory_equal(&whole[e], &(float){element(&streams[i], e)}, sizeof whole[e]);
        for (int64_t first = 0; first < N; first += CRD_STREAM_BLOCK) {
            crd_normal_fill(part, N - first, first, &streams[i]);
            assert_memory_equal(part, whole + first, (size_t)(N - first) * sizeof *whole);
        }
        /* The last elements a stream can have. */
        int64_t last = (INT64_C(1) << 34) - CRD_STREAM_BLOCK;
        crd_normal_fill(part, CRD_STREAM_BLOCK, last, &streams[i]);
        for (int64_t e = 0; e < CRD_STREAM_BLOCK; e++)
            assert_memory_equal(&part[e], &(float){element(&streams[i], last + e)}, sizeof *part);
    }
}

/* Largest relative error of a pair against its definition in double precision. */
static double pair_error(uint32_t a, uint32_t b)
{
    float pair[2];
    crd_normal_pair(pair, a, b);
    /* log1p keeps the digits that 1 - u1 has where u1 is near 1. */
    double u1 = ((double)a + 0.5) / 4294967296.0;
    double log_u1 = u1 < 0.5 ? log(u1) : log1p(-(4294967295.5 - (double)a) / 4294967296.0);
    double r = sqrt(-2.0 * log_u1);
    /* Sine and cosine of the angle from the nearest axis, so that none is lost near a zero. */
    double pi = 3.14159265358979323846;
    double turn = (double)b / 4294967296.0, axis = floor(4.0 * turn + 0.5);
    double s = sin(2.0 * pi * (turn - axis / 4.0)), c = cos(2.0 * pi * (turn - axis / 4.0));
    int quadrant = (int)axis % 4;
    double cosine = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
    double sine = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
    double exact[2] = {r * cosine, r * sine}, worst = 0.0;
    for (int i = 0; i < 2; i++) {
        assert_true(isfinite(pair[i]) && fabsf(pair[i]) < 6.8f);
        double error = exact[i] == 0.0 ? fabs((double)pair[i])
                                       : fabs((double)pair[i] - exact[i]) / fabs(exact[i]);
        worst = fmax(worst, error);
    }
    return worst;
}

static void normals_are_accurate(void **state)
{
    (void)state;
    /* Words at and beside every border: ends, octants, and the change of exponent at sqrt(1/2). */
    uint32_t words[200], root = (uint32_t)(sqrt(0.5) * 4294967296.0);
    size_t n = 0;
    for (uint32_t octant = 0; octant < 8; octant++)
        for (uint32_t beside = 0; beside < 7; beside++)
            words[n++] = (octant << 29) + beside - 3;
    for (uint32_t shift = 0; shift < 32; shift++) {
        words[n++] = (root >> shift) - 1;
        words[n++] = root >> shift;
        words[n++] = UINT32_MAX >> shift;
        words[n++] = ~(UINT32_MAX >> shift);
    }
    double worst = 0.0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            worst = fmax(worst, pair_error(words[i], words[j]));
    uint64_t walk = 2;
    for (int i = 0; i < 2000000; i++) {
        uint32_t a = next_word(&walk), b = next_word(&walk);
        /* Shifted words reach the tail and the surroundings of the axes. */
        worst = fmax(worst, pair_error(a >> (i % 32), b >> (i / 32 % 32)));
        worst = fmax(worst, pair_error(~(a >> (i % 32)), b));
    }
    print_message("largest relative error of a normal: %.2e\n", worst);
    assert_true(worst < 4e-7);
}

/* Tables of wrong moments would be seen at once; the fine test is tests/statistics. */
static void moments_are_standard(void **state)
{
    (void)state;
    enum { CHUNK = 100000, N_CHUNKS = 100 };
    static float eps[CHUNK];
    double sum[5] = {0};
    for (uint32_t chunk = 0; chunk < N_CHUNKS; chunk++) {
        crd_stream stream = {.seed = 3, .draw = chunk, .purpose = CRD_PURPOSE_WEIGHT};
        crd_normal_fill(eps, CHUNK, 0, &stream);
        for (int i = 0; i < CHUNK; i++) {
            double x = (double)eps[i];
            sum[1] += x;
            sum[2] += x * x;
            sum[3] += x * x * x;
            sum[4] += x * x * x * x;
        }
    }
    static const double mean[] = {0, 0, 1, 0, 3}, variance[] = {0, 1, 2, 15, 96};
    double n = (double)CHUNK * N_CHUNKS;
    for (int power = 1; power <= 4; power++) {
        double z = (sum[power] / n - mean[power]) / sqrt(variance[power] / n);
        if (fabs(z) > 5.0)
            fail_msg("moment %d: z = %.2f", power, z);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),     cmocka_unit_test(philox_equals_random123),
        cmocka_unit_test(purposes_fit_the_counter), cmocka_unit_test(counters_never_coincide),
        cmocka_unit_test(elements_have_addresses),  cmocka_unit_test(normals_are_accurate),
        cmocka_unit_test(moments_are_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
