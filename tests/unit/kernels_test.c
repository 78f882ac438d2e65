/* Every table of kernels gives the reference's bits; the choice among them; the matrix product. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#include <inttypes.h>
#include <math.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "crd_test.h"
#include "kernels/kernels.h"
#include "kernels/variants.h"

#define N_LONG 1000003
/* What a kernel must not touch, before and behind its output. */
#define GUARD 64
#define GUARD_BYTE 0xa5

static float *mu, *sigma, *expected, *actual;

static int setup(void **state)
{
    (void)state;
    crd_status status;
    CRD_ALLOC(&mu, N_LONG + 1, "mu");
    CRD_ALLOC(&sigma, N_LONG + 1, "sigma");
    CRD_ALLOC(&expected, N_LONG + 2 * GUARD, "expected");
    CRD_ALLOC(&actual, N_LONG + 2 * GUARD, "actual");
    for (int64_t i = 0; i < N_LONG + 1; i++) {
        mu[i] = (float)(i % 1009 - 504) * 1e-3f;
        sigma[i] = (float)(i % 313) * 1e-4f;
    }
cleanup:
    return (int)status;
}

static int teardown(void **state)
{
    (void)state;
    crd_free(actual);
    crd_free(expected);
    crd_free(sigma);
    crd_free(mu);
    return 0;
}

/* All entries of a table over n elements; one element further on, so that nothing is aligned. */
typedef void entry(const crd_kernels *kernels, float *out, int64_t n, int64_t first,
                   const crd_stream *stream);

static void normals(const crd_kernels *kernels, float *out, int64_t n, int64_t first,
                    const crd_stream *stream)
{
    kernels->normal_fill(out, n, first, stream);
}

static void weights(const crd_kernels *kernels, float *out, int64_t n, int64_t first,
                    const crd_stream *stream)
{
    kernels->draw(out, mu + 1, sigma + 1, n, first, stream);
}

static void perturbations(const crd_kernels *kernels, float *out, int64_t n, int64_t first,
                          const crd_stream *stream)
{
    kernels->draw(out, NULL, sigma + 1, n, first, stream);
}

static void weights_in_place(const crd_kernels *kernels, float *out, int64_t n, int64_t first,
                             const crd_stream *stream)
{
    memcpy(out, mu, (size_t)n * sizeof *out);
    kernels->draw(out, out, sigma, n, first, stream);
}

static void signs(const crd_kernels *kernels, float *out, int64_t n, int64_t first,
                  const crd_stream *stream)
{
    (void)first;
    kernels->sign_fill(out, n, stream);
}

static entry *const entries[] = {normals, weights, perturbations, weights_in_place, signs};
static const char *const entry_names[] = {"normal_fill", "draw", "draw without mu", "draw in place",
                                          "sign_fill"};
#define N_ENTRIES ((int)(sizeof entries / sizeof entries[0]))

static void compare(int64_t n, int64_t first, const crd_stream *stream)
{
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    size_t bytes = (size_t)(n + 2 * GUARD) * sizeof *actual;
    for (int i = 0; i < N_ENTRIES; i++) {
        memset(expected, GUARD_BYTE, bytes);
        entries[i](&crd_kernels_ref, expected + GUARD + 1, n, first, stream);
        for (int table = 0; table < n_tables; table++) {
            memset(actual, GUARD_BYTE, bytes);
            entries[i](tables[table], actual + GUARD + 1, n, first, stream);
            if (memcmp(actual, expected, bytes) != 0)
                fail_msg("%s of %s differs from ref: n %lld, first %lld", entry_names[i],
                         tables[table]->name, (long long)n, (long long)first);
        }
    }
}

static void tables_give_the_same_bits(void **state)
{
    (void)state;
    crd_stream stream = {.seed = 0xfedcba9876543210,
                         .draw = 1,
                         .image = 2,
                         .tensor = 0xabcdef,
                         .purpose = CRD_PURPOSE_WEIGHT};
    for (int64_t n = 0; n <= 200; n++) {
        stream.draw++;
        stream.negated ^= 1;
        compare(n, CRD_STREAM_BLOCK * n, &stream);
    }
    compare(N_LONG, 0, &stream);
    stream.purpose = CRD_PURPOSE_SIGN_IN;
    compare(N_LONG, INT64_C(1) << 33, &stream);
    compare(CRD_STREAM_BLOCK - 1, (INT64_C(1) << 34) - CRD_STREAM_BLOCK, &stream);
}

