/* Loops over parameters: sigma and slope against libm, sums against whole numbers, every table
 * against the reference, bit by bit. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <xxhash.h>

#include "crd_test.h"
#include "kernels/kernels.h"
#include "kernels/softplus.h"
#include "kernels/variants.h"

/* Odd sizes, and elements behind an output that nobody may touch. */
enum { N_MAX = 1037, GUARD = 16, N_TABLES = 8 };

/* A float in [-1, 1) that follows from its number. */
static float any(uint32_t i)
{
    uint32_t x = (i + 1) * 2654435761u;
    x = (x ^ (x >> 15)) * 2246822519u;
    return (float)(int32_t)(x ^ (x >> 13)) * 0x1p-31F;
}

static double ulps(float value, double expected)
{
    float nearest = fabsf((float)expected);
    double ulp = (double)nextafterf(nearest, INFINITY) - (double)nearest;
    return fabs((double)value - expected) / ulp;
}

static void softplus_is_libm_s(void **state)
{
    (void)state;
    enum { N = 1000003 };
    float *rho = malloc(N * sizeof *rho), *sigma = malloc(N * sizeof *sigma),
          *quick = malloc(N * sizeof *quick), *slope = malloc(N * sizeof *slope);
    double worst = 0, worst_log = 0, worst_quick = 0, worst_slope = 0;
    for (int i = 0; i < N; i++)
        rho[i] = (float)(-86 + 186.0 * i / (N - 1));
    crd_kernels_get()->param->softplus(sigma, rho, N, 1);
    assert_int_equal(crd_kernels_get()->param->scales(quick, slope, rho, N), 1);
    for (int i = 0; i < N; i++) {
        double r = (double)rho[i], exact = fmax(r, 0) + log1p(exp(-fabs(r)));
        double of_slope = r > 0 ? 1 / (1 + exp(-r)) : exp(r) / (1 + exp(r));
        double of_sigma = crd_softplus(r);
        worst = fmax(worst, ulps(sigma[i], exact));
        assert_true(fabs(of_sigma - exact) <= 5e-14 * exact);
        worst_log = fmax(worst_log, fabs(crd_log_sigma(of_sigma, r) - log(exact)));
        worst_quick = fmax(worst_quick, fabs((double)quick[i] / exact - 1));
        worst_slope = fmax(worst_slope, fabs((double)slope[i] / of_slope - 1));
    }
    if (!(worst < 0.5001 && worst_log < 1e-13 && worst_quick < 4e-7 && worst_slope < 4e-7))
        fail_msg("off by %g ulp; the logarithm by %g; in float by %g and %g", worst, worst_log,
                 worst_quick, worst_slope);
    free(slope);
    free(quick);
    free(sigma);
    free(rho);
}

static void softplus_has_its_limits(void **state)
{
    (void)state;
    const float rho[5] = {-FLT_MAX, -2000, 2000, FLT_MAX, -0.0F};
    float sigma[5], slope[5];
    const crd_kernels *tables[N_TABLES];
    int n_tables = crd_kernels_all(tables, N_TABLES);
    for (int t = 0; t < n_tables; t++) {
        tables[t]->param->softplus(sigma, rho, 5, 1);
        assert_true(sigma[0] == 0 && sigma[1] == 0 && sigma[2] == 2000 && sigma[3] == FLT_MAX);
        assert_true(sigma[4] == (float)log(2));
        assert_int_equal(tables[t]->param->scales(sigma, slope, rho, 5), 1);
        assert_true(sigma[0] == sigma[1] && sigma[1] >= FLT_MIN && sigma[1] < 5e-38F);
        assert_true(slope[0] == sigma[0] && slope[1] == sigma[1]);
        assert_true(sigma[2] == 2000 && sigma[3] == FLT_MAX && slope[2] == 1 && slope[3] == 1);
        assert_true(fabs((double)sigma[4] - log(2)) < 1e-7 && slope[4] == 0.5F);
    }
}

/* All that the tables are given; what they put out lies behind one another in `out`. */
typedef struct data {
    float mu[N_MAX], rho[N_MAX], means[N_MAX], grads[N_MAX];
    int64_t sums[N_MAX];
} data;

typedef struct output {
    float sigma[N_MAX + GUARD], slope[N_MAX + GUARD], mapped[N_MAX + GUARD];
    float scaled[N_MAX + GUARD], read[N_MAX + GUARD];
    float params[2][N_MAX + GUARD], mean[2][N_MAX + GUARD], square[2][N_MAX + GUARD];
    float dmu[2][N_MAX + GUARD], drho[2][N_MAX + GUARD];
    double kl[2];
    int64_t sums[2][N_MAX + GUARD];
    float rounded[2][N_MAX + GUARD], kept[N_MAX + GUARD];
} output;

