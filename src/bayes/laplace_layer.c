/* Eigenvalues of a Hessian, the evidence, and the precision that makes it largest (MacKay, "A
 * practical Bayesian framework for backpropagation networks", Neural Computation 4 (1992)): for one
 * precision its logarithm has one maximum, where n_effective = precision * |weights|^2. */
#include "bayes/laplace_layer.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/kernels.h"

/* What rounding has made negative is 0. */
static double eigenvalue(double value)
{
    return value > 0 ? value : 0;
}

static void load_means(double *out, const crd_head *head)
{
    int64_t n = head->n_outputs * head->n_features;
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)head->weight[i];
    for (int64_t i = 0; head->bias != NULL && i < head->n_outputs; i++)
        out[n + i] = (double)head->bias[i];
}

static crd_status rotate_kron(crd_spectrum *s, const crd_head *head)
{
    crd_status status = CRD_OK;
    int64_t d = head->n_features, k = head->n_outputs;
    double *outputs = NULL, *features = NULL, *room = NULL;
    CRD_ALLOC(&outputs, k, "eigenvalues");
    CRD_ALLOC(&features, d, "eigenvalues");
    CRD_ALLOC(&room, k * d, "weights");
    CRD_TRY(crd_eigen_symmetric(outputs, s->outputs, k));
    CRD_TRY(crd_eigen_symmetric(features, s->features, d));
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < d; j++)
            s->values[i * d + j] = eigenvalue(outputs[i]) * eigenvalue(features[j]);
        if (head->bias != NULL)
            s->values[k * d + i] = eigenvalue(outputs[i]);
    }
    crd_gemm_double(room, s->means, s->features, k, d, d, CRD_TRANSPOSE_B);
    crd_gemm_double(s->means, s->outputs, room, k, d, k, 0);
    if (head->bias != NULL) {
        crd_gemm_double(room, s->outputs, s->means + k * d, k, 1, k, 0);
        memcpy(s->means + k * d, room, (size_t)k * sizeof *room);
    }
cleanup:
    crd_free(room);
    crd_free(features);
    crd_free(outputs);
    return status;
}

static crd_status rotate_full(crd_spectrum *s)
{
    crd_status status = CRD_OK;
    double *room = NULL;
    CRD_ALLOC(&room, s->n, "weights");
    CRD_TRY(crd_eigen_symmetric(s->values, s->features, s->n));
    for (int64_t i = 0; i < s->n; i++)
        s->values[i] = eigenvalue(s->values[i]);
    crd_gemm_double(room, s->features, s->means, s->n, 1, s->n, 0);
    memcpy(s->means, room, (size_t)s->n * sizeof *room);
cleanup:
    crd_free(room);
    return status;
}

crd_status crd_spectrum_make(crd_spectrum *out, crd_ggn *ggn, const crd_head *head)
{
    crd_status status = CRD_OK;
    int64_t n = crd_head_n_params(head);
    *out = (crd_spectrum){.hessian = ggn->hessian, .n = n};
    CRD_ALLOC(&out->means, n, "weights");
    load_means(out->means, head);
    out->outputs = ggn->outputs;
    if (ggn->hessian == CRD_HESSIAN_DIAG)
        out->values = ggn->features;
    else
        out->features = ggn->features;
    ggn->outputs = ggn->features = NULL;
    if (ggn->hessian == CRD_HESSIAN_DIAG)
        return CRD_OK;
    CRD_ALLOC(&out->values, n, "eigenvalues");
    CRD_TRY(ggn->hessian == CRD_HESSIAN_KRON ? rotate_kron(out, head) : rotate_full(out));
cleanup:
    if (status != CRD_OK)
        crd_spectrum_clear(out);
    return status;
}

void crd_spectrum_clear(crd_spectrum *spectrum)
{
    crd_free(spectrum->values);
    crd_free(spectrum->means);
    crd_free(spectrum->outputs);
    crd_free(spectrum->features);
    *spectrum = (crd_spectrum){0};
}

static double square_norm(const crd_spectrum *s)
{
    double sum = 0;
    for (int64_t i = 0; i < s->n; i++)
        sum += s->means[i] * s->means[i];
    return sum;
}

static double n_effective(const crd_spectrum *s, double precision)
{
    double sum = 0;
    for (int64_t i = 0; i < s->n; i++)
        sum += s->values[i] / (s->values[i] + precision);
    return sum;
}

void crd_laplace_evaluate(crd_laplace *out, const crd_spectrum *s, double precision)
{
    double log_ratio = 0; /* of the determinants of both precisions */
    for (int64_t i = 0; i < s->n; i++)
        log_ratio += log1p(s->values[i] / precision);
    out->prior_precision = precision;
    out->log_marginal_likelihood =
        out->log_likelihood - 0.5 * (log_ratio + precision * square_norm(s));
    out->n_effective = n_effective(s, precision);
}

crd_status crd_laplace_optimize(double *precision, const crd_spectrum *s)
{
    enum { N_HALVINGS = 80 };
    crd_status status = CRD_OK;
    double low = log(CRD_LAPLACE_MIN_PRECISION), high = log(CRD_LAPLACE_MAX_PRECISION);
    double norm = square_norm(s);
    CRD_REQUIRE(n_effective(s, exp(low)) > exp(low) * norm &&
                    n_effective(s, exp(high)) < exp(high) * norm,
                CRD_ERR_NUMERIC,
                "the marginal likelihood is largest for no prior precision between %g and %g; "
                "give one (--prior-precision)",
                CRD_LAPLACE_MIN_PRECISION, CRD_LAPLACE_MAX_PRECISION);
    for (int i = 0; i < N_HALVINGS; i++) {
        double middle = 0.5 * (low + high);
        if (n_effective(s, exp(middle)) > exp(middle) * norm)
            low = middle;
        else
            high = middle;
    }
    *precision = exp(0.5 * (low + high));
cleanup:
    return status;
}
