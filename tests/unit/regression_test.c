/* The reducer of regression against sums done by hand, in any order, and its errors against their scatter. */
#include "crd_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "credence/predictive.h"

static void near(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-12 * fmax(1, fabs(expected)));
}

static double density(double y, double mean, double variance)
{
    return exp(-(y - mean) * (y - mean) / (2 * variance)) / sqrt(2 * acos(-1.0) * variance);
}

/* One image. */
typedef struct study {
    crd_reduction reduction;
    int64_t *sums, *maxima;
    crd_summary summary;
    crd_value_rows rows; /* of the summary */
} study;

static void study_init(study *s, crd_output_kind outputs, int64_t n_outputs, int is_paired)
{
    crd_reduction *r = &s->reduction;
    assert_ok(crd_reduction_init(r, outputs, n_outputs, 5));
    assert_string_equal(crd_reduction_name(r), "regression");
    r->is_paired = is_paired;
    s->sums = malloc((size_t)crd_reduction_n_sums(r) * sizeof *s->sums);
    s->maxima = malloc((size_t)crd_reduction_n_maxima(r) * sizeof *s->maxima);
    assert_true(s->sums != NULL && s->maxima != NULL);
    crd_reduction_reset(r, s->sums, s->maxima);
    assert_ok(crd_summary_init(&s->summary, r, 1));
    assert_ok(crd_summary_keep_sums(&s->summary));
    s->rows = crd_value_rows_view(&s->summary);
}

static void study_clear(study *s)
{
    free(s->sums);
    free(s->maxima);
    crd_summary_clear(&s->summary);
}

static void add(study *s, const float *outputs, int64_t draw)
{
    crd_reduction_add(&s->reduction, s->sums, s->maxima, outputs, s->reduction.n_outputs, draw,
                      s->reduction.is_paired ? 2 : 1);
}

static void finish(study *s)
{
    crd_summary_finish(&s->summary, 0, s->sums, s->maxima);
}

/* A figure of this one image; all figures are means over images. */
static double judged(const study *s, const float *targets, const char *key)
{
    crd_figure figures[CRD_MAX_FIELDS];
    int64_t *scores = calloc((size_t)crd_reduction_n_scores(&s->reduction), sizeof *scores);
    double value = -1e300;
    assert_non_null(scores);
    crd_truth truth = {.targets = targets};
    crd_reduction_judge(scores, &s->summary, 0, &truth);
    int n = crd_reduction_figures(figures, &s->reduction, scores);
    for (int i = 0; i < n; i++)
        if (strcmp(figures[i].key, key) == 0)
            value = figures[i].value;
    free(scores);
    return value;
}

static void three_draws_by_hand(void **state)
{
    (void)state;
    study s;
    const float log_variances[3] = {0, 0.5F, -1}, means[3] = {1, 2, 4.5F};
    const float targets[2] = {3, -100};
    double total = 0, variance = 0, epistemic = (1.5 * 1.5 + 0.5 * 0.5 + 2 * 2) / 2;
    study_init(&s, CRD_OUTPUT_NORMALS, 4, 0);
    for (int d = 2; d >= 0; d--) {
        const float row[4] = {means[d], 0.25F, log_variances[d], 0};
        add(&s, row, d);
        total += density(3, (double)means[d], exp((double)log_variances[d])) / 3;
        variance += exp((double)log_variances[d]) / 3;
    }
    finish(&s);
    assert_int_equal(s.rows.n_values, 2);
    assert_int_equal(s.rows.n_draws[0], 3);
    near(s.rows.mean[0], 2.5);
    near(s.rows.epistemic_sd[0], sqrt(epistemic));
    near(s.rows.mean_mcse[0], sqrt(epistemic / 3));
    near(s.rows.aleatoric_sd[0], sqrt(variance));
    near(s.rows.predictive_sd[0], sqrt(variance + epistemic));
    assert_true(s.rows.draws_min[0] == 1 && s.rows.draws_max[0] == 4.5F);
    near(s.rows.epistemic_sd[1], 0);
    near(s.rows.mean_mcse[1], 0);
    /* (e - log density) of both values; the second one's density is too small for a double. */
    double far = 0.5 * (log(2 * acos(-1.0)) + 100.25 * 100.25);
    near(judged(&s, targets, "nll"), (far - log(total)) / 2);
    near(judged(&s, targets, "rmse"), sqrt((0.5 * 0.5 + 100.25 * 100.25) / 2));
    study_clear(&s);
}

static void quantiles_are_those_of_the_mixture(void **state)
{
    (void)state;
    study s;
    study_init(&s, CRD_OUTPUT_NORMALS, 2, 0);
    /* Far apart: each draw's normal holds a third. The median is the middle one's. */
    const float rows[3][2] = {{-1e6F, 0}, {5, 0}, {1e6F, 0}};
    for (int d = 0; d < 3; d++)
        add(&s, rows[d], d);
    finish(&s);
    int64_t n = s.rows.n_quantiles;
    assert_int_equal(n, 7);
    near(crd_reduction_coordinate(&s.reduction, CRD_AXIS_DETAIL, 3), 0.5);
    assert_true(fabs(s.rows.quantiles[3] - 5) < 1e-6);
    /* 0.25 of all is 0.75 of the lowest third: z = 0.6744897501960817 */
    assert_true(fabs(s.rows.quantiles[2] + 1e6 - 0.6744897501960817) < 1e-6);
    for (int q = 1; q < n; q++)
        assert_true(s.rows.quantiles[q] > s.rows.quantiles[q - 1]);
    study_clear(&s);
}

