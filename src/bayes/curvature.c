/* Sums of the generalized Gauss-Newton matrix of a last linear layer: products in double, batch by
 * batch, rounded to integers once a batch. Kronecker factors are KFAC's (Martens and Grosse,
 * "Optimizing neural networks with Kronecker-factored approximate curvature", ICML 2015) with the
 * exact second factor and the bias apart, in the scaling of laplace-torch. */
#include "bayes/curvature.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/kernels.h"

/* Units of the sums, and what keeps them below 2^63. */
enum { FEATURE_BITS = 40, PROBABILITY_BITS = 60, LOSS_BITS = 40, MAX_LOSS_BITS = 20 };
static const double max_feature = 1 << 10;

struct crd_curvature {
    crd_hessian hessian;
    const crd_head *head;
    int64_t n_images, batch;
    int64_t *sums, n_sums;
    int64_t outputs, features; /* places of the parts; the last sum is the loss */
    double *phi;               /* [batch][width] */
    double *probs;             /* [batch][n_outputs] */
    double *scaled;            /* [batch][the larger of both] */
    double *product;           /* of a batch */
};

const char *const *crd_hessian_names(void)
{
    static const char *const names[] = {"kron", "full", "diag", NULL};
    return names;
}

int64_t crd_head_width(const crd_head *head)
{
    return head->n_features + (head->bias != NULL);
}

int64_t crd_head_n_params(const crd_head *head)
{
    return head->n_outputs * crd_head_width(head);
}

crd_status crd_curvature_check(crd_hessian hessian, const crd_head *head, const char *layer)
{
    crd_status status = CRD_OK;
    int64_t n = crd_head_n_params(head);
    CRD_REQUIRE(hessian != CRD_HESSIAN_FULL || n <= CRD_LAPLACE_MAX_FULL, CRD_ERR_USAGE,
                "--hessian full: %s has %lld weights and biases, allowed are %d; take kron", layer,
                (long long)n, CRD_LAPLACE_MAX_FULL);
    CRD_REQUIRE(hessian != CRD_HESSIAN_KRON || (head->n_features <= CRD_LAPLACE_MAX_KRON &&
                                                head->n_outputs <= CRD_LAPLACE_MAX_KRON),
                CRD_ERR_USAGE,
                "--hessian kron: %s has %lld features and %lld outputs, allowed are %d; take diag",
                layer, (long long)head->n_features, (long long)head->n_outputs,
                CRD_LAPLACE_MAX_KRON);
cleanup:
    return status;
}

/* Numbers of the part that has features in it. */
static int64_t n_feature_sums(const crd_curvature *c)
{
    int64_t d = c->head->n_features, k = c->head->n_outputs, width = crd_head_width(c->head);
    return c->hessian == CRD_HESSIAN_KRON   ? d * d
           : c->hessian == CRD_HESSIAN_FULL ? k * (k + 1) / 2 * width * width
                                            : k * width;
}

crd_status crd_curvature_create(crd_curvature **out, crd_hessian hessian, const crd_head *head,
                                int64_t n_images, int64_t batch)
{
    crd_status status = CRD_OK;
    crd_curvature *c = NULL;
    int64_t k = head->n_outputs, width = crd_head_width(head), side = width > k ? width : k;
    *out = NULL;
    CRD_TRY(crd_curvature_check(hessian, head, "the last layer"));
    CRD_ALLOC(&c, 1, "sums of the Hessian");
    c->hessian = hessian;
    c->head = head;
    c->n_images = n_images;
    c->batch = batch;
    c->features = hessian == CRD_HESSIAN_KRON ? k * k : 0;
    c->n_sums = c->features + n_feature_sums(c) + 1;
    CRD_ALLOC(&c->sums, c->n_sums, "sums of the Hessian");
    CRD_ALLOC(&c->phi, batch * width, "features");
    CRD_ALLOC(&c->probs, batch * k, "probabilities");
    CRD_ALLOC(&c->scaled, batch * side, "features");
    CRD_ALLOC(&c->product, hessian == CRD_HESSIAN_DIAG ? k * width : side * side,
              "a batch's Hessian");
    *out = c;
    return CRD_OK;
cleanup:
    crd_curvature_destroy(c);
    return status;
}

