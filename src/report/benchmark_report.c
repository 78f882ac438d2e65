/* A benchmark as a table, with a line for each op if they were measured, and as JSON. The figures
 * are made elsewhere. */
#include "report/benchmark_report.h"

#include <stdio.h>

static void print_head(const crd_bench_facts *f, void *payload)
{
    const char *precision = crd_precision_names()[f->precision];
    (void)payload;
    printf("%s, %s, %s, %d rank%s, %.4f GMAC an image; one core: %.1f GFLOP/s %s peak measured; "
           "OpenBLAS %s\n",
           f->network->arch, f->estimator, precision, f->n_ranks, f->n_ranks == 1 ? "" : "s",
           1e-9 * (double)f->macs, 1e-9 * f->peak_flops, precision, crd_gemm_core());
    for (int i = 0; i < f->n_kernels; i++)
        printf("  %-8s %6.2f ns a drawn weight%s\n", f->kernels[i]->name, f->normal_ns[i],
               f->kernels[i] == crd_kernels_get() ? "   in use" : "");
    puts("  batch    draws/s  image draws/s   passes   GFLOP/s  of peak   drawing  weighted   "
         "rest   allocations");
}

static void print_ops(const crd_bench_result *r)
{
    printf("          %-28s %-18s %9s %9s %8s\n", "layer", "method", "ms a draw", "GFLOP/s",
           "of peak");
    for (int64_t i = 0; i < r->n_ops; i++) {
        const crd_bench_op *op = &r->ops[i];
        printf("          %-28s %-18s %9.3f", op->name, op->method, 1e3 * op->seconds);
        if (op->flops > 0)
            printf(" %9.1f %6.1f %%", 1e-9 * op->flops, 100 * op->peak_share);
        putchar('\n');
    }
}

static void print_result(const crd_bench_result *r, void *payload)
{
    const crd_benchmark *m = &r->measured;
    (void)payload;
    printf("  %5lld %10.3f %12.3f %8.3f %9.1f %8.1f %%   %5.1f %%  %6.1f %%  %5.1f %%  %8lld\n",
           (long long)r->batch, r->draws_per_s, r->image_draws_per_s, r->passes_per_draw,
           1e-9 * r->flops, 100 * r->peak_share, 100 * m->draw_share, 100 * m->weighted_share,
           100 * m->rest_share, (long long)m->n_allocations);
    if (r->ops != NULL)
        print_ops(r);
    fflush(stdout);
}

const crd_bench_hooks crd_bench_text = {.start = print_head, .result = print_result};

static void set_head(const crd_bench_facts *f, void *payload)
{
    json_t *kernels = json_array();
    for (int i = 0; i < f->n_kernels; i++)
        json_array_append_new(kernels, json_pack("{s:s, s:f, s:b}", "name", f->kernels[i]->name,
                                                 "ns_per_normal", f->normal_ns[i], "in_use",
                                                 f->kernels[i] == crd_kernels_get()));
    json_object_update_new(payload, json_pack("{s:s, s:s, s:s, s:i, s:I, s:f, s:s, s:o, s:[]}",
                                              "arch", f->network->arch, "estimator", f->estimator,
                                              "precision", crd_precision_names()[f->precision],
                                              "n_ranks", f->n_ranks, "macs", (json_int_t)f->macs,
                                              "peak_gflops", 1e-9 * f->peak_flops, "openblas_core",
                                              crd_gemm_core(), "kernels", kernels, "batches"));
}

static json_t *ops_to_json(const crd_bench_result *r)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < r->n_ops; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:f, s:f}", "layer", r->ops[i].name, "method",
                                        r->ops[i].method, "seconds", r->ops[i].seconds,
                                        "peak_share", r->ops[i].peak_share));
    return list;
}

static void add_result(const crd_bench_result *r, void *payload)
{
    const crd_benchmark *m = &r->measured;
    json_t *row =
        json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "batch",
                  (json_int_t)r->batch, "draws_per_s", r->draws_per_s, "image_draws_per_s",
                  r->image_draws_per_s, "pass_s", m->pass_s, "draw_cpu_s", m->draw_cpu_s,
                  "pass_cpu_s", m->pass_cpu_s, "passes_per_draw", r->passes_per_draw, "gflops",
                  1e-9 * r->flops, "peak_share", r->peak_share, "draw_share", m->draw_share,
                  "weighted_share", m->weighted_share, "rest_share", m->rest_share, "n_allocations",
                  (json_int_t)m->n_allocations);
    if (r->ops != NULL)
        json_object_set_new(row, "layers", ops_to_json(r));
    json_array_append_new(json_object_get(payload, "batches"), row);
}

const crd_bench_hooks crd_bench_json = {.start = set_head, .result = add_result};