/* Values without noise: type 7 of R and numpy, and the CRPS of a sample by its definition. */
static void without_noise_the_draws_are_the_distribution(void **state)
{
    (void)state;
    enum { S = 5 };
    study s;
    const float values[S] = {3, -1, 4, 1, 5}, target = 2;
    double crps = 0;
    study_init(&s, CRD_OUTPUT_MEANS, 1, 0);
    for (int d = 0; d < S; d++)
        add(&s, &values[d], d);
    finish(&s);
    near(s.rows.quantiles[3], 3);
    near(s.rows.quantiles[2], 1);
    near(s.rows.quantiles[0], -1 + 0.025 * 4 * 2);
    for (int i = 0; i < S; i++) {
        crps += fabs((double)(values[i] - target)) / S;
        for (int j = 0; j < S; j++)
            crps -= fabs((double)(values[i] - values[j])) / (2 * S * S);
    }
    near(judged(&s, &target, "crps"), crps);
    assert_true(isnan(judged(&s, &target, "nll")) && isnan(s.rows.aleatoric_sd[0]));
    near(judged(&s, &target, "coverage_50"), 1); /* 1 to 4 */
    near(s.rows.predictive_sd[0], s.rows.epistemic_sd[0]);
    study_clear(&s);
}

/* As the loss has it: a network that promises less noise than 1e-6 is not believed; and no promise is too large. */
static void variance_has_a_floor_and_a_ceiling(void **state)
{
    (void)state;
    study s;
    const float row[4] = {0, 0, -500, 3e38F}, targets[2] = {0, 0};
    study_init(&s, CRD_OUTPUT_NORMALS, 4, 0);
    add(&s, row, 0);
    finish(&s);
    near(s.rows.aleatoric_sd[0], 1e-3);
    near(s.rows.predictive_sd[0], 1e-3);
    near(s.rows.aleatoric_sd[1] / exp(40), 1);
    assert_true(isnan(s.rows.mean_mcse[0]) && isnan(s.rows.epistemic_sd[0]));
    assert_true(isfinite(s.rows.quantiles[8]) && isfinite(judged(&s, targets, "crps")));
    near(judged(&s, targets, "rmse"), 0);
    study_clear(&s);
}

static float value_of(int64_t draw, int k)
{
    return (float)sin((double)(draw * 7 + k)) * (k == 0 ? 1e-20F : k == 1 ? 3e37F : 1);
}

/* Three ranks that take draws as they come, against one; also beyond the slots. */
static void sums_do_not_depend_on_order_or_partition(void **state)
{
    (void)state;
    enum { S = 1200, V = 3 };
    for (int is_paired = 0; is_paired < 2; is_paired++) {
        study all, parts[3];
        int64_t step = is_paired ? 2 : 1;
        study_init(&all, CRD_OUTPUT_NORMALS, 2 * V, is_paired);
        for (int k = 0; k < 3; k++)
            study_init(&parts[k], CRD_OUTPUT_NORMALS, 2 * V, is_paired);
        for (int64_t i = 0; i < S; i += step) {
            float rows[2][2 * V], others[2][2 * V];
            int64_t other =
                i * 7 %
                S; /* a permutation of the pairs too: 7 and 1200, 600 have no common factor */
            for (int64_t e = 0; e < 2; e++)
                for (int k = 0; k < 2 * V; k++) {
                    rows[e][k] = value_of(i + e, k);
                    others[e][k] = value_of(other + e, k);
                }
            add(&all, rows[0], i);
            add(&parts[i / step * 5 % 11 % 3], others[0], other);
        }
        for (int64_t i = 0; i < crd_reduction_n_sums(&all.reduction); i++)
            assert_int_equal(all.sums[i], parts[0].sums[i] + parts[1].sums[i] + parts[2].sums[i]);
        for (int64_t i = 0; i < crd_reduction_n_maxima(&all.reduction); i++) {
            int64_t most = parts[0].maxima[i];
            for (int k = 1; k < 3; k++)
                most = parts[k].maxima[i] > most ? parts[k].maxima[i] : most;
            assert_int_equal(all.maxima[i], most);
        }
        finish(&all);
        assert_int_equal(all.rows.n_draws[0], S);
        assert_true(all.rows.epistemic_sd[0] > 1e-21 && all.rows.epistemic_sd[0] < 1e-19);
        assert_true(all.rows.draws_max[1] <= 3e37F && all.rows.draws_min[1] >= -3e37F);
        for (int k = 0; k < 3; k++)
            study_clear(&parts[k]);
        study_clear(&all);
    }
}