/* Made on x86-64; a million elements of every entry have the same bits on every kind of CPU. */
static void draws_are_the_same_on_every_cpu(void **state)
{
    (void)state;
    static const uint64_t digests[N_ENTRIES] = {
        UINT64_C(0x1d52994d3ad7f252), UINT64_C(0x92dd2009bd8958aa), UINT64_C(0x2876132ed604850e),
        UINT64_C(0x03a104511e30d258), UINT64_C(0x451bf42f8c1a038f)};
    crd_stream stream = {
        .seed = 0x0123456789abcdef, .draw = 3, .tensor = 5, .purpose = CRD_PURPOSE_WEIGHT};
    for (int i = 0; i < N_ENTRIES; i++) {
        entries[i](crd_kernels_get(), actual, N_LONG, 64, &stream);
        uint64_t digest = XXH3_64bits(actual, N_LONG * sizeof *actual);
        if (digest != digests[i])
            fail_msg("%s: digest %016" PRIx64, entry_names[i], digest);
    }
}

static void negated_normals_differ_in_the_sign_alone(void **state)
{
    (void)state;
    enum { N = 10000 };
    static float eps[2][N], signs[2][N];
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    crd_stream stream = {.seed = 9, .draw = 4, .tensor = 2, .purpose = CRD_PURPOSE_WEIGHT};
    for (int table = 0; table < n_tables; table++) {
        for (stream.negated = 0; stream.negated < 2; stream.negated++) {
            tables[table]->normal_fill(eps[stream.negated], N, 0, &stream);
            tables[table]->sign_fill(signs[stream.negated], N, &stream);
        }
        for (int i = 0; i < N; i++)
            eps[1][i] = -eps[1][i];
        assert_memory_equal(eps[0], eps[1], sizeof eps[0]);
        assert_memory_equal(signs[0], signs[1], sizeof signs[0]);
    }
}

enum { MOST = 1000 };

/* The loops over arrays, on n elements that begin anywhere, into one another and in place. */
static void run_elementwise(float *out, const crd_elementwise_kernels *k, int which, int64_t n)
{
    const float *a = mu + 1, *b = sigma + 2, *c = mu + 3;
    switch (which) {
    case 0:
        k->add(out, a, b, n);
        break;
    case 1:
        k->multiply(out, a, b, n);
        break;
    case 2:
        k->multiply_add(out, a, b, c, n);
        break;
    case 3:
        k->add_product(out, out, 2, a, b, n);
        break;
    case 4:
        k->scale_shift(out, a, 1.7F, -0.3F, n);
        break;
    case 5:
        k->relu(out, out, n);
        break;
    case 6:
    case 7:
        k->relu_backward(out, out, a, n, which == 7);
        break;
    case 8:
    case 9:
        k->norm_backward(out, a, b, 0.9F, 0.2F, -0.1F, n, which == 9);
        break;
    case 10:
        k->add_noise(out, a, b, c, n);
        break;
    case 11:
        k->noise_backward(out, a, c, b, n);
        break;
    case 12:
        k->deviation(out, b, n);
        break;
    case 13:
        k->maximum(out, a, out, n);
        break;
    case 14:
        k->every_second(out, mu + 1, n);
        break;
    case 15:
        k->softmax(out, a, n);
        break;
    case 16:
        k->softmax_backward(out, out, a, n);
        break;
    case 17:
        k->add_rows(out, a, b, mu + 7, 5, 11, n);
        break;
    case 18:
        k->scale(out, out, 1.7F, n);
        break;
    case 19:
        k->sum_rows(out, mu + 3, 7, n);
        break;
    case 20:
    case 21: {
        static double mean[MOST], squares[MOST];
        memset(mean, 0, sizeof mean);
        memset(squares, 0, sizeof squares);
        k->add_shares(mean, a, 3, n);
        k->add_shares(mean, b, 3, n);
        k->add_squares(squares, a, mean, n);
        k->add_squares(squares, c, mean, n);
        if (which == 20)
            k->normalize(out, a, mean, squares, 1.7, -0.3, n);
        else
            for (int64_t i = 0; i < n; i++)
                out[i] = (float)(mean[i] + 1e3 * squares[i]);
        break;
    }
    default: {
        double sums[2] = {k->sum(a, n), k->sum_products(a, 0.1, b, 0.02, n)};
        memcpy(out, sums, sizeof sums);
    }
    }
}

static void loops_over_arrays_give_the_same_bits(void **state)
{
    (void)state;
    enum { N_LOOPS = 23 };
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    for (int64_t n = 1; n < MOST; n = n < 70 ? n + 1 : n * 3)
        for (int which = 0; which < N_LOOPS; which++)
            for (int table = 0; table < n_tables; table++) {
                size_t bytes = (size_t)(MOST + GUARD) * sizeof *actual;
                memcpy(expected, mu + 5, bytes);
                memcpy(actual, mu + 5, bytes);
                run_elementwise(expected, crd_kernels_ref.elementwise, which, n);
                run_elementwise(actual, tables[table]->elementwise, which, n);
                assert_memory_equal(actual, expected, bytes);
            }
}