static void fill(data *d)
{
    for (uint32_t i = 0; i < N_MAX; i++) {
        d->mu[i] = any(i);
        d->rho[i] = 120 * any(i + N_MAX) * any(i);
        d->means[i] = any(i + 2 * N_MAX);
        d->grads[i] = ldexpf(any(i + 3 * N_MAX), (int)(i % 60) - 43);
        d->sums[i] = (int64_t)ldexp((double)any(i + 4 * N_MAX), 1 + (int)(i % 63));
    }
    d->rho[5] = -3000;
    d->rho[6] = 3e38F;
    d->grads[7] = 0x1.fffffep16F;
    d->grads[8] = -0x1.fffffep16F;
    d->sums[9] = INT64_MAX;
    d->sums[10] = INT64_MIN;
    d->sums[11] = INT64_MAX / 2 + 1;
}

static const crd_adam adam = {.keep = 0.99F,
                              .decay = 0.01F,
                              .beta1 = 0.9F,
                              .share1 = 0.1F,
                              .beta2 = 0.999F,
                              .share2 = 0.001F,
                              .rate = -0.1F,
                              .correction = 0.3F,
                              .epsilon = 1e-8F};

/* mu, rho and moments. */
static void start_step(output *out, const data *d, int64_t n)
{
    for (int k = 0; k < 2; k++)
        for (int64_t i = 1; i < n + 1; i++) {
            out->params[k][i] = k == 0 ? d->mu[i] : d->rho[i];
            out->mean[k][i] = 0.01F * d->means[i] * (float)(k + 1);
            out->square[k][i] = d->means[i] * d->means[i];
        }
}

/* Everything of one table on n elements from element 1 on, so that nothing is aligned. */
static void run(output *out, const crd_param_kernels *table, const data *d, int64_t n)
{
    crd_kl_normal prior = {.mean = 0.1, .precision = 3.7, .constant = 0.4, .weight = 0.7};
    memset(out, 0xa5, sizeof *out);
    table->scales(out->sigma + 1, out->slope + 1, d->rho + 1, n);
    table->affine(out->mapped + 1, d->mu + 1, n, 1.3, -0.2);
    table->affine(out->mapped + 1, out->mapped + 1, n, -0.7, 0); /* in place */
    table->softplus(out->scaled + 1, d->rho + 1, n, -1.7);
    table->read_sums(out->read + 1, d->sums + 1, n, 0x1p-44);
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 1; i < n + 1; i++) {
            out->dmu[k][i] = out->drho[k][i] = d->means[i];
            out->sums[k][i] = d->sums[i] / 4;
        }
        prior.means = k == 0 ? NULL : d->means + 1;
        out->kl[k] = table->kl_value(d->mu + 1, d->rho + 1, n, &prior);
        table->kl_gradient(out->dmu[k] + 1, out->drho[k] + 1, d->mu + 1, out->sigma + 1,
                           out->slope + 1, n, &prior);
        assert_int_equal(table->accumulate(out->sums[k] + 1, d->grads + 1,
                                           k == 0 ? NULL : d->mu + 1, n, 0x1.8p44, 0x1p17F, k),
                         1);
        assert_int_equal(table->round(out->rounded[k] + 1, d->grads + 1, k == 0 ? NULL : d->mu + 1,
                                      n, 0x1p44F, 0x1p17F),
                         1);
    }
    for (int64_t i = 1; i < n + 1; i++)
        out->kept[i] = 0x1p-30F * d->means[i];
    assert_int_equal(table->keep(out->rounded[1] + 1, out->kept + 1, n, 0x1p44F, 0x1p17F), 1);
    start_step(out, d, n);
    for (int k = 0; k < 2; k++)
        assert_int_equal(table->adam(out->params[k] + 1, d->grads + 1, out->mean[k] + 1,
                                     out->square[k] + 1, n, &adam),
                         1);
}

static void tables_give_the_same_bits(void **state)
{
    (void)state;
    static data d;
    static output expected, found;
    const crd_kernels *tables[N_TABLES];
    int n_tables = crd_kernels_all(tables, N_TABLES);
    fill(&d);
    for (int64_t n = 0; n < N_MAX; n = n < 40 ? n + 1 : 2 * n + 1) {
        run(&expected, crd_kernels_ref.param, &d, n);
        for (int t = 0; t < n_tables; t++) {
            run(&found, tables[t]->param, &d, n);
            if (memcmp(&found, &expected, sizeof found) != 0)
                fail_msg("%s differs from ref at n = %lld", tables[t]->name, (long long)n);
        }
    }
}