/* Draws at the far ends: m, -m in turn cancel in their sum, and not in their squares. */
static void extreme_draws_are_exact(void **state)
{
    (void)state;
    study s;
    const float most = 3.4e38F, rows[2] = {most, -most};
    study_init(&s, CRD_OUTPUT_MEANS, 1, 1);
    for (int64_t k = 0; k < 100; k++)
        add(&s, rows, 2 * k);
    finish(&s);
    assert_true(s.rows.mean[0] == 0 && s.rows.mean_mcse[0] == 0);
    assert_true(fabs(s.rows.epistemic_sd[0] / ((double)most * sqrt(200.0 / 199)) - 1) < 1e-12);
    assert_true(crd_summary_error(&s.summary, 0) == 0);
    assert_true(s.rows.draws_max[0] == most && s.rows.draws_min[0] == -most);
    study_clear(&s);
}

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double normal(uint64_t *state)
{
    double u = ((double)(mix(state) >> 11) + 0.5) * 0x1p-53,
           v = (double)(mix(state) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Over many studies: the errors that are said match the scatter of what they belong to. */
static void errors_are_honest(void **state)
{
    (void)state;
    enum { S = 120, R = 1500, N_FIGURES = 6 };
    for (int has_noise = 0; has_noise < 2; has_noise++) {
        double sum[N_FIGURES] = {0}, square[N_FIGURES] = {0}, claimed[N_FIGURES] = {0};
        uint64_t random = 5;
        for (int r = 0; r < R; r++) {
            study s;
            study_init(&s, has_noise ? CRD_OUTPUT_NORMALS : CRD_OUTPUT_MEANS, 1 + has_noise, 0);
            for (int64_t d = 0; d < S; d++) {
                float row[2] = {(float)normal(&random), 0};
                row[1] = (float)(0.5 * normal(&random) - 0.5);
                add(&s, row, d);
            }
            finish(&s);
            const crd_value_rows *v = &s.rows;
            double value[N_FIGURES] = {v->mean[0],      v->epistemic_sd[0], v->predictive_sd[0],
                                       v->quantiles[3], v->quantiles[1],    v->aleatoric_sd[0]};
            double error[N_FIGURES] = {v->mean_mcse[0],          v->epistemic_sd_mcse[0],
                                       v->predictive_sd_mcse[0], v->quantiles_mcse[3],
                                       v->quantiles_mcse[1],     v->aleatoric_sd_mcse[0]};
            for (int k = 0; k < N_FIGURES; k++) {
                sum[k] += value[k] / R;
                square[k] += value[k] * value[k] / R;
                claimed[k] += error[k] * error[k] / R;
            }
            study_clear(&s);
        }
        /* The sd of a sample sd over 1,500 studies is 1.8 %. Quantiles of 120 values without noise are rougher. */
        for (int k = 0; k < N_FIGURES - !has_noise; k++) {
            double ratio = sqrt(claimed[k] / (square[k] - sum[k] * sum[k]));
            double slack = !has_noise && (k == 3 || k == 4) ? 0.3 : 0.09;
            print_message("noise %d, figure %d: error claimed / found %.3f\n", has_noise, k, ratio);
            assert_true(ratio > 1 - slack && ratio < 1 + slack);
        }
    }
}

/* Two draws of one unit at once, as the engine adds them. */
static void draws_are_described(void **state)
{
    (void)state;
    study s;
    int n;
    float values[2];
    const float row[4] = {1, -2, 0, 2};
    study_init(&s, CRD_OUTPUT_NORMALS, 4, 0);
    const crd_draw_field *fields = crd_reduction_draw_fields(&s.reduction, &n);
    assert_int_equal(n, 2);
    assert_string_equal(fields[1].name, "sd");
    crd_reduction_describe_draw(values, &s.reduction, 0, row);
    assert_true(values[0] == 1 && values[1] == -2);
    crd_reduction_describe_draw(values, &s.reduction, 1, row);
    assert_true(values[0] == 1 && fabs((double)values[1] - exp(1)) < 1e-6);
    study_clear(&s);
    study_init(&s, CRD_OUTPUT_MEANS, 4, 0);
    crd_reduction_draw_fields(&s.reduction, &n);
    assert_int_equal(n, 1);
    study_clear(&s);
    crd_reduction r;
    assert_fails(crd_reduction_init(&r, CRD_OUTPUT_NORMALS, 3, 1), CRD_ERR_INPUT, "3 outputs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_draws_by_hand),
        cmocka_unit_test(quantiles_are_those_of_the_mixture),
        cmocka_unit_test(without_noise_the_draws_are_the_distribution),
        cmocka_unit_test(variance_has_a_floor_and_a_ceiling),
        cmocka_unit_test(sums_do_not_depend_on_order_or_partition),
        cmocka_unit_test(extreme_draws_are_exact),
        cmocka_unit_test(errors_are_honest),
        cmocka_unit_test(draws_are_described),
    };
    return cmocka_run_group_tests_name("regression", tests, NULL, NULL);
}