/* And they are what they say, of values that matter. */
static void loops_over_arrays_are_right(void **state)
{
    (void)state;
    const float x[5] = {-1, 0, 2, NAN, -0.0F}, dout[5] = {3, 4, 5, 6, 7};
    const float sd[5] = {0, 1, 2, 4, 0.5F}, eps[5] = {1, 2, -3, 0, 1};
    for (int table = 0; table < crd_n_variants; table++) {
        const crd_elementwise_kernels *k = crd_variants[table].table->elementwise;
        float out[5] = {1, 1, 1, 1, 1};
        if (!crd_variants[table].runs_here())
            continue;
        k->relu_backward(out, dout, x, 5, 1);
        assert_memory_equal(out, ((const float[]){1, 1, 6, 1, 1}), sizeof out);
        k->relu(out, x, 5);
        assert_true(out[0] == 0 && out[2] == 2 && isnan(out[3]));
        k->maximum(out, x, ((const float[]){1, NAN, 1, 1, -1}), 5);
        assert_true(out[0] == 1 && isnan(out[1]) && out[2] == 2 && isnan(out[3]) && out[4] == 0);
        k->every_second(out, x, 3);
        assert_memory_equal(out, ((const float[]){-1, 2, -0.0F}), 3 * sizeof out[0]);
        k->add_rows(out, eps, ((const float[]){2, -1}), dout, 2, 1, 4); /* rows overlap here */
        assert_memory_equal(out, ((const float[]){3, 5, 1, 5}), 4 * sizeof out[0]);
        k->scale(out, ((const float[]){1, -2, 0, 4, -0.0F}), 3, 5);
        assert_memory_equal(out, ((const float[]){3, -6, 0, 12, -0.0F}), sizeof out);
        k->sum_rows(out, ((const float[]){1, 2, 30, 40}), 2, 2);
        assert_memory_equal(out, ((const float[]){31, 42}), 2 * sizeof out[0]);
        double mean[2] = {0, 1}, squares[2] = {0, 2};
        k->add_shares(mean, ((const float[]){4, -6}), 4, 2);
        k->add_squares(squares, ((const float[]){3, 1}), mean, 2);
        assert_true(mean[0] == 1 && mean[1] == -0.5 && squares[0] == 4 && squares[1] == 4.25);
        k->normalize(out, ((const float[]){3, 1}), mean, squares, 2, -1, 2);
        assert_true(out[0] == 15 && out[1] == 11.75F);
        k->noise_backward(out, dout, eps, sd, 5);
        assert_memory_equal(out, ((const float[]){0, 4, -3.75F, 0, 7}), sizeof out);
        k->norm_backward(out, dout, sd, 2, 3, 1, 5, 0);
        assert_memory_equal(out, ((const float[]){5, 4, 3, -1, 11.5F}), sizeof out);
        k->add_noise(out, dout, sd, eps, 5);
        assert_memory_equal(out, ((const float[]){3, 6, -1, 6, 7.5F}), sizeof out);
        k->deviation(out, ((const float[]){4, 0, -1e-6F, NAN, 2.25F}), 5);
        assert_true(out[0] == 2 && out[1] == 0 && out[2] == 0 && isnan(out[3]) && out[4] == 1.5F);
        k->softmax(out, ((const float[]){3, -INFINITY, 3, 3, -200}), 5);
        assert_true(out[0] == out[2] && fabsf(out[3] - 1.0F / 3) < 1e-7F && out[1] < 1e-30F);
        k->softmax(out, x, 5);
        assert_true(isnan(out[0]) && isnan(out[3]));
        k->softmax_backward(out, dout, ((const float[]){0, 0.5F, 0.5F, 0, 0}), 5);
        assert_memory_equal(out, ((const float[]){-0.0F, -0.25F, 0.25F, 0, 0}), sizeof out);
        assert_true(k->sum(dout, 5) == 25 && k->sum_products(dout, 1, sd, 2, 5) == -6);
    }
}

/* Rows of every place in and beside those they come from. */
static void rows_are_copied_with_zeros_around(void **state)
{
    (void)state;
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    enum { PITCH = 41, ROWS = 3 };
    for (int table = 0; table < n_tables; table++)
        for (int64_t width = 1; width <= 35; width += 17)
            for (int64_t n = 1; n <= PITCH; n += 4)
                for (int64_t shift = -40; shift <= 40; shift += 3) {
                    size_t bytes = PITCH * ROWS * sizeof *actual;
                    memset(expected, GUARD_BYTE, bytes);
                    memset(actual, GUARD_BYTE, bytes);
                    for (int64_t i = 0; i < n * ROWS; i++) {
                        int64_t x = i % n + shift;
                        expected[i / n * PITCH + i % n] =
                            x >= 0 && x < width ? mu[i / n * width + x] : 0;
                    }
                    tables[table]->conv->copy_rows(actual, PITCH, n, mu, width, shift, ROWS);
                    assert_memory_equal(actual, expected, bytes);
                }
}

