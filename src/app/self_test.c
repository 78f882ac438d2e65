/* Whether this installation is right: published values, every kernel set against the reference, a
 * prediction over all ranks, and a file written and read again. Whether the code is right is asked
 * by tests/. */
#include "app/self_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/random_posterior.h"
#include "base/alloc.h"
#include "credence/files.h"
#include "credence/predict.h"
#include "kernels/kernels.h"

/** What checks run with. */
typedef struct test {
    crd_comm *comm;
    const char *command;
} test;

static const char *const every_layer = "*";

/** Salmon et al. 2011, as published with Random123. */
static crd_status check_philox(const test *t)
{
    static const uint32_t known[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0U, ~0U, ~0U, ~0U, ~0U, ~0U, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1}};
    (void)t;
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        crd_philox4x32(out, known[i], known[i] + 4);
        if (memcmp(out, known[i] + 6, sizeof out) != 0)
            return CRD_FAIL(CRD_ERR_INTERNAL, "known answer %d is wrong", i);
    }
    return CRD_OK;
}

static crd_status check_kernels(const test *t)
{
    enum { N = 1000 };
    float expected[N], got[N];
    const crd_kernels *tables[8];
    const crd_stream stream = {.seed = 7, .draw = 3, .tensor = 5, .purpose = CRD_PURPOSE_WEIGHT};
    int n = crd_kernels_all(tables, 8);
    (void)t;
    tables[0]->normal_fill(expected, N, 0, &stream);
    for (int i = 1; i < n; i++) {
        tables[i]->normal_fill(got, N, 0, &stream);
        if (memcmp(expected, got, sizeof got) != 0)
            return CRD_FAIL(CRD_ERR_INTERNAL, "normals of %s differ from %s", tables[i]->name,
                            tables[0]->name);
    }
    return CRD_OK;
}

/** A sum of products of bf16 pairs by every table, against doubles. */
static crd_status check_bf16(const test *t)
{
    enum { N = 64 };
    float x[2 * N], w[2 * N * CRD_LANES], out[CRD_LANES];
    uint32_t x_pairs[N], w_pairs[N * CRD_LANES];
    int64_t terms[N], zero = 0;
    const crd_kernels *tables[8];
    int n = crd_kernels_all(tables, 8);
    const crd_stream stream = {.seed = 1, .purpose = CRD_PURPOSE_WEIGHT};
    (void)t;
    crd_normal_fill(x, 2 * N, 0, &stream);
    crd_normal_fill(w, 2 * N * CRD_LANES, CRD_STREAM_BLOCK * N, &stream);
    for (int k = 0; k < N; k++)
        terms[k] = k;
    for (int i = 0; i < n; i++) {
        const crd_bf16_kernels *kernels = tables[i]->bf16;
        kernels->round_pairs(x_pairs, x, x + N, N);
        kernels->round_pairs(w_pairs, w, w + N * CRD_LANES, N * CRD_LANES);
        kernels->multiply(&(crd_products){.out = out,
                                          .out_at = &zero,
                                          .in = x_pairs,
                                          .in_at = &zero,
                                          .n_pieces = 1,
                                          .width = 1,
                                          .in_step = 1,
                                          .terms = terms,
                                          .n_terms = N,
                                          .panels = w_pairs,
                                          .n_panels = 1});
        for (int c = 0; c < CRD_LANES; c++) {
            double sum = 0;
            for (int k = 0; k < 2 * N; k++)
                sum += (double)x[k] * (double)w[k * CRD_LANES + c];
            if (!(fabs(sum - (double)out[c]) < 0.2)) /* each factor is off by up to 0.4 % */
                return CRD_FAIL(CRD_ERR_INTERNAL, "%s: a sum is %g, expected %g", tables[i]->name,
                                (double)out[c], sum);
        }
    }
    return CRD_OK;
}

static crd_status check_gemm(const test *t)
{
    enum { M = 37, N = 41, K = 53 };
    float a[M * K], b[K * N], c[M * N];
    const crd_stream stream = {.seed = 1, .purpose = CRD_PURPOSE_WEIGHT};
    (void)t;
    crd_normal_fill(a, M * K, 0, &stream);
    crd_normal_fill(b, K * N, 64 * CRD_STREAM_BLOCK, &stream);
    crd_gemm(c, N, a, K, b, N, M, N, K, 0);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < K; k++)
                sum += (double)a[i * K + k] * (double)b[k * N + j];
            if (!(fabs(sum - (double)c[i * N + j]) < 1e-4))
                return CRD_FAIL(CRD_ERR_INTERNAL, "element (%d, %d) is %g, expected %g", i, j,
                                (double)c[i * N + j], sum);
        }
    return CRD_OK;
}

static crd_status load_pattern(float *tensors, int8_t *skipped, int64_t first, int64_t n,
                               void *payload)
{
    int64_t floats = *(int64_t *)payload;
    for (int64_t i = 0; i < n * floats; i++)
        tensors[i] = (float)((first * floats + i) % 17) / 17;
    memset(skipped, 0, (size_t)n);
    return CRD_OK;
}

