/* What `plan-sample` measured, and what the chains will take on how many ranks. */
#include "report/sample_plan_report.h"

#include <stdio.h>

#include "report/output.h"

static double core_hours(const crd_sample_plan *plan, int64_t n_ranks)
{
    return crd_sample_plan_seconds(plan, n_ranks) * (double)n_ranks / 3600;
}

static void print_head(const crd_sample_plan *p)
{
    const crd_sample_cost *c = &p->cost;
    char n_gradients[32], n_weights[32];
    printf("calibrated with %lld gradients on %lld of %lld images in %.1f s: a micro-batch takes "
           "%.3g s, a gradient of %.3g of them %.3g s, the start %.2g s\n",
           (long long)p->n_sample_gradients, (long long)p->n_sample, (long long)p->n_images,
           p->seconds, c->unit_s, c->n_units, c->n_units * c->unit_s + c->rest_s, c->start_s);
    printf("%lld chain%s of %s gradients and %lld draws each, of %s weights; the file takes %.1f "
           "MB, and the draws %.1f MB on disk until then\n",
           (long long)c->n_chains, c->n_chains == 1 ? "" : "s",
           crd_grouped(n_gradients, c->n_gradients), (long long)p->n_draws,
           crd_grouped(n_weights, p->n_weights), 1e-6 * (double)p->file_bytes,
           1e-6 * (double)p->draws_bytes);
    puts("  ranks     seconds  efficiency  core-hours  MB of a node");
}

void crd_sample_plan_print(const crd_sample_plan *plan, const int64_t *ranks, int n)
{
    print_head(plan);
    for (int i = 0; i < n; i++)
        printf("  %5lld  %10.1f  %8.0f %%  %10.3g  %12.0f\n", (long long)ranks[i],
               crd_sample_plan_seconds(plan, ranks[i]),
               100 * crd_sample_plan_efficiency(plan, ranks[i]), core_hours(plan, ranks[i]),
               1e-6 * (double)crd_sample_plan_node_bytes(plan, ranks[i]));
}

crd_status crd_sample_plan_print_json(const crd_sample_plan *plan, const int64_t *ranks, int n,
                                      const char *sbatch)
{
    const crd_sample_cost *c = &plan->cost;
    json_t *rows = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(rows,
                              json_pack("{s:I, s:f, s:f, s:f, s:I}", "ranks", (json_int_t)ranks[i],
                                        "seconds", crd_sample_plan_seconds(plan, ranks[i]),
                                        "efficiency", crd_sample_plan_efficiency(plan, ranks[i]),
                                        "core_hours", core_hours(plan, ranks[i]), "node_bytes",
                                        (json_int_t)crd_sample_plan_node_bytes(plan, ranks[i])));
    return crd_json_print(json_pack(
        "{s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, "
        "s:o}",
        "calibration_seconds", plan->seconds, "calibration_gradients",
        (json_int_t)plan->n_sample_gradients, "n_sample", (json_int_t)plan->n_sample,
        "unit_seconds", c->unit_s, "gradient_rest_seconds", c->rest_s, "start_seconds", c->start_s,
        "units_per_gradient", c->n_units, "n_chains", (json_int_t)c->n_chains, "n_draws",
        (json_int_t)plan->n_draws, "n_gradients", (json_int_t)c->n_gradients, "n_images",
        (json_int_t)plan->n_images, "n_weights", (json_int_t)plan->n_weights, "file_bytes",
        (json_int_t)plan->file_bytes, "draws_bytes", (json_int_t)plan->draws_bytes, "data_bytes",
        (json_int_t)plan->data_bytes, "chain_bytes", (json_int_t)plan->chain_bytes, "ranks", rows,
        "sbatch", crd_json_text(sbatch)));
}