/* Every width and step, against a chain of fused multiply-adds; the reference rounds twice. */
static void sums_of_lanes(void **state)
{
    (void)state;
    enum { N_TERMS = 6, WIDEST = 16, ROWS = 3, PITCH = 40, STEPS = 3 };
    const int64_t terms[N_TERMS] = {
        0, CRD_LANES, 2 * CRD_LANES, PITCH * CRD_LANES, 3, (PITCH + 1) * CRD_LANES};
    static float in[(ROWS * STEPS + 2) * PITCH * CRD_LANES], out[ROWS * WIDEST * CRD_LANES + 1];
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        in[i] = (float)((int)(i * 7 % 31) - 15) / 9;
    for (int table = 0; table < n_tables; table++)
        for (int64_t n = 1; n <= WIDEST; n++)
            for (int step = 1; step <= STEPS; step++) {
                const crd_lane_sums sums = {.out = out,
                                            .start = mu + 50,
                                            .in = in,
                                            .n_rows = ROWS,
                                            .n = n,
                                            .row_step = step * PITCH,
                                            .step = step > 2 && n > PITCH / 4 ? 2 : step,
                                            .terms = terms,
                                            .weights = mu + 3,
                                            .n_terms = N_TERMS};
                out[ROWS * n * CRD_LANES] = 77;
                tables[table]->conv->sum_lanes(&sums);
                assert_true(out[ROWS * n * CRD_LANES] == 77);
                for (int64_t i = 0; i < ROWS * n; i++)
                    for (int c = 0; c < CRD_LANES; c++) {
                        float sum = mu[50 + c], got = out[i * CRD_LANES + c];
                        int64_t at = i / n * sums.row_step + i % n * sums.step;
                        for (int k = 0; k < N_TERMS; k++)
                            sum = fmaf(in[at * CRD_LANES + terms[k] + c], mu[3 + k * CRD_LANES + c],
                                       sum);
                        if (tables[table]->conv == &crd_conv_kernels_ref)
                            assert_true(fabsf(got - sum) < 1e-5F);
                        else
                            assert_true(got == sum);
                    }
            }
}

/* Sums of products along a line, of every length, against double. */
static void products_along_a_line(void **state)
{
    (void)state;
    enum { N_TERMS = 9, LONGEST = 150 };
    const int64_t terms[N_TERMS] = {0, 1, 2, 17, 18, 19, 40, 41, 55};
    float y[LONGEST + CRD_LANES], sums[N_TERMS];
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    for (int table = 0; table < n_tables; table++)
        for (int64_t n = 1; n <= LONGEST; n++) {
            int n_terms = (int)(n % N_TERMS) + 1;
            const crd_conv_kernels *conv = tables[table]->conv;
            for (int64_t i = 0; i < LONGEST + CRD_LANES; i++)
                y[i] = i < n ? (float)(i % 7) - 3 : 0;
            for (int k = 0; k < N_TERMS; k++)
                sums[k] = 1;
            conv->sum_products(sums, mu + 3, terms, n_terms, y, n);
            for (int k = 0; k < N_TERMS; k++) {
                double sum = 1;
                for (int64_t i = 0; k < n_terms && i < n; i++)
                    sum += (double)mu[3 + i + terms[k]] * (double)y[i];
                assert_true(fabs((double)sums[k] - sum) < 1e-4);
            }
        }
}

/* Every second column, from rows of every length. */
static void rows_are_split_by_parity(void **state)
{
    (void)state;
    enum { ROWS = 3, STEP = 101 };
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    for (int table = 0; table < n_tables; table++)
        for (int64_t pitch = 1; pitch <= 50; pitch++) {
            size_t bytes = (size_t)(2 * ROWS * pitch + GUARD) * sizeof *actual;
            memset(expected, GUARD_BYTE, bytes);
            memset(actual, GUARD_BYTE, bytes);
            for (int64_t i = 0; i < ROWS * pitch; i++)
                for (int64_t k = 0; k < 2; k++)
                    expected[k * ROWS * pitch + i] = mu[1 + i / pitch * STEP + 2 * (i % pitch) + k];
            tables[table]->conv->split_rows(actual, actual + ROWS * pitch, pitch, pitch, mu + 1,
                                            STEP, ROWS);
            assert_memory_equal(actual, expected, bytes);
        }
}

/* Products by pixels in the lanes: the bits of those by channels in the lanes, with the epilogue
 * after them; of every number of channels, whole pieces and rests. */
