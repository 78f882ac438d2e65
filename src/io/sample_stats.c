/* /sample_stats, /posterior and /diagnostics of a posterior of chains: figures of the draws, and a
 * few of their weights, over (chain, draw), under ArviZ' names; and how these have mixed. All
 * weights are in /weights. */
#include "io/sample_stats.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "io/labelled.h"

static const char stats[] = "/sample_stats", posterior[] = "/posterior",
                  diagnostics[] = "/diagnostics";

/* One for each figure: one table for creating and writing. */
static const struct member {
    const char *name;
    crd_h5_type type;
    int figure;
    const char *units, *long_name;
} members[] = {
    {"lp", CRD_H5_FLOAT64, CRD_DRAW_LP, "nat",
     "log of likelihood times prior; of the draw's batch, scaled to all images"},
    {"energy", CRD_H5_FLOAT64, CRD_DRAW_ENERGY, "nat",
     "energy of the state; mclmc, smile: its change in the step to the draw"},
    {"acceptance_rate", CRD_H5_FLOAT64, CRD_DRAW_ACCEPTANCE, "1",
     "mean acceptance probability of the steps since the draw before"},
    {"step_size", CRD_H5_FLOAT64, CRD_DRAW_STEP_SIZE, "1", "step size of the step to the draw"},
    {"diverging", CRD_H5_INT64, CRD_DRAW_DIVERGING, "1",
     "steps since the draw before that went astray and were undone"},
    {"n_steps", CRD_H5_INT64, CRD_DRAW_N_GRADIENTS, "1", "gradients since the draw before"},
};
enum { N_MEMBERS = sizeof members / sizeof members[0], N_AXES = 3 };

/* Likewise one for each diagnostic of a quantity. */
static const struct diagnostic {
    const char *name;
    size_t offset;
    const char *long_name;
} all_diagnostics[] = {
    {"rhat", offsetof(crd_chain_diagnostics, rhat), "rank-normalised split R-hat"},
    {"ess_bulk", offsetof(crd_chain_diagnostics, ess_bulk), "effective sample size of the bulk"},
    {"ess_tail", offsetof(crd_chain_diagnostics, ess_tail), "effective sample size of the tails"},
    {"ess_mean", offsetof(crd_chain_diagnostics, ess_mean), "effective sample size of the mean"},
    {"mean", offsetof(crd_chain_diagnostics, mean.value), "mean of all draws"},
    {"mcse_mean", offsetof(crd_chain_diagnostics, mean.se), "its Monte Carlo standard error"},
    {"sd", offsetof(crd_chain_diagnostics, sd), "standard deviation of all draws"},
};
enum { N_DIAGNOSTICS = sizeof all_diagnostics / sizeof all_diagnostics[0] };

static crd_status create_diagnostics(crd_writer *writer, const crd_chain_report *r)
{
    crd_status status = CRD_OK;
    const char **labels = NULL;
    CRD_ALLOC(&labels, 1 + r->n_weights, "names of quantities");
    labels[0] = "lp";
    memcpy(labels + 1, r->weight_names, (size_t)r->n_weights * sizeof *labels);
    const crd_axis quantity = {.name = "quantity", .extent = 1 + r->n_weights, .labels = labels};
    const crd_axis *const axes[] = {&quantity};
    CRD_TRY(crd_labelled_group(writer, diagnostics, axes, 1));
    for (int i = 0; i < N_DIAGNOSTICS; i++)
        CRD_TRY(crd_labelled_array(writer, diagnostics, all_diagnostics[i].name, CRD_H5_FLOAT64,
                                   axes, 1, NULL, all_diagnostics[i].long_name));
cleanup:
    crd_free(labels);
    return status;
}

static crd_status write_diagnostics(crd_writer *writer, const crd_chain_report *r)
{
    crd_status status = CRD_OK;
    double *column = NULL;
    CRD_ALLOC(&column, 1 + r->n_weights, "diagnostics");
    for (int i = 0; i < N_DIAGNOSTICS; i++) {
        for (int64_t k = 0; k <= r->n_weights; k++)
            memcpy(&column[k], (const char *)&r->diagnostics[k] + all_diagnostics[i].offset,
                   sizeof *column);
        CRD_TRY(crd_labelled_write(writer, diagnostics, all_diagnostics[i].name, CRD_H5_FLOAT64,
                                   column, NULL, NULL));
    }
cleanup:
    crd_free(column);
    return status;
}

int64_t crd_chain_report_bytes(const crd_chain_report *r)
{
    return r == NULL
               ? 0
               : r->n_chains * r->n_draws *
                         (N_MEMBERS * (int64_t)sizeof(double) +
                          r->n_weights * (int64_t)sizeof(float)) +
                     (1 + r->n_weights) * N_DIAGNOSTICS * (int64_t)sizeof(double);
}

crd_status crd_sample_stats_create(crd_writer *writer, const crd_chain_report *r)
{
    crd_status status = CRD_OK;
    if (r == NULL)
        return CRD_OK;
    const crd_axis chain = {.name = "chain", .extent = r->n_chains},
                   draw = {.name = "draw", .extent = r->n_draws},
                   weight = {.name = "weight", .extent = r->n_weights, .labels = r->weight_names};
    const crd_axis *const axes[N_AXES] = {&chain, &draw, &weight};
    CRD_TRY(crd_labelled_group(writer, stats, axes, N_AXES - 1));
    for (int i = 0; i < N_MEMBERS; i++)
        CRD_TRY(crd_labelled_array(writer, stats, members[i].name, members[i].type, axes,
                                   N_AXES - 1, members[i].units, members[i].long_name));
    CRD_TRY(crd_labelled_group(writer, posterior, axes, N_AXES));
    CRD_TRY(crd_labelled_array(writer, posterior, "weights", CRD_H5_FLOAT32, axes, N_AXES, "1",
                               "some of the weights, at random; all are in /weights"));
    CRD_TRY(create_diagnostics(writer, r));
cleanup:
    return status;
}

static void gather(void *column, const crd_chain_report *r, const struct member *member)
{
    for (int64_t i = 0; i < r->n_chains * r->n_draws; i++) {
        double value = r->figures[i * CRD_DRAW_FIGURES + member->figure];
        if (member->type == CRD_H5_INT64)
            ((int64_t *)column)[i] = (int64_t)value;
        else
            ((double *)column)[i] = value;
    }
}

crd_status crd_sample_stats_write(crd_writer *writer, const crd_chain_report *r)
{
    crd_status status = CRD_OK;
    double *column = NULL;
    if (r == NULL)
        return CRD_OK;
    CRD_ALLOC(&column, r->n_chains * r->n_draws, "figures of draws");
    for (int i = 0; i < N_MEMBERS; i++) {
        gather(column, r, &members[i]);
        CRD_TRY(crd_labelled_write(writer, stats, members[i].name, members[i].type, column, NULL,
                                   NULL));
    }
    CRD_TRY(
        crd_labelled_write(writer, posterior, "weights", CRD_H5_FLOAT32, r->weights, NULL, NULL));
    CRD_TRY(write_diagnostics(writer, r));
cleanup:
    crd_free(column);
    return status;
}
