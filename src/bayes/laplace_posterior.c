/* A posterior of a last layer's eigenvectors: the original graph, its last layer between fixed
 * rotations (laplace_layer.h shows which), and the numbers of both. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bayes/laplace_layer.h"
#include "graph/graph.h"

enum { NAME_SIZE = 256 };

static const crd_graph_op *last_op(const crd_network *network)
{
    return &network->ops[network->n_ops - 1];
}

static const float *param_values(const crd_network *network, const float *values, int64_t param)
{
    return param < 0 ? NULL : values + network->params.entries[param].offset;
}

/* By what it is, not by its name: an affine map of a vector with a matrix. */
static bool is_linear(const crd_network *network)
{
    const crd_graph_op *op = last_op(network);
    int64_t weight = op->kind->is_affine ? op->params[CRD_SLOT_WEIGHT] : -1;
    return weight >= 0 && op->in->n_dims == 1 && op->shape.n_dims == 1 &&
           network->params.entries[weight].shape.n_dims == 2 &&
           !op->kind->params[CRD_SLOT_WEIGHT].is_by_name_only;
}

crd_status crd_head_find(crd_head *out, const crd_network *network, const float *values,
                         const char *file)
{
    const crd_graph_op *op = last_op(network);
    if (!is_linear(network))
        return CRD_FAIL(CRD_ERR_INPUT,
                        "%s: its last op is %s (%s); needed is a Linear layer of a vector, whose "
                        "outputs are the network's",
                        file, op->name, op->kind->name);
    *out = (crd_head){.n_features = op->in->dims[0],
                      .n_outputs = op->shape.dims[0],
                      .weight = param_values(network, values, op->params[CRD_SLOT_WEIGHT]),
                      .bias = param_values(network, values, op->params[CRD_SLOT_BIAS])};
    return CRD_OK;
}

/* A posterior that is being made. */
typedef struct making {
    const crd_posterior *original;
    const crd_spectrum *spectrum;
    const crd_laplace *laplace;
    const char *layer; /* name of the last op */
    int64_t d, k;      /* features and outputs of it */
    bool has_bias;
    crd_network *network;
    crd_posterior *posterior;
} making;

/* Appends an op that reads the last one. */
static crd_status append(making *m, const char *kind, const char *suffix, const crd_attr *attrs)
{
    char name[NAME_SIZE];
    int64_t input = m->network->n_ops - 1;
    snprintf(name, sizeof name, "%s%s", m->layer, suffix);
    const crd_op_request request = {kind, name, attrs, &input, 1};
    return crd_network_add(NULL, m->network, &request);
}

static crd_status append_linear(making *m, const char *suffix, int64_t n_in, int64_t n_out,
                                bool bias)
{
    const crd_attr attrs[] = {CRD_ATTR("in_features", (double)n_in),
                              CRD_ATTR("out_features", (double)n_out), CRD_ATTR("bias", bias),
                              CRD_ATTR_END};
    return append(m, "Linear", suffix, attrs);
}

static crd_status append_layers(making *m)
{
    crd_status status = CRD_OK;
    int64_t n = m->spectrum->n;
    const crd_attr size[] = {CRD_ATTR("unflattened_size", (double)n, (double)m->k), CRD_ATTR_END};
    switch (m->spectrum->hessian) {
    case CRD_HESSIAN_KRON:
        CRD_TRY(append_linear(m, "_features", m->d, m->d, false));
        CRD_TRY(append_linear(m, "", m->d, m->k, m->has_bias));
        CRD_TRY(append_linear(m, "_outputs", m->k, m->k, false));
        break;
    case CRD_HESSIAN_FULL:
        CRD_TRY(append_linear(m, "_jacobian", m->d, n * m->k, m->has_bias));
        CRD_TRY(append(m, "Unflatten", "_weights", size));
        CRD_TRY(append_linear(m, "", n, 1, false));
        CRD_TRY(append(m, "Flatten", "_outputs", NULL));
        break;
    case CRD_HESSIAN_DIAG:
        CRD_TRY(append_linear(m, "", m->d, m->k, m->has_bias));
        break;
    }
cleanup:
    return status;
}

/* The `index`th op after those that both networks have. */
static const crd_graph_op *own_op(const making *m, int64_t index)
{
    return &m->network->ops[m->original->network->n_ops - 1 + index];
}

static float *room_of(const making *m, float *block, int64_t param)
{
    return block + m->network->params.entries[param].offset;
}

/* Parameters [first, first + n) of the spectrum become the posterior of a parameter. */
static void set_normal(making *m, int64_t param, int64_t first, int64_t n)
{
    const crd_spectrum *s = m->spectrum;
    float *mu = room_of(m, m->posterior->mu, param), *rho = room_of(m, m->posterior->rho, param);
    m->posterior->bayesian[param] = 1;
    for (int64_t i = 0; i < n; i++) {
        double sigma = 1 / sqrt(s->values[first + i] + m->laplace->prior_precision);
        mu[i] = (float)s->means[first + i];
        rho[i] = (float)crd_rho_of_sigma(sigma);
    }
}