static void products_of_rows(void **state)
{
    (void)state;
    enum { TERMS = 11, PIECES = 9, PLANE = 16 * PIECES + 5, N = PLANE * CRD_LANES };
    static float sums[PIECES * CRD_LANES * CRD_LANES];
    int64_t terms[TERMS], in_at[PIECES], out_at[PIECES], pixels_at[PIECES * CRD_LANES],
        in_pixels[PIECES * CRD_LANES];
    static const crd_activation activations[] = {
        {CRD_NO_ACTIVATION, 0, 0}, {CRD_RELU, 0, 0}, {CRD_CLAMP, -0.05F, 0.1F}};
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    for (int k = 0; k < TERMS; k++)
        terms[k] = 31 * k + k % 3;
    for (int j = 0; j < PIECES; j++) {
        in_at[j] = 23 * j;
        out_at[j] = CRD_LANES * (PIECES - 1 - j);
    }
    for (int i = 0; i < PIECES * CRD_LANES; i++) {
        in_pixels[i] = in_at[i / CRD_LANES] + i % CRD_LANES;
        pixels_at[i] = out_at[i / CRD_LANES] + i % CRD_LANES;
    }
    for (int table = 0; table < n_tables; table++)
        for (int shape = 0; shape < CRD_LANES * 12; shape++) {
            int n_channels = shape % CRD_LANES + 1, kind = shape / CRD_LANES;
            crd_row_products p = {.out = actual + GUARD,
                                  .plane = PLANE,
                                  .out_at = out_at,
                                  .in_at = in_at,
                                  .n_whole = PIECES - kind,
                                  .n_pieces = PIECES,
                                  .rest = 1 + (7 * kind + shape) % (CRD_LANES - 1),
                                  .n_channels = n_channels,
                                  .in = mu + 3,
                                  .terms = terms,
                                  .n_terms = TERMS,
                                  .panel = sigma + 5,
                                  .epilogue = {.bias = kind % 2 == 0 ? NULL : mu + 77,
                                               .residual = kind % 4 < 2 ? NULL : mu + 99,
                                               .activation = activations[kind % 3]}};
            if (p.n_whole < 0)
                p.n_whole = 0;
            const crd_products alike = {.out = sums,
                                        .out_at = pixels_at,
                                        .in = p.in,
                                        .in_at = in_pixels,
                                        .n_pieces = PIECES * CRD_LANES,
                                        .width = 1,
                                        .in_step = 1,
                                        .terms = terms,
                                        .n_terms = TERMS,
                                        .panels = p.panel,
                                        .n_panels = 1,
                                        .panel_step = 1};
            tables[table]->conv->multiply(&alike);
            memset(expected, GUARD_BYTE, (N + 2 * GUARD) * sizeof *expected);
            memset(actual, GUARD_BYTE, (N + 2 * GUARD) * sizeof *actual);
            for (int c = 0; c < n_channels; c++)
                for (int i = 0; i < PIECES * CRD_LANES; i++) {
                    int64_t at = c * PLANE + pixels_at[i];
                    float value = sums[pixels_at[i] * CRD_LANES + c];
                    value += p.epilogue.bias == NULL ? 0 : p.epilogue.bias[c];
                    value += p.epilogue.residual == NULL ? 0 : p.epilogue.residual[at];
                    if (i / CRD_LANES < p.n_whole || i % CRD_LANES < p.rest)
                        crd_kernels_ref.elementwise->activate(expected + GUARD + at, &value, 1,
                                                              &p.epilogue.activation);
                }
            tables[table]->conv->multiply_rows(&p);
            if (memcmp(actual, expected, (N + 2 * GUARD) * sizeof *actual) != 0)
                fail_msg("%s: shape %d", tables[table]->name, shape);
            /* Rounded once a step, it is the same everywhere. */
            p.is_fused = 1;
            p.out = expected + GUARD;
            crd_kernels_ref.conv->multiply_rows(&p);
            p.out = actual + GUARD;
            tables[table]->conv->multiply_rows(&p);
            assert_memory_equal(actual, expected, (N + 2 * GUARD) * sizeof *actual);
            p.is_fused = 0;
        }
}