/* A step of n elements from element 1 on, in one pass or by its parts. */
static void make_step(output *out, const crd_param_kernels *table, const data *d, int64_t n,
                      int has_means, double weight, int at_once)
{
    crd_posterior_step step = {.clip = 0.7F,
                               .prior = {.means = has_means ? d->means + 1 : NULL,
                                         .mean = 0.1,
                                         .precision = 3.7,
                                         .weight = weight},
                               .adam = adam};
    memset(out, 0xa5, sizeof *out);
    start_step(out, d, n);
    assert_int_equal(table->scales(out->sigma + 1, out->slope + 1, d->rho + 1, n), 1);
    for (int k = 0; k < 2; k++) {
        step.params[k] = out->params[k] + 1;
        step.means[k] = out->mean[k] + 1;
        step.squares[k] = out->square[k] + 1;
        step.grads[k] = d->grads + 1 + k;
    }
    step.sigma = out->sigma + 1;
    step.slope = out->slope + 1;
    if (at_once) {
        assert_int_equal(table->posterior_step(&step, n), 1);
        return;
    }
    float grads[2][N_MAX];
    for (int k = 0; k < 2; k++)
        memcpy(grads[k], step.grads[k], (size_t)n * sizeof(float));
    table->kl_gradient(grads[0], grads[1], step.params[0], step.sigma, step.slope, n, &step.prior);
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; i < n; i++)
            grads[k][i] *= step.clip;
        assert_int_equal(
            table->adam(step.params[k], grads[k], step.means[k], step.squares[k], n, &adam), 1);
    }
    assert_int_equal(table->scales(step.sigma, step.slope, step.params[1], n), 1);
}

static void a_step_at_once_is_its_parts(void **state)
{
    (void)state;
    static data d;
    static output parts, found;
    const crd_kernels *tables[N_TABLES];
    int n_tables = crd_kernels_all(tables, N_TABLES);
    fill(&d);
    d.rho[6] = 3e30F; /* which a step leaves finite */
    for (int64_t n = 0; n < N_MAX - 2; n = n < 40 ? n + 1 : 2 * n + 1)
        for (int kind = 0; kind < 3; kind++) {
            double weight = kind < 2 ? 0.7 : 0;
            make_step(&parts, crd_kernels_ref.param, &d, n, kind == 1, weight, 0);
            for (int t = 0; t < n_tables; t++) {
                make_step(&found, tables[t]->param, &d, n, kind == 1, weight, 1);
                if (memcmp(&found, &parts, sizeof found) != 0)
                    fail_msg("%s differs from its parts at n = %lld", tables[t]->name,
                             (long long)n);
            }
        }
}

/* Wherever a value of mu or rho is not finite, the step says so. */
static void a_step_to_nowhere_is_found(void **state)
{
    (void)state;
    static data d;
    static output out;
    enum { N = 19 };
    const crd_kernels *tables[N_TABLES];
    int n_tables = crd_kernels_all(tables, N_TABLES);
    fill(&d);
    d.rho[6] = 3e30F;
    for (int t = 0; t < n_tables; t++)
        for (int at = 0; at < 2 * N; at++) {
            make_step(&out, tables[t]->param, &d, N, 0, 0.7, 1);
            out.params[at / N][1 + at % N] = INFINITY;
            crd_posterior_step step = {.params = {out.params[0] + 1, out.params[1] + 1},
                                       .means = {out.mean[0] + 1, out.mean[1] + 1},
                                       .squares = {out.square[0] + 1, out.square[1] + 1},
                                       .grads = {d.grads, d.grads},
                                       .sigma = out.sigma + 1,
                                       .slope = out.slope + 1,
                                       .prior = {.precision = 1},
                                       .adam = adam};
            assert_int_equal(tables[t]->param->posterior_step(&step, N), 0);
        }
}

/* Made on x86-64: neither the CPU nor its C library has a say. */
static void results_are_the_same_on_every_cpu(void **state)
{
    (void)state;
    static data d;
    static output found;
    fill(&d);
    run(&found, crd_kernels_get()->param, &d, N_MAX - 1);
    uint64_t digest = XXH3_64bits(&found, sizeof found);
    if (digest != UINT64_C(0xbf44103e06a7daba))
        fail_msg("digest %016" PRIx64, digest);
}

static void sums_are_rounded_products(void **state)
{
    (void)state;
    const float values[] = {0x1p-45F,        -0x1p-45F,  0x1p-46F, 0x1.fffffep16F,
                            -0x1.fffffep16F, 0x1.8p-44F, 3,        -0.7F,
                            0x1p-149F,       -0.0F,      1e-10F};
    enum { N = sizeof values / sizeof *values };
    const crd_kernels *tables[N_TABLES];
    int n_tables = crd_kernels_all(tables, N_TABLES);
    for (int t = 0; t < n_tables; t++) {
        int64_t sums[N] = {-1, 5};
        float halves[N], back[N];
        for (int i = 0; i < N; i++)
            halves[i] = 0.5F;
        assert_true(tables[t]->param->accumulate(sums, values, NULL, N, 0x1p44, 0x1p17F, 0));
        for (int i = 0; i < N; i++)
            assert_int_equal(sums[i], llround((double)values[i] * 0x1p44));
        assert_true(tables[t]->param->accumulate(sums, values, halves, N, 0x1p45, 0x1p17F, 1));
        for (int i = 0; i < N; i++)
            assert_int_equal(sums[i], 2 * llround((double)values[i] * 0x1p44));
        tables[t]->param->read_sums(back, sums, N, 0x1p-45);
        assert_true(back[3] == values[3] && back[4] == values[4] && back[6] == 3);
    }
}