void crd_curvature_destroy(crd_curvature *c)
{
    if (c == NULL)
        return;
    crd_free(c->product);
    crd_free(c->scaled);
    crd_free(c->probs);
    crd_free(c->phi);
    crd_free(c->sums);
    crd_free(c);
}

int64_t *crd_curvature_sums(crd_curvature *c, int64_t *n)
{
    *n = c->n_sums;
    return c->sums;
}

/* Adds values, of a batch's images, to n sums. */
static void add(crd_curvature *c, int64_t first, const double *values, int64_t n, int bits)
{
    double unit = ldexp(1, bits) / (double)c->n_images;
    for (int64_t i = 0; i < n; i++)
        c->sums[first + i] += llrint(values[i] * unit);
}

static crd_status load(crd_curvature *c, const float *features, int64_t n, int64_t first_image)
{
    int64_t d = c->head->n_features, width = crd_head_width(c->head);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++) {
            double x = (double)features[i * d + j];
            if (!(fabs(x) < max_feature))
                return CRD_FAIL(CRD_ERR_NUMERIC,
                                "image %lld: feature %lld of the last layer is %g; allowed are "
                                "values below %g",
                                (long long)(first_image + i), (long long)j, x, max_feature);
            c->phi[i * width + j] = x;
        }
        if (width > d)
            c->phi[i * width + d] = 1;
    }
    return CRD_OK;
}

/* probs, and the negated log likelihood of the label. */
static double softmax(double *probs, const crd_head *head, const float *features, int64_t label)
{
    int64_t k = head->n_outputs, d = head->n_features;
    double most = -INFINITY, sum = 0, chosen = 0;
    for (int64_t i = 0; i < k; i++) {
        double x = head->bias != NULL ? (double)head->bias[i] : 0;
        for (int64_t j = 0; j < d; j++)
            x += (double)head->weight[i * d + j] * (double)features[j];
        probs[i] = x;
        most = fmax(most, x);
    }
    chosen = probs[label] - most;
    for (int64_t i = 0; i < k; i++) {
        probs[i] = exp(probs[i] - most);
        sum += probs[i];
    }
    for (int64_t i = 0; i < k; i++)
        probs[i] /= sum;
    return log(sum) - chosen;
}

static crd_status add_losses(crd_curvature *c, const float *features, const int64_t *labels,
                             int64_t n, int64_t first_image)
{
    const crd_head *head = c->head;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double loss = softmax(c->probs + i * head->n_outputs, head, features + i * head->n_features,
                              labels[i]);
        if (!(loss < ldexp(1, MAX_LOSS_BITS)))
            return CRD_FAIL(CRD_ERR_NUMERIC, "image %lld: the loss is %g",
                            (long long)(first_image + i), loss);
        sum += loss;
    }
    add(c, c->n_sums - 1, &sum, 1, LOSS_BITS);
    return CRD_OK;
}

/* Both factors. The product of the features leaves the bias out. */
static void add_kron(crd_curvature *c, int64_t n)
{
    int64_t d = c->head->n_features, k = c->head->n_outputs, width = crd_head_width(c->head);
    for (int64_t i = 0; i < n; i++)
        memcpy(c->scaled + i * d, c->phi + i * width, (size_t)d * sizeof *c->scaled);
    crd_gemm_double(c->product, c->scaled, c->scaled, d, d, n, CRD_TRANSPOSE_A);
    add(c, c->features, c->product, d * d, FEATURE_BITS);
    crd_gemm_double(c->product, c->probs, c->probs, k, k, n, CRD_TRANSPOSE_A);
    for (int64_t a = 0; a < k; a++) {
        for (int64_t b = 0; b < k; b++)
            c->product[a * k + b] *= -1;
        for (int64_t i = 0; i < n; i++)
            c->product[a * k + a] += c->probs[i * k + a];
    }
    add(c, c->outputs, c->product, k * k, PROBABILITY_BITS);
}

/* A block for each pair of outputs. */
static void add_full(crd_curvature *c, int64_t n)
{
    int64_t k = c->head->n_outputs, width = crd_head_width(c->head), place = c->features;
    for (int64_t a = 0; a < k; a++) {
        for (int64_t b = 0; b <= a; b++, place += width * width) {
            for (int64_t i = 0; i < n; i++) {
                double p = c->probs[i * k + a], slope = p * ((a == b) - c->probs[i * k + b]);
                for (int64_t j = 0; j < width; j++)
                    c->scaled[i * width + j] = slope * c->phi[i * width + j];
            }
            crd_gemm_double(c->product, c->phi, c->scaled, width, width, n, CRD_TRANSPOSE_A);
            add(c, place, c->product, width * width, FEATURE_BITS);
        }
    }
}