static float bf16(uint32_t half)
{
    uint32_t bits = half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Halves, ties both ways, the largest that does not become infinite, infinity; NaN with all payloads. */
static void rounding_to_bf16(void **state)
{
    (void)state;
    static const struct {
        uint32_t bits, half;
    } known[] = {
        {0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81}, {0x3f818000, 0x3f82},
        {0xbf818000, 0xbf82}, {0x3fffffff, 0x4000}, {0x7f7f7fff, 0x7f7f}, {0x7f7f8000, 0x7f80},
        {0xff800000, 0xff80}, {0x80000000, 0x8000}, {0x7f800001, 0x7fc0}, {0x7fffffff, 0x7fff},
        {0xffc00000, 0xffc0}, {0x00800000, 0x0080}, {0x3f80ffff, 0x3f81}, {0x00000000, 0x0000},
    };
    enum { N = sizeof known / sizeof *known };
    float first[N], second[N];
    uint32_t pairs[N + 1];
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    for (int i = 0; i < N; i++) {
        memcpy(&first[i], &known[i].bits, sizeof first[i]);
        memcpy(&second[N - 1 - i], &known[i].bits, sizeof second[i]);
    }
    for (int table = 0; table < n_tables; table++)
        for (int n = 0; n <= N; n++) {
            pairs[n] = 7;
            tables[table]->bf16->round_pairs(pairs, first, second, n);
            for (int i = 0; i < n; i++)
                assert_int_equal(pairs[i], known[i].half | known[N - 1 - i].half << 16);
            tables[table]->bf16->round_pairs(pairs, first, NULL, n);
            for (int i = 0; i < n; i++)
                assert_int_equal(pairs[i], known[i].half);
            assert_int_equal(pairs[n], 7);
        }
}

/* All shapes of tiles: pieces and pixels that are no multiple, panels too; in rows and in points. The
 * order of a step is that of VDPBF16PS on Zen 4: another CPU's would show here. */
static void products_in_bf16_give_the_same_bits(void **state)
{
    (void)state;
    enum { TERMS = 37, PIECES = 5, STRIDE = 64, PANELS = 3, HALF = CRD_LANES / 2 };
    uint32_t *in = (uint32_t *)(void *)expected, *panels = (uint32_t *)(void *)actual;
    const int64_t n_in = TERMS * STRIDE * HALF, n_panels = PANELS * TERMS * CRD_LANES;
    float sums[2][PANELS * PIECES * 7 * CRD_LANES];
    int64_t terms[TERMS], in_at[PIECES], out_at[PIECES];
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    const crd_stream stream = {.seed = 3};
    crd_kernels_ref.normal_fill(mu, 2 * n_in, 0, &stream);
    crd_kernels_ref.normal_fill(sigma, 2 * n_panels, CRD_STREAM_BLOCK * n_in, &stream);
    crd_kernels_ref.bf16->round_pairs(in, mu, mu + n_in, n_in);
    crd_kernels_ref.bf16->round_pairs(panels, sigma, sigma + n_panels, n_panels);
    for (int table = 0; table < n_tables; table++)
        for (int width = 1; width <= tables[table]->bf16->max_width; width++)
            for (int shape = 0; shape < 4 * PIECES * PANELS; shape++) {
                crd_products p = {.in = in,
                                  .panels = panels,
                                  .in_at = in_at,
                                  .out_at = out_at,
                                  .terms = terms,
                                  .width = width,
                                  .adds = shape % 2,
                                  .in_step = shape / 2 % 2 ? HALF : 1,
                                  .n_pieces = shape / 4 % PIECES + 1,
                                  .n_panels = shape / 4 / PIECES + 1,
                                  .n_terms = TERMS,
                                  .out_step = PIECES * 7 * CRD_LANES,
                                  .panel_step = TERMS * CRD_LANES};
                for (int64_t k = 0; k < TERMS; k++)
                    terms[k] = k * (p.in_step == 1 ? STRIDE : 1) + (p.in_step == 1 ? k % 3 : 0);
                for (int64_t j = 0; j < PIECES; j++) {
                    out_at[j] = 7 * (PIECES - 1 - j);
                    in_at[j] = (p.in_step == 1 ? 9 : 8 * HALF) * j;
                }
                for (int which = 0; which < 2; which++) {
                    for (size_t i = 0; i < sizeof sums[0] / sizeof sums[0][0]; i++)
                        sums[which][i] = (float)(i % 13) - 6;
                    p.out = sums[which];
                    (which == 0 ? &crd_kernels_ref : tables[table])->bf16->multiply(&p);
                }
                if (memcmp(sums[0], sums[1], sizeof sums[0]) != 0)
                    fail_msg("%s: width %d, shape %d", tables[table]->name, width, shape);
            }
}

/* The points of another order of operations may fall to the other side: one unit of the last place of
 * the largest among them. */
static void points_are_near(const char *what, const uint32_t *points, const uint32_t *reference,
                            int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(bf16(reference[i] & 0xffff)));
    for (int64_t i = 0; i < 2 * n; i++) {
        uint32_t a = points[i / 2] >> 16 * (i % 2) & 0xffff;
        uint32_t b = reference[i / 2] >> 16 * (i % 2) & 0xffff;
        float tolerance = fabsf(bf16(b)) / 64 + most * 1e-6f;
        if (!(fabsf(bf16(a) - bf16(b)) <= tolerance))
            fail_msg("%s: pair %d: %g, expected %g", what, (int)(i / 2), (double)bf16(a),
                     (double)bf16(b));
    }
}

static void winograd_points_in_bf16_are_near(void **state)
{
    (void)state;
    enum { TILES = 5, PITCH = 4 * TILES + 2, GROUPS = 3, HALF = CRD_LANES / 2 };
    enum { STEP_IN = TILES * HALF + 16, STEP = GROUPS * HALF * CRD_LANES + 16 };
    uint32_t *points = (uint32_t *)(void *)actual, *reference = (uint32_t *)(void *)expected;
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    crd_kernels_ref.normal_fill(mu, 9 * GROUPS * CRD_LANES * CRD_LANES, 0,
                                &(crd_stream){.seed = 3});
    for (int table = 0; table < n_tables; table++) {
        const crd_bf16_kernels *ref = crd_kernels_ref.bf16, *kernels = tables[table]->bf16;
        memset(points, 0, CRD_WINOGRAD_POINTS * STEP * sizeof *points);
        memset(reference, 0, CRD_WINOGRAD_POINTS * STEP * sizeof *points);
        ref->winograd_in(reference, STEP_IN, mu, PITCH, TILES);
        kernels->winograd_in(points, STEP_IN, mu, PITCH, TILES);
        points_are_near("winograd_in", points, reference, CRD_WINOGRAD_POINTS * STEP_IN);
        ref->winograd_weights(reference, STEP, mu, GROUPS);
        kernels->winograd_weights(points, STEP, mu, GROUPS);
        points_are_near("winograd_weights", points, reference, CRD_WINOGRAD_POINTS * STEP);
    }
}

