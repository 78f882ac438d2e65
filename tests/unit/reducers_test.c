/* What every line of the registry of reducers must hold, whatever reducer it is. */
#include "crd_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reduce/reducer.h"

static const crd_field *find(const crd_reducer *r, const char *name)
{
    for (int i = 0; i < r->n_fields; i++)
        if (strcmp(r->fields[i].name, name) == 0)
            return &r->fields[i];
    return NULL;
}

static void every_reducer_says_all_that_is_asked(void **state)
{
    (void)state;
    unsigned served = 0;
    for (int k = 0; crd_reducers[k] != NULL; k++) {
        const crd_reducer *r = crd_reducers[k];
        assert_true(r->name != NULL && r->outputs != 0);
        assert_int_equal(served & r->outputs, 0); /* no kind of outputs has two reducers */
        served |= r->outputs;
        assert_true(r->size != NULL && r->add != NULL && r->add_pair != NULL);
        assert_true(r->n_draws != NULL && r->finish != NULL && r->error != NULL);
        assert_true(r->doubt != NULL && r->describe_draw != NULL && r->n_draw_fields > 0);
        assert_true((r->figures == NULL) == (r->judge == NULL));
        assert_true(r->n_figures <= CRD_MAX_FIELDS);
        for (int a = CRD_AXIS_OUTPUT; a < CRD_N_AXES; a++)
            assert_non_null(r->axes[a]);
        assert_string_equal(r->axes[CRD_AXIS_SUM], "sum");
        assert_string_equal(r->axes[CRD_AXIS_MAXIMUM], "maximum");
    }
    assert_int_equal(served, CRD_KIND(LOGITS) | CRD_KIND(MEANS) | CRD_KIND(NORMALS));
}

static void fields_are_named_once_and_their_errors_exist(void **state)
{
    (void)state;
    for (int k = 0; crd_reducers[k] != NULL; k++) {
        const crd_reducer *r = crd_reducers[k];
        assert_in_range(r->n_fields, 4, CRD_MAX_FIELDS);
        const crd_field *n_draws = find(r, "n_draws"), *skipped = find(r, "skipped");
        assert_true(n_draws != NULL && n_draws->type == CRD_INT64);
        assert_true(skipped != NULL && skipped->type == CRD_BOOL8);
        assert_int_equal(find(r, "sums")->axes[0], CRD_AXIS_SUM);
        assert_int_equal(find(r, "maxima")->axes[0], CRD_AXIS_MAXIMUM);
        for (int i = 0; i < r->n_fields; i++) {
            const crd_field *field = &r->fields[i];
            assert_ptr_equal(find(r, field->name), field);
            assert_true(field->long_name != NULL);
            for (int j = 0; j < i; j++)
                assert_true(r->fields[j].offset != field->offset);
            if (field->error == NULL)
                continue;
            const crd_field *error = find(r, field->error);
            assert_non_null(error);
            assert_memory_equal(error->axes, field->axes, sizeof field->axes);
        }
    }
}

/* Two draws, then their pair; a row, a missing and a skipped one; a row that is copied. */
static void every_kind_of_outputs_goes_through(void **state)
{
    (void)state;
    enum { N = 6 };
    const float draws[2 * N] = {1, -2, 3, 0.5F, 0, 4, -1, 2, 0, 0.25F, 1, 3};
    for (int kind = CRD_OUTPUT_LOGITS; kind <= CRD_OUTPUT_NORMALS; kind++)
        for (int is_paired = 0; is_paired < 2; is_paired++) {
            crd_reduction r;
            crd_summary rows, copy;
            assert_ok(crd_reduction_init(&r, (crd_output_kind)kind, N, 2));
            r.is_paired = is_paired;
            int64_t *sums = malloc((size_t)crd_reduction_n_sums(&r) * sizeof *sums);
            int64_t *maxima = malloc((size_t)crd_reduction_n_maxima(&r) * sizeof *maxima);
            assert_true(sums != NULL && maxima != NULL);
            crd_reduction_reset(&r, sums, maxima);
            assert_int_equal(crd_reduction_n_draws(&r, sums), 0);
            crd_reduction_add(&r, sums, maxima, draws, N, 0, 2);
            assert_int_equal(crd_reduction_n_draws(&r, sums), 2);
            assert_ok(crd_summary_init(&rows, &r, 3));
            assert_ok(crd_summary_keep_sums(&rows));
            crd_summary_finish(&rows, 0, sums, maxima);
            crd_summary_mark_undrawn(&rows, 1);
            crd_summary_mark_skipped(&rows, 2);
            assert_int_equal(rows.n_draws[0], 2);
            assert_int_equal(rows.n_draws[1], 0);
            assert_true(rows.skipped[2] && !rows.skipped[0]);
            assert_true(isnan(crd_summary_error(&rows, 1)) && crd_summary_error(&rows, 2) == 0);
            assert_true(crd_summary_doubt(&rows, 0) > 0);
            assert_memory_equal(rows.sums, sums, (size_t)crd_reduction_n_sums(&r) * 8);
            assert_ok(crd_summary_init(&copy, &r, 2));
            crd_summary_copy_row(&copy, 1, &rows, 0);
            assert_int_equal(copy.n_draws[1], 2);
            assert_true(crd_summary_doubt(&copy, 1) == crd_summary_doubt(&rows, 0));
            crd_summary_clear(&copy);
            crd_summary_clear(&rows);
            free(sums);
            free(maxima);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reducer_says_all_that_is_asked),
        cmocka_unit_test(fields_are_named_once_and_their_errors_exist),
        cmocka_unit_test(every_kind_of_outputs_goes_through),
    };
    return cmocka_run_group_tests_name("reducers", tests, NULL, NULL);
}
