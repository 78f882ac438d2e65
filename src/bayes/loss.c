/* Data terms and their gradients, row by row in double. Calibration terms: loss_calibration.c. */
#include "credence/loss.h"

#include <math.h>
#include <stddef.h>

#include "base/names.h"
#include "base/softmax.h"

/* torch's floor of the variance in gaussian_nll_loss. */
static const double variance_min = 1e-6;
static const double log_two_pi = 1.8378770664093454836;

typedef double loss_eval(float *dlogits, const float *logits, const int64_t *labels,
                         const float *values, int64_t n, int64_t n_outputs);

struct crd_loss {
    crd_target target;
    int64_t outputs_per_value;
    crd_output_kind outputs;
    loss_eval *eval;
};

/* -log softmax(logits)[label]. */
static double cross_entropy(float *dlogits, const float *logits, const int64_t *labels,
                            const float *values, int64_t n, int64_t n_outputs)
{
    (void)values;
    const double scale = 1 / (double)n;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = logits + i * n_outputs;
        crd_softmax_law law = crd_softmax_law_of(row, n_outputs);
        double log_total = law.largest + log(law.total);
        sum += log_total - (double)row[labels[i]];
        for (int64_t c = 0; dlogits != NULL && c < n_outputs; c++)
            dlogits[i * n_outputs + c] =
                (float)(scale * (exp((double)row[c] - log_total) - (c == labels[i])));
    }
    return sum * scale;
}

static double mse(float *dlogits, const float *logits, const int64_t *labels, const float *values,
                  int64_t n, int64_t n_outputs)
{
    (void)labels;
    const double scale = 1 / (double)(n * n_outputs);
    double sum = 0;
    for (int64_t i = 0; i < n * n_outputs; i++) {
        double difference = (double)logits[i] - (double)values[i];
        sum += difference * difference;
        if (dlogits != NULL)
            dlogits[i] = (float)(2 * scale * difference);
    }
    return sum * scale;
}

/* A row holds the means and then the log variances. The floor of the variance changes the value
 * but, as in torch, lets the gradient of the variance through. */
static double gaussian_nll(float *dlogits, const float *logits, const int64_t *labels,
                           const float *values, int64_t n, int64_t n_outputs)
{
    (void)labels;
    const int64_t width = n_outputs / 2;
    const double scale = 1 / (double)(n * width), log_min = log(variance_min);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *mean = logits + i * n_outputs, *log_variance = mean + width;
        for (int64_t j = 0; j < width; j++) {
            double difference = (double)mean[j] - (double)values[i * width + j];
            double raw = (double)log_variance[j], floored = fmax(raw, log_min);
            double precision = exp(-floored);
            double square = difference * difference * precision;
            sum += 0.5 * (log_two_pi + floored + square);
            if (dlogits == NULL)
                continue;
            float *drow = dlogits + i * n_outputs;
            drow[j] = (float)(scale * difference * precision);
            drow[width + j] = (float)(scale * 0.5 * (1 - square) * exp(raw - floored));
        }
    }
    return sum * scale;
}

enum { N_LOSSES = 4 };

static const char *const names[N_LOSSES + 1] = {"cross-entropy", "mse", "mse-distill",
                                                "gaussian-nll", NULL};

static const crd_loss losses[N_LOSSES] = {
    {CRD_TARGET_LABEL, 0, CRD_OUTPUT_LOGITS, cross_entropy},
    {CRD_TARGET_VALUES, 1, CRD_OUTPUT_MEANS, mse},
    {CRD_TARGET_VALUES, 1, CRD_OUTPUT_LOGITS, mse},
    {CRD_TARGET_VALUES, 2, CRD_OUTPUT_NORMALS, gaussian_nll},
};

const char *const *crd_loss_names(void)
{
    return names;
}

crd_status crd_loss_find(const crd_loss **out, const char *name)
{
    int i;
    crd_status status = crd_names_require(&i, names, name, "loss", CRD_ERR_USAGE);
    *out = status == CRD_OK ? &losses[i] : NULL;
    return status;
}

crd_target crd_loss_target(const crd_loss *loss)
{
    return loss->target;
}

crd_output_kind crd_loss_outputs(const crd_loss *loss)
{
    return loss->outputs;
}

crd_status crd_loss_n_values(int64_t *out, const crd_loss *loss, int64_t n_outputs)
{
    *out = 0;
    if (loss->target == CRD_TARGET_LABEL)
        return CRD_OK;
    if (n_outputs % loss->outputs_per_value != 0)
        return CRD_FAIL(CRD_ERR_USAGE,
                        "loss: %s needs a mean and a log variance of each value; the network has "
                        "%lld outputs, which is odd",
                        names[loss - losses], (long long)n_outputs);
    *out = n_outputs / loss->outputs_per_value;
    return CRD_OK;
}

void crd_loss_eval(double *value, float *dlogits, const crd_loss *loss, const float *logits,
                   const int64_t *labels, const float *values, int64_t n, int64_t n_outputs)
{
    *value = loss->eval(dlogits, logits, labels, values, n, n_outputs);
}
