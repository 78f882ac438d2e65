/* What a posterior holds: KL divergence, sizes, and of each tensor quantiles of sigma and of its
 * signal to noise, by selection and not by sorting. Kinds of files that hold no posterior are shown
 * by their attributes and datasets (credence/files.h). */
#include "credence/inspect_files.h"

#include <math.h>

#include "base/alloc.h"
#include "stats/order_statistic.h"

/** Has parameter `param` a posterior, with elements? */
static bool is_counted(const crd_posterior *posterior, int64_t param)
{
    return posterior->bayesian[param] && posterior->network->params.entries[param].count > 0;
}

void crd_posterior_facts_fill(crd_posterior_facts *out, const crd_posterior *posterior)
{
    const crd_params *params = &posterior->network->params;
    *out = (crd_posterior_facts){0};
    for (int64_t i = 0; i < params->n_params; i++) {
        out->n_bayesian_tensors += posterior->bayesian[i];
        *(posterior->bayesian[i] ? &out->n_bayesian : &out->n_fixed) += params->entries[i].count;
    }
    crd_posterior_kl(&out->kl_sum, &out->kl_mean, posterior);
}

/** Place of a quantile among n sorted values: the nearest one below. */
static int64_t place_of(double quantile, int64_t n)
{
    return (int64_t)(quantile * (double)(n - 1));
}

/** `values`: room for the elements of the tensor. */
static crd_status measure_tensor(crd_tensor_facts *out, double *values,
                                 const crd_posterior *posterior, int64_t index)
{
    crd_status status = CRD_OK;
    const crd_param *param = &posterior->network->params.entries[index];
    const float *mu = posterior->mu + param->offset, *rho = posterior->rho + param->offset;
    const int64_t n = param->count, middle = place_of(0.5, n);
    const int64_t places[] = {place_of(0.05, n), middle, place_of(0.95, n)};
    double snr[3];
    *out = (crd_tensor_facts){.param = index, .sigma_min = INFINITY, .sigma_max = 0};
    for (int64_t i = 0; i < n; i++) {
        double sigma = crd_sigma_of_rho((double)rho[i]);
        out->sigma_min = fmin(out->sigma_min, sigma);
        out->sigma_max = fmax(out->sigma_max, sigma);
        values[i] = sigma;
    }
    CRD_TRY(crd_order_statistics(&out->sigma_median, values, n, &middle, 1));
    for (int64_t i = 0; i < n; i++)
        values[i] = fabs((double)mu[i]) / values[i];
    CRD_TRY(crd_order_statistics(snr, values, n, places, 3));
    out->snr_5 = snr[0];
    out->snr_50 = snr[1];
    out->snr_95 = snr[2];
    out->kl = crd_posterior_kl_tensor(posterior, index);
cleanup:
    return status;
}

static crd_status measure_tensors(crd_inspection *inspection)
{
    crd_status status = CRD_OK;
    const crd_posterior *posterior = inspection->posterior;
    const crd_params *params = &posterior->network->params;
    int64_t most = 1, n = 0;
    double *values = NULL;
    for (int64_t i = 0; i < params->n_params; i++)
        if (is_counted(posterior, i)) {
            most = params->entries[i].count > most ? params->entries[i].count : most;
            n++;
        }
    CRD_ALLOC(&values, most, "sigma");
    CRD_ALLOC(&inspection->tensors, n, "facts of tensors");
    for (int64_t i = 0; i < params->n_params; i++)
        if (is_counted(posterior, i))
            CRD_TRY(measure_tensor(&inspection->tensors[inspection->n_tensors++], values, posterior,
                                   i));
cleanup:
    crd_free(values);
    return status;
}

static crd_status read_posterior(crd_inspection *out, const char *path, crd_file_kind kind)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(kind == CRD_FILE_POSTERIOR || kind == CRD_FILE_CHECKPOINT, CRD_ERR_INPUT,
                "%s: neither a posterior nor a checkpoint", path);
    if (kind == CRD_FILE_POSTERIOR)
        return crd_posterior_read(&out->posterior, path);
    CRD_TRY(crd_checkpoint_read(&out->posterior, &out->state, path, NULL));
    CRD_REQUIRE(out->posterior != NULL, CRD_ERR_INPUT, "%s: was removed while it was read", path);
cleanup:
    return status;
}

crd_status crd_inspect_posterior(crd_inspection **out, const char *path, crd_file_kind kind)
{
    crd_status status = CRD_OK;
    crd_inspection *i = NULL;
    *out = NULL;
    CRD_ALLOC(&i, 1, "an inspection");
    i->kind = kind;
    CRD_TRY(read_posterior(i, path, kind));
    CRD_TRY(crd_posterior_read_history(&i->history, &i->n_epochs, path));
    i->is_normal = crd_family_is_normal(i->posterior->family);
    if (i->is_normal) {
        crd_posterior_facts_fill(&i->facts, i->posterior);
        CRD_TRY(measure_tensors(i));
    }
    *out = i;
    i = NULL;
cleanup:
    crd_inspection_destroy(i);
    return status;
}

void crd_inspection_destroy(crd_inspection *inspection)
{
    if (inspection == NULL)
        return;
    crd_free(inspection->tensors);
    crd_history_free(inspection->history);
    crd_train_state_clear(&inspection->state);
    crd_posterior_destroy(inspection->posterior);
    crd_free(inspection);
}

bool crd_inspection_is_bayesian(const crd_inspection *inspection, int64_t op)
{
    const crd_posterior *p = inspection->posterior;
    int64_t weight = crd_network_op_param(p->network, op);
    for (int64_t c = 0; weight >= 0 && c < p->n_components; c++)
        if (p->bayesian[c * p->network->params.n_params + weight])
            return true;
    return false;
}