/** Sum over classes of an image's mean probabilities. */
static crd_status take_sum(const crd_summary *rows, int64_t first_image, void *payload)
{
    const crd_class_rows s = crd_class_rows_view(rows);
    (void)first_image;
    (void)payload;
    for (int64_t i = 0; i < s.n_images; i++) {
        double sum = 0;
        for (int64_t k = 0; k < s.n_classes; k++)
            sum += (double)s.probs_mean[i * s.n_classes + k];
        if (!(fabs(sum - 1) < 1e-5))
            return CRD_FAIL(CRD_ERR_INTERNAL, "probabilities sum to %g", sum);
    }
    return CRD_OK;
}

/** A small network, drawn and run over all ranks: broadcast, counters and reduction included. */
static crd_status check_prediction(const test *t)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior = NULL;
    crd_shared_model *shared = NULL;
    CRD_TRY(crd_comm_agree(t->comm, crd_random_posterior(&posterior, "lenet", &every_layer, 1, 1)));
    CRD_TRY(crd_shared_model_create(&shared, t->comm, posterior, NULL, 0));
    int64_t floats = crd_shape_count(crd_network_input_shape(posterior->network));
    crd_predict_options options = {
        .sampler = {.estimator = crd_estimator_names()[0], .batch = 2, .draw_block = 2},
        .n_draws = 8,
        .n_top = 1,
        .n_images = 3};
    crd_predict_source source = {.load = load_pattern, .payload = &floats};
    crd_predict_sink sink = {.summary = take_sum};
    crd_predict_report report;
    CRD_TRY(crd_predict(&report, t->comm, crd_shared_model_view(shared), &options, &source, &sink));
cleanup:
    crd_shared_model_destroy(shared);
    crd_posterior_destroy(posterior);
    return status;
}

static crd_status check_ranks(const test *t)
{
    int rank = crd_comm_rank(t->comm), size = crd_comm_size(t->comm);
    int64_t number = rank == 0 ? 4711 : 0;
    crd_comm_broadcast(t->comm, &number, sizeof number);
    int64_t sum = number;
    crd_comm_reduce_sum(t->comm, &sum, 1);
    if (number != 4711 || (rank == 0 && sum != 4711 * (int64_t)size))
        return CRD_FAIL(CRD_ERR_INTERNAL, "broadcast or sum over %d ranks is wrong", size);
    return CRD_OK;
}

static crd_status check_files(const test *t)
{
    crd_status status = CRD_OK;
    char folder[512], path[544] = "";
    crd_posterior *written = NULL, *read = NULL;
    const char *tmp = getenv("TMPDIR");
    if (crd_comm_rank(t->comm) != 0)
        return CRD_OK;
    snprintf(folder, sizeof folder, "%s/credence-selftest-XXXXXX", tmp != NULL ? tmp : "/tmp");
    CRD_REQUIRE(mkdtemp(folder) != NULL, CRD_ERR_IO, "%s: cannot be made", folder);
    snprintf(path, sizeof path, "%s/posterior.h5", folder);
    CRD_TRY(crd_random_posterior(&written, "lenet", &every_layer, 1, 1));
    CRD_TRY(crd_posterior_write(path, written, &(crd_provenance){.command = t->command}));
    CRD_TRY(crd_posterior_read(&read, path));
    CRD_REQUIRE(memcmp(read->rho, written->rho,
                       (size_t)written->network->params.n_floats * sizeof *read->rho) == 0,
                CRD_ERR_INTERNAL, "%s: rho came back changed", path);
cleanup:
    if (path[0] != '\0') {
        unlink(path);
        rmdir(folder);
    }
    crd_posterior_destroy(read);
    crd_posterior_destroy(written);
    return status;
}

static const struct {
    const char *name;
    crd_status (*check)(const test *t);
} checks[] = {
    {"Philox gives the published answers", check_philox},
    {"all kernels of this CPU give the same bits", check_kernels},
    {"products in bf16 agree with a plain loop", check_bf16},
    {"matrix products agree with a plain loop", check_gemm},
    {"ranks broadcast and sum", check_ranks},
    {"a small network is drawn and run", check_prediction},
    {"an HDF5 file comes back as written", check_files},
};

crd_status crd_self_test(crd_comm *comm, const char *command, crd_self_test_result *result,
                         void *payload)
{
    const test t = {comm, command};
    crd_status worst = CRD_OK;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        crd_status status = crd_comm_agree(comm, checks[i].check(&t));
        worst = worst == CRD_OK ? status : worst;
        if (crd_comm_rank(comm) == 0)
            result(checks[i].name, status == CRD_OK ? NULL : crd_status_message(), payload);
    }
    return worst == CRD_OK ? CRD_OK : CRD_FAIL(worst, "this installation is not right");
}