static void set_layer(making *m, const crd_graph_op *op)
{
    int64_t n_weights = m->spectrum->hessian == CRD_HESSIAN_FULL ? m->spectrum->n : m->k * m->d;
    set_normal(m, op->params[CRD_SLOT_WEIGHT], 0, n_weights);
    if (op->params[CRD_SLOT_BIAS] >= 0)
        set_normal(m, op->params[CRD_SLOT_BIAS], n_weights, m->k);
}

static void set_kron(making *m)
{
    const crd_spectrum *s = m->spectrum;
    float *features = room_of(m, m->posterior->mu, own_op(m, 0)->params[CRD_SLOT_WEIGHT]);
    float *outputs = room_of(m, m->posterior->mu, own_op(m, 2)->params[CRD_SLOT_WEIGHT]);
    for (int64_t i = 0; i < m->d * m->d; i++)
        features[i] = (float)s->features[i];
    for (int64_t i = 0; i < m->k; i++)
        for (int64_t j = 0; j < m->k; j++)
            outputs[j * m->k + i] = (float)s->outputs[i * m->k + j];
    set_layer(m, own_op(m, 1));
}

/* Row (i, o): output o by weight i of the basis, as a function of the features. */
static void set_full(making *m)
{
    const crd_spectrum *s = m->spectrum;
    const crd_graph_op *op = own_op(m, 0);
    float *weight = room_of(m, m->posterior->mu, op->params[CRD_SLOT_WEIGHT]);
    for (int64_t row = 0; row < s->n * m->k; row++) {
        const double *vector = s->features + row / m->k * s->n;
        int64_t output = row % m->k;
        for (int64_t j = 0; j < m->d; j++)
            weight[row * m->d + j] = (float)vector[output * m->d + j];
        if (m->has_bias)
            room_of(m, m->posterior->mu, op->params[CRD_SLOT_BIAS])[row] =
                (float)vector[m->k * m->d + output];
    }
    set_layer(m, own_op(m, 2));
}

static void set_numbers(making *m)
{
    int64_t first = last_op(m->original->network)->params[CRD_SLOT_WEIGHT];
    for (int64_t p = 0; p < first; p++) {
        const crd_param *entry = &m->original->network->params.entries[p];
        memcpy(room_of(m, m->posterior->mu, p), m->original->mu + entry->offset,
               (size_t)entry->count * sizeof *m->original->mu);
    }
    if (m->spectrum->hessian == CRD_HESSIAN_KRON)
        set_kron(m);
    else if (m->spectrum->hessian == CRD_HESSIAN_FULL)
        set_full(m);
    else
        set_layer(m, own_op(m, 0));
}

/* All but the numbers. */
static crd_status copy_facts(making *m)
{
    crd_status status = CRD_OK;
    crd_posterior *out = m->posterior;
    const crd_posterior *from = m->original;
    out->outputs = from->outputs;
    out->preprocessing = from->preprocessing;
    out->conversion = crd_conversion_defaults();
    out->conversion.seed = from->conversion.seed;
    out->conversion.prior_sigma = 1 / sqrt(m->laplace->prior_precision);
    out->conversion.initial = from->conversion.initial;
    out->laplace = *m->laplace;
    if (from->classes == NULL)
        return CRD_OK;
    CRD_ALLOC(&out->classes, out->n_classes, "classes");
    for (int64_t i = 0; i < out->n_classes; i++)
        CRD_TRY(crd_alloc_string(&out->classes[i], from->classes[i]));
cleanup:
    return status;
}

crd_status crd_laplace_posterior(crd_posterior **out, const crd_posterior *original,
                                 const crd_spectrum *spectrum, const crd_laplace *laplace)
{
    crd_status status = CRD_OK;
    const crd_graph_op *op = last_op(original->network);
    making m = {.original = original,
                .spectrum = spectrum,
                .laplace = laplace,
                .layer = op->name,
                .d = op->in->dims[0],
                .k = op->shape.dims[0],
                .has_bias = op->params[CRD_SLOT_BIAS] >= 0};
    *out = NULL;
    CRD_TRY(crd_network_copy_front(&m.network, original->network, original->network->n_ops - 1));
    status = append_layers(&m);
    if (status != CRD_OK) {
        crd_network_destroy(m.network);
        return status;
    }
    CRD_TRY(crd_posterior_create(&m.posterior, m.network));
    CRD_TRY(copy_facts(&m));
    set_numbers(&m);
    *out = m.posterior;
    m.posterior = NULL;
cleanup:
    crd_posterior_destroy(m.posterior);
    return status;
}