static void draw_is_mu_plus_sigma_eps(void **state)
{
    (void)state;
    enum { N = 333 };
    crd_stream stream = {.seed = 9, .draw = 4, .tensor = 2, .purpose = CRD_PURPOSE_WEIGHT};
    float eps[N], w[N], product[N];
    const crd_kernels *kernels = crd_kernels_get();
    kernels->normal_fill(eps, N, 0, &stream);
    kernels->draw(w, mu, sigma, N, 0, &stream);
    kernels->draw(product, NULL, sigma, N, 0, &stream);
    for (int i = 0; i < N; i++) {
        assert_true(w[i] == fmaf(sigma[i], eps[i], mu[i]));
        assert_true(product[i] == sigma[i] * eps[i]);
    }
}

static void signs_are_balanced(void **state)
{
    (void)state;
    crd_stream stream = {.seed = 11, .purpose = CRD_PURPOSE_SIGN_OUT};
    crd_kernels_get()->sign_fill(actual, N_LONG, &stream);
    double sum = 0.0;
    for (int64_t i = 0; i < N_LONG; i++) {
        assert_true(actual[i] == 1.0f || actual[i] == -1.0f);
        sum += (double)actual[i];
    }
    assert_true(fabs(sum) < 5.0 * sqrt((double)N_LONG));
}

/* The first word of counter (0, 0, 0, 3) decides; its top bit is looked up, not recomputed. */
static void sign_is_the_top_bit(void **state)
{
    (void)state;
    crd_stream stream = {.seed = 5, .draw = 6, .image = 7, .tensor = 8, .purpose = 3};
    float sign[256];
    crd_kernels_get()->sign_fill(sign, 256, &stream);
    for (uint32_t e = 0; e < 256; e++) {
        uint32_t words[4];
        crd_philox4x32(words, (uint32_t[]){16 * (e / 64) + e % 16, 6, 7, 8 << 8 | 3},
                       (uint32_t[]){5, 0});
        assert_true(sign[e] == (words[e / 16 % 4] & 0x80000000u ? -1.0f : 1.0f));
    }
}

static void environment_chooses(void **state)
{
    (void)state;
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    assert_true(n_tables >= 1);
    assert_string_equal(tables[0]->name, "ref");
    assert_int_equal(crd_kernels_all(tables, 1), 1);
    n_tables = crd_kernels_all(tables, 8);
    for (int i = 0; i < n_tables; i++) {
        setenv("CREDENCE_KERNELS", tables[i]->name, 1);
        assert_ok(crd_kernels_check());
        assert_ptr_equal(crd_kernels_choose(), tables[i]);
    }
    setenv("CREDENCE_KERNELS", "avx3", 1);
    assert_fails(crd_kernels_check(), CRD_ERR_USAGE, "CREDENCE_KERNELS: 'avx3'");
    assert_fails(crd_kernels_check(), CRD_ERR_USAGE, "ref");
    unsetenv("CREDENCE_KERNELS");
    assert_ok(crd_kernels_check());
    assert_ptr_equal(crd_kernels_choose(), tables[n_tables - 1]);
}

static float entry_of(int64_t i)
{
    return (float)(i * 7919 % 2003 - 1001) * 1e-3f;
}

static void gemm_equals_loops(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 2, 3, 7, 17, 64, 101};
    enum { N_LENGTHS = sizeof lengths / sizeof lengths[0], MAX = 110 * 110 };
    static float a[MAX], b[MAX], c[MAX], before[MAX];
    for (int64_t i = 0; i < MAX; i++) {
        a[i] = entry_of(i);
        b[i] = entry_of(i + 500);
    }
    for (int shape = 0; shape < N_LENGTHS * N_LENGTHS * N_LENGTHS * 2; shape++) {
        int64_t m = lengths[shape / 2 % N_LENGTHS], n = lengths[shape / 2 / N_LENGTHS % N_LENGTHS];
        int64_t k = lengths[shape / 2 / N_LENGTHS / N_LENGTHS];
        int64_t lda = k + 5, ldb = n + 3, ldc = n + 1;
        float beta = (float)(shape % 2);
        for (int64_t i = 0; i < m * ldc; i++) /* beta 0 must overwrite even what is not a number */
            before[i] = c[i] = i % ldc < n && beta == 0.0f ? NAN : entry_of(i + 77);
        crd_gemm(c, ldc, a, lda, b, ldb, m, n, k, beta);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
                double sum = beta == 0.0f ? 0.0 : (double)before[i * ldc + j];
                for (int64_t l = 0; l < k; l++)
                    sum += (double)a[i * lda + l] * (double)b[l * ldb + j];
                if (!(fabs((double)c[i * ldc + j] - sum) < 2e-5))
                    fail_msg("m %lld n %lld k %lld beta %g: C[%lld,%lld] is %.7g, expected %.7g",
                             (long long)m, (long long)n, (long long)k, (double)beta, (long long)i,
                             (long long)j, (double)c[i * ldc + j], sum);
            }
            assert_true(c[i * ldc + n] == before[i * ldc + n]);
        }
    }
}

