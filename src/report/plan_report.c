/* What `plan` measured, and what a prediction will take on how many ranks. */
#include "report/plan_report.h"

#include <stdio.h>

#include "report/output.h"

static void print_head(const crd_plan_facts *f)
{
    const crd_cost_model *m = &f->model;
    printf("calibrated on %lld of %lld images in %.1f s: a unit (%lld images, %lld draws) "
           "takes %.4g s, "
           "an image %.2g s, the start %.2g s\n",
           (long long)m->n_sample, (long long)m->n_images, f->seconds, (long long)m->batch,
           (long long)m->rule.block, m->unit_s, m->image_s, m->start_s);
    printf("draws of an image: %.0f on average, %lld to %lld; %.0f %% of the images need the "
           "most\n",
           f->mean_draws, (long long)m->stops[0], (long long)m->stops[m->n_sample - 1],
           100 * f->share_of_most);
    printf("%.0f units; %.0f MB a rank\n", crd_cost_model_units(m),
           1e-6 * (double)f->bytes_per_rank);
    puts("  ranks     seconds  efficiency");
}

void crd_plan_print(const crd_plan *plan, const int64_t *ranks, int n)
{
    print_head(crd_plan_view(plan));
    for (int i = 0; i < n; i++)
        printf("  %5lld  %10.1f  %8.0f %%\n", (long long)ranks[i], crd_plan_seconds(plan, ranks[i]),
               100 * crd_plan_efficiency(plan, ranks[i]));
}

crd_status crd_plan_print_json(const crd_plan *plan, const int64_t *ranks, int n,
                               const char *sbatch)
{
    const crd_plan_facts *f = crd_plan_view(plan);
    const crd_cost_model *m = &f->model;
    json_t *rows = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(rows, json_pack("{s:I, s:f, s:f}", "ranks", (json_int_t)ranks[i],
                                              "seconds", crd_plan_seconds(plan, ranks[i]),
                                              "efficiency", crd_plan_efficiency(plan, ranks[i])));
    return crd_json_print(json_pack(
        "{s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:o, s:o}", "calibration_seconds",
        f->seconds, "n_sample", (json_int_t)m->n_sample, "calibration_units",
        (json_int_t)f->n_sample_units, "unit_seconds", m->unit_s, "image_seconds", m->image_s,
        "start_seconds", m->start_s, "n_units", crd_cost_model_units(m), "mean_draws",
        f->mean_draws, "n_images", (json_int_t)m->n_images, "bytes_per_rank",
        (json_int_t)f->bytes_per_rank, "ranks", rows, "sbatch", crd_json_text(sbatch)));
}