/* Halves and their neighbours, whatever a float holds, and both zeros: as through the sums. */
static void rounding_is_a_way_through_the_sums(void **state)
{
    (void)state;
    enum { N = 4099, EDGES = 12 };
    static float values[N], factors[N], expected[N], found[N], kept[2][N];
    static int64_t sums[N];
    const float edges[EDGES] = {
        0.5F,           0x1.fffffep-2F, 0x1.000002p-1F, 1.5F, 0x1.7ffffep0F, 2.5F, 0x1.fffffep21F,
        0x1.fffffep22F, 0x1.000002p23F, 0x1.fffffep23F, 0,    0x1p-149F};
    const crd_kernels *tables[N_TABLES];
    int n_tables = crd_kernels_all(tables, N_TABLES);
    for (uint32_t i = 0; i < N; i++) {
        values[i] = i < 2 * EDGES ? ldexpf(edges[i / 2], -44) * (i % 2 == 0 ? 1.F : -1.F)
                                  : ldexpf(any(i), (int)(i % 80) - 63);
        factors[i] = any(i + N);
    }
    for (int t = 0; t < n_tables; t++)
        for (int k = 0; k < 2; k++) {
            const crd_param_kernels *table = tables[t]->param;
            const float *by = k == 0 ? NULL : factors;
            assert_true(table->accumulate(sums, values, by, N, 0x1p44, 0x1p17F, 0));
            table->read_sums(expected, sums, N, 0x1p-44);
            assert_true(table->round(found, values, by, N, 0x1p44F, 0x1p17F));
            assert_memory_equal(found, expected, sizeof found);
            /* Added to what is kept, and that rounded. */
            for (int i = 0; i < N; i++) {
                kept[0][i] = 0x1p-20F * factors[i];
                kept[1][i] = kept[0][i] + found[i];
            }
            assert_true(table->accumulate(sums, kept[1], NULL, N, 0x1p44, 0x1p17F, 0));
            table->read_sums(expected, sums, N, 0x1p-44);
            assert_true(table->keep(found, kept[0], N, 0x1p44F, 0x1p17F));
            assert_memory_equal(found, expected, sizeof found);
            assert_memory_equal(kept[0], kept[1], sizeof kept[0]);
        }
}

static void what_is_out_of_range_is_found_anywhere(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY, 0x1p17F, -0x1p17F};
    enum { N = 19 };
    const crd_kernels *tables[N_TABLES];
    int n_tables = crd_kernels_all(tables, N_TABLES);
    for (int t = 0; t < n_tables; t++)
        for (int k = 0; k < 5; k++)
            for (int at = 0; at < N; at++) {
                float values[N] = {0}, kept[N] = {0}, ones[N], out[2][N];
                int64_t sums[N] = {0};
                for (int i = 0; i < N; i++)
                    ones[i] = 1;
                values[at] = bad[k];
                assert_int_equal(tables[t]->param->accumulate(sums, values, NULL, N, 1, 0x1p17F, 1),
                                 0);
                assert_int_equal(tables[t]->param->accumulate(sums, values, ones, N, 1, 0x1p17F, 0),
                                 0);
                assert_int_equal(tables[t]->param->round(out[0], values, NULL, N, 1, 0x1p17F), 0);
                assert_int_equal(tables[t]->param->round(out[0], values, ones, N, 1, 0x1p17F), 0);
                assert_int_equal(tables[t]->param->scales(out[0], out[1], values, N), k >= 3);
                assert_int_equal(tables[t]->param->keep(values, kept, N, 1, 0x1p17F), 0);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softplus_is_libm_s),
        cmocka_unit_test(softplus_has_its_limits),
        cmocka_unit_test(tables_give_the_same_bits),
        cmocka_unit_test(a_step_at_once_is_its_parts),
        cmocka_unit_test(a_step_to_nowhere_is_found),
        cmocka_unit_test(results_are_the_same_on_every_cpu),
        cmocka_unit_test(sums_are_rounded_products),
        cmocka_unit_test(rounding_is_a_way_through_the_sums),
        cmocka_unit_test(what_is_out_of_range_is_found_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