static void add_diag(crd_curvature *c, int64_t n)
{
    int64_t k = c->head->n_outputs, width = crd_head_width(c->head);
    for (int64_t i = 0; i < n * width; i++)
        c->scaled[i] = c->phi[i] * c->phi[i];
    for (int64_t i = 0; i < n * k; i++)
        c->probs[i] *= 1 - c->probs[i];
    crd_gemm_double(c->product, c->probs, c->scaled, k, width, n, CRD_TRANSPOSE_A);
    add(c, c->features, c->product, k * width, FEATURE_BITS);
}

crd_status crd_curvature_add(crd_curvature *c, const float *features, const int64_t *labels,
                             int64_t n, int64_t first_image)
{
    static void (*const adders[])(crd_curvature *, int64_t) = {[CRD_HESSIAN_KRON] = add_kron,
                                                               [CRD_HESSIAN_FULL] = add_full,
                                                               [CRD_HESSIAN_DIAG] = add_diag};
    crd_status status = CRD_OK;
    CRD_REQUIRE(n <= c->batch, CRD_ERR_INTERNAL, "%lld images at once", (long long)n);
    CRD_TRY(load(c, features, n, first_image));
    CRD_TRY(add_losses(c, features, labels, n, first_image));
    adders[c->hessian](c, n);
cleanup:
    return status;
}

static double read(const crd_curvature *c, int64_t place, int bits)
{
    return ldexp((double)c->sums[place], -bits) * (double)c->n_images;
}

/* Place of a weight, or of a bias, among the parameters. */
static int64_t param_of(const crd_head *head, int64_t output, int64_t column)
{
    return column < head->n_features ? output * head->n_features + column
                                     : head->n_outputs * head->n_features + output;
}

static void read_full(double *out, const crd_curvature *c)
{
    const crd_head *head = c->head;
    int64_t k = head->n_outputs, width = crd_head_width(head), n = crd_head_n_params(head);
    int64_t place = c->features;
    for (int64_t a = 0; a < k; a++)
        for (int64_t b = 0; b <= a; b++)
            for (int64_t i = 0; i < width; i++)
                for (int64_t j = 0; j < width; j++, place++) {
                    int64_t row = param_of(head, a, i), column = param_of(head, b, j);
                    double value = read(c, place, FEATURE_BITS);
                    out[row * n + column] = value;
                    out[column * n + row] = value;
                }
}

crd_status crd_curvature_read(crd_ggn *out, const crd_curvature *c)
{
    crd_status status = CRD_OK;
    int64_t d = c->head->n_features, k = c->head->n_outputs, n = crd_head_n_params(c->head);
    int64_t width = crd_head_width(c->head);
    *out = (crd_ggn){.hessian = c->hessian, .log_likelihood = -read(c, c->n_sums - 1, LOSS_BITS)};
    if (c->hessian == CRD_HESSIAN_KRON) {
        CRD_ALLOC(&out->outputs, k * k, "a Hessian");
        CRD_ALLOC(&out->features, d * d, "a Hessian");
        for (int64_t i = 0; i < k * k; i++)
            out->outputs[i] = read(c, c->outputs + i, PROBABILITY_BITS);
        for (int64_t i = 0; i < d * d; i++)
            out->features[i] = read(c, c->features + i, FEATURE_BITS) / (double)c->n_images;
    } else if (c->hessian == CRD_HESSIAN_FULL) {
        CRD_ALLOC(&out->features, n * n, "a Hessian");
        read_full(out->features, c);
    } else {
        CRD_ALLOC(&out->features, n, "a Hessian");
        for (int64_t i = 0; i < k * width; i++)
            out->features[param_of(c->head, i / width, i % width)] =
                read(c, c->features + i, FEATURE_BITS);
    }
cleanup:
    if (status != CRD_OK)
        crd_ggn_clear(out);
    return status;
}

void crd_ggn_clear(crd_ggn *ggn)
{
    crd_free(ggn->outputs);
    crd_free(ggn->features);
    ggn->outputs = ggn->features = NULL;
}