static void gemm_of_nothing(void **state)
{
    (void)state;
    float a[4] = {1, 2, 3, 4}, c[4] = {NAN, 5, 6, 7};
    crd_gemm(c, 2, a, 2, a, 2, 0, 2, 2, 0.0f);
    crd_gemm(c, 2, a, 2, a, 2, 2, 0, 2, 0.0f);
    assert_true(isnan(c[0]) && c[3] == 7.0f);
    crd_gemm(c, 2, a, 2, a, 2, 2, 2, 0, 1.0f);
    assert_true(isnan(c[0]) && c[3] == 7.0f);
    crd_gemm(c, 2, a, 2, a, 2, 2, 2, 0, 0.0f);
    assert_true(c[0] == 0.0f && c[3] == 0.0f);
}

/* Leading dimensions that no int holds: memory is reserved, and only the rows are touched. */
static void gemm_of_far_rows(void **state)
{
    (void)state;
    const int64_t ld = (INT64_C(1) << 31) + 7;
    const size_t bytes = (size_t)(2 * ld + 3) * sizeof(float);
    float *far = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (far == MAP_FAILED)
        skip();
    float near[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, c[9];
    static const float product[9] = {30, 36, 42, 66, 81, 96, 102, 126, 150};
    for (int i = 0; i < 3; i++)
        memcpy(far + i * ld, near + 3 * i, 3 * sizeof *far);
    crd_gemm(c, 3, far, ld, near, 3, 3, 3, 3, 0.0f);
    assert_memory_equal(c, product, sizeof c);
    crd_gemm(c, 3, near, 3, far, ld, 3, 3, 3, 0.0f);
    assert_memory_equal(c, product, sizeof c);
    crd_gemm(far, ld, near, 3, near, 3, 3, 3, 3, 0.0f);
    for (int i = 0; i < 3; i++)
        assert_memory_equal(far + i * ld, product + 3 * i, 3 * sizeof *far);
    munmap(far, bytes);
}

static void core_has_name_and_peak(void **state)
{
    (void)state;
    assert_true(crd_gemm_init() == CRD_OK);
    assert_true(strlen(crd_gemm_core()) > 0);
    assert_true(crd_peak_flops(0, 0.01) > 0.0 && crd_peak_flops(1, 0.01) > 0.0);
    for (int i = 0; i < crd_n_variants; i++) {
        if (!crd_variants[i].runs_here())
            continue;
        float sums[2];
        assert_true(crd_variants[i].peak_loop(&sums[0], 1) > 0.0);
        assert_true(crd_variants[i].bf16_peak_loop(&sums[1], 1) > 0.0);
        crd_variants[i].peak_loop(&sums[1], 100);
        /* Every chain runs towards the fixed point 2 of x / 2 + 1, or up by a quarter a step: the
         * work was done. */
        assert_true(sums[0] < sums[1] && fmodf(sums[1], 2.0f) == 0.0f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_give_the_same_bits),
        cmocka_unit_test(draws_are_the_same_on_every_cpu),
        cmocka_unit_test(negated_normals_differ_in_the_sign_alone),
        cmocka_unit_test(loops_over_arrays_give_the_same_bits),
        cmocka_unit_test(loops_over_arrays_are_right),
        cmocka_unit_test(rows_are_copied_with_zeros_around),
        cmocka_unit_test(sums_of_lanes),
        cmocka_unit_test(products_along_a_line),
        cmocka_unit_test(rows_are_split_by_parity),
        cmocka_unit_test(products_of_rows),
        cmocka_unit_test(rounding_to_bf16),
        cmocka_unit_test(products_in_bf16_give_the_same_bits),
        cmocka_unit_test(winograd_points_in_bf16_are_near),
        cmocka_unit_test(draw_is_mu_plus_sigma_eps),
        cmocka_unit_test(signs_are_balanced),
        cmocka_unit_test(sign_is_the_top_bit),
        cmocka_unit_test(environment_chooses),
        cmocka_unit_test(gemm_equals_loops),
        cmocka_unit_test(gemm_of_nothing),
        cmocka_unit_test(gemm_of_far_rows),
        cmocka_unit_test(core_has_name_and_peak),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
