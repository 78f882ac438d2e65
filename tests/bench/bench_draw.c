/* Prints nanoseconds per normal of every kernel table, and the peak of one core: the median of
 * several runs over arrays that stay in L2. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "kernels/kernels.h"

#define N 32768
#define RUNS 41

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct arrays {
    float *w, *mu, *sigma;
} arrays;

typedef void job(const crd_kernels *kernels, const arrays *x, const crd_stream *stream);

static void draw(const crd_kernels *kernels, const arrays *x, const crd_stream *stream)
{
    kernels->draw(x->w, x->mu, x->sigma, N, 0, stream);
}

static void perturb(const crd_kernels *kernels, const arrays *x, const crd_stream *stream)
{
    kernels->draw(x->w, NULL, x->sigma, N, 0, stream);
}

static void normals(const crd_kernels *kernels, const arrays *x, const crd_stream *stream)
{
    kernels->normal_fill(x->w, N, 0, stream);
}

static void signs(const crd_kernels *kernels, const arrays *x, const crd_stream *stream)
{
    kernels->sign_fill(x->w, N, stream);
}

static double median_ns(job *run, const crd_kernels *kernels, const arrays *x)
{
    const int repeats = 20;
    double ns[RUNS];
    crd_stream stream = {.seed = 1, .purpose = CRD_PURPOSE_WEIGHT};
    for (int i = 0; i < RUNS; i++) {
        double start = crd_clock_now_s();
        for (int repeat = 0; repeat < repeats; repeat++) {
            stream.draw++;
            run(kernels, x, &stream);
        }
        ns[i] = 1e9 * (crd_clock_now_s() - start) / (double)(repeats * N);
    }
    qsort(ns, RUNS, sizeof ns[0], by_value);
    return ns[RUNS / 2];
}

int main(void)
{
    crd_status status;
    arrays x = {0};
    CRD_ALLOC(&x.w, N, "w");
    CRD_ALLOC(&x.mu, N, "mu");
    CRD_ALLOC(&x.sigma, N, "sigma");
    const crd_kernels *tables[8];
    int n_tables = crd_kernels_all(tables, 8);
    printf("ns per element    draw  draw without mu  normal_fill  sign_fill\n");
    for (int i = 0; i < n_tables; i++)
        printf("%-14s %7.3f %16.3f %12.3f %10.3f\n", tables[i]->name,
               median_ns(draw, tables[i], &x), median_ns(perturb, tables[i], &x),
               median_ns(normals, tables[i], &x), median_ns(signs, tables[i], &x));
    printf("fp32 peak of one core: %.1f GFLOP/s\n", 1e-9 * crd_peak_flops(0, 0.5));
cleanup:
    if (status != CRD_OK)
        fprintf(stderr, "bench_draw: %s\n", crd_status_message());
    crd_free(x.sigma);
    crd_free(x.mu);
    crd_free(x.w);
    return (int)status;
}
