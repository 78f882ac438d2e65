#include "double_net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "credence/posterior.h"
#include "credence/rng.h"
#include "kernels/kernels.h"
#include "test_ops.h"

/* Slots of a batch norm. */
enum { RUNNING_MEAN = 2, RUNNING_VAR = 3 };

static double *doubles(int64_t n)
{
    return calloc((size_t)n + 1, sizeof(double));
}

static const crd_shape *in_shape(const double_pass *p, int64_t op)
{
    return &p->network->ops[p->network->ops[op].inputs[0]].shape;
}

static void conv(double *out, const double *x, const double *w, const double *b,
                 const crd_graph_op *op, const crd_shape *in, int64_t n_images)
{
    const conv2d_attrs attrs = conv2d_of(op), *a = &attrs;
    int64_t oc = op->shape.dims[0], oh = op->shape.dims[1], ow = op->shape.dims[2];
    int64_t ic = in->dims[0], h = in->dims[1], width = in->dims[2];
    int64_t kh = a->kernel_size[0], kw = a->kernel_size[1], per_group = ic / a->groups;
    for (int64_t n = 0; n < n_images; n++)
        for (int64_t o = 0; o < oc; o++) {
            double *y = out + (n * oc + o) * oh * ow;
            for (int64_t i = 0; i < oh * ow; i++)
                y[i] = b == NULL ? 0 : b[o];
            for (int64_t k = 0; k < per_group * kh * kw; k++) {
                int64_t c = o / (oc / a->groups) * per_group + k / (kh * kw);
                int64_t dy = k / kw % kh * a->dilation[0] - a->padding[0];
                int64_t dx = k % kw * a->dilation[1] - a->padding[1];
                const double *plane = x + (n * ic + c) * h * width;
                double weight = w[o * per_group * kh * kw + k];
                for (int64_t i = 0; i < oh; i++) {
                    int64_t row = i * a->stride[0] + dy;
                    if (row < 0 || row >= h)
                        continue;
                    for (int64_t j = 0; j < ow; j++) {
                        int64_t column = j * a->stride[1] + dx;
                        if (column >= 0 && column < width)
                            y[i * ow + j] += weight * plane[row * width + column];
                    }
                }
            }
        }
}

static void linear(double *out, const double *x, const double *w, const double *b,
                   const crd_graph_op *op, int64_t n_images)
{
    int64_t n_in = op->in->dims[0], n_out = op->shape.dims[0];
    for (int64_t n = 0; n < n_images; n++)
        for (int64_t o = 0; o < n_out; o++) {
            double sum = b == NULL ? 0 : b[o];
            for (int64_t i = 0; i < n_in; i++)
                sum += w[o * n_in + i] * x[n * n_in + i];
            out[n * n_out + o] = sum;
        }
}

static void weighted(double *out, const double_pass *p, int64_t index, const double *x,
                     const double *w, const double *b)
{
    const crd_graph_op *op = &p->network->ops[index];
    if (op->shape.n_dims == 3)
        conv(out, x, w, b, op, in_shape(p, index), p->n_images);
    else
        linear(out, x, w, b, op, p->n_images);
}

static void batch_norm(double *out, const double_pass *p, const crd_graph_op *op, const double *x,
                       const double *const *params)
{
    int64_t channels = op->shape.dims[0], pixels = op->shape.dims[1] * op->shape.dims[2];
    for (int64_t c = 0; c < channels; c++) {
        double mean = params[RUNNING_MEAN][c], var = params[RUNNING_VAR][c];
        double count = (double)(p->n_images * pixels);
        if (p->batch_norm_train) {
            mean = var = 0;
            for (int64_t i = 0; i < p->n_images * pixels; i++)
                mean += x[(i / pixels * channels + c) * pixels + i % pixels] / count;
            for (int64_t i = 0; i < p->n_images * pixels; i++)
                var += pow(x[(i / pixels * channels + c) * pixels + i % pixels] - mean, 2) / count;
        }
        for (int64_t i = 0; i < p->n_images * pixels; i++) {
            int64_t at = (i / pixels * channels + c) * pixels + i % pixels;
            out[at] =
                (x[at] - mean) / sqrt(var + attr_of(op, "eps", 0)) * params[CRD_SLOT_WEIGHT][c] +
                params[CRD_SLOT_BIAS][c];
        }
    }
}

/* Average or largest of a window; `area` is what the sum is divided by, 0 for the largest. */
static double pool_window(const double *plane, int64_t width, const int64_t top_left[2],
                          const int64_t end[2], double area)
{
    double sum = 0, most = -INFINITY;
    for (int64_t i = top_left[0]; i < end[0]; i++)
        for (int64_t j = top_left[1]; j < end[1]; j++) {
            sum += plane[i * width + j];
            most = fmax(most, plane[i * width + j]);
        }
    return area == 0 ? most : sum / area;
}

static void pool(double *out, const double_pass *p, int64_t index, const double *x)
{
    const crd_graph_op *op = &p->network->ops[index];
    const crd_shape *in = in_shape(p, index);
    const char *kind = op->kind->name;
    int is_adaptive = strcmp(kind, "AdaptiveAvgPool2d") == 0;
    const pool2d_attrs attrs = is_adaptive ? (pool2d_attrs){0} : pool2d_of(op), *a = &attrs;
    int64_t size[2] = {in->dims[1], in->dims[2]};
    int64_t oh = op->shape.dims[1], ow = op->shape.dims[2];
    for (int64_t i = 0; i < p->n_images * crd_shape_count(&op->shape); i++) {
        int64_t at[2] = {i / ow % oh, i % ow}, first[2], end[2];
        double area = 1;
        for (int d = 0; d < 2; d++) {
            int64_t n_out = d == 0 ? oh : ow;
            if (is_adaptive) {
                first[d] = at[d] * size[d] / n_out;
                end[d] = ((at[d] + 1) * size[d] + n_out - 1) / n_out;
                area *= (double)(end[d] - first[d]);
            } else {
                first[d] = at[d] * a->stride[d] - a->padding[d];
                end[d] = first[d] + a->kernel_size[d];
                if (end[d] > size[d] + a->padding[d])
                    end[d] = size[d] + a->padding[d];
                area *= (double)(end[d] - first[d]);
                first[d] = first[d] < 0 ? 0 : first[d];
                end[d] = end[d] > size[d] ? size[d] : end[d];
            }
        }
        out[i] = pool_window(x + i / (oh * ow) * size[0] * size[1], size[1], first, end,
                             strcmp(kind, "MaxPool2d") == 0 ? 0 : area);
    }
}

static void dropout(double *out, const double_pass *p, int64_t index, const double *x)
{
    const crd_graph_op *op = &p->network->ops[index];
    int64_t n = crd_shape_count(&op->shape);
    const uint32_t key[2] = {(uint32_t)p->seed, (uint32_t)(p->seed >> 32)};
    for (int64_t i = 0; i < p->n_images * n; i++) {
        int64_t e = i % n;
        const uint32_t counter[4] = {(uint32_t)(e / 64 * 16 + e % 16), (uint32_t)p->draw,
                                     (uint32_t)(p->first_image + i / n),
                                     (uint32_t)index << 8 | CRD_PURPOSE_DROPOUT};
        uint32_t words[4];
        crd_philox4x32(words, counter, key);
        double u = (double)words[e / 16 % 4] * 0x1p-32, rate = attr_of(op, "p", 0);
        out[i] = !p->is_training ? x[i] : u < rate ? 0 : x[i] / (1 - rate);
    }
}

static void pad_shortcut(double *out, const double_pass *p, int64_t index, const double *x)
{
    const crd_graph_op *op = &p->network->ops[index];
    int64_t stride = (int64_t)attr_of(op, "stride", 0);
    const crd_shape *in = in_shape(p, index);
    int64_t oc = op->shape.dims[0], oh = op->shape.dims[1], ow = op->shape.dims[2];
    for (int64_t i = 0; i < p->n_images * crd_shape_count(&op->shape); i++) {
        int64_t c = i / (oh * ow) % oc - (int64_t)attr_of(op, "pad_channels", 0),
                n = i / (oc * oh * ow);
        out[i] =
            c < 0 || c >= in->dims[0]
                ? 0
                : x[((n * in->dims[0] + c) * in->dims[1] + i / ow % oh * stride) * in->dims[2] +
                    i % ow * stride];
    }
}

void double_layer(double *out, const double_pass *p, int64_t index, const double *const *in,
                  const double *const *params)
{
    const crd_graph_op *op = &p->network->ops[index];
    const char *kind = op->kind->name;
    int64_t n = p->n_images * crd_shape_count(&op->shape);
    if (op->kind->is_affine)
        weighted(out, p, index, in[0], params[CRD_SLOT_WEIGHT], params[CRD_SLOT_BIAS]);
    else if (strcmp(kind, "BatchNorm2d") == 0)
        batch_norm(out, p, op, in[0], params);
    else if (strstr(kind, "Pool2d") != NULL)
        pool(out, p, index, in[0]);
    else if (strcmp(kind, "Dropout") == 0)
        dropout(out, p, index, in[0]);
    else if (strcmp(kind, "PadShortcut") == 0)
        pad_shortcut(out, p, index, in[0]);
    else
        for (int64_t i = 0; i < n; i++) {
            double value = strcmp(kind, "Add") == 0 ? in[0][i] + in[1][i] : in[0][i];
            out[i] = strcmp(kind, "ReLU") == 0 && value < 0 ? 0 : value;
        }
}

typedef enum part { DRAWN, PERTURBATION, SIGMA_SQUARED } part;

/* What an estimator makes of a parameter; NULL for index -1. */
static double *made(const double_pass *p, int64_t index, const double *mu, const double *rho,
                    part what)
{
    if (index < 0)
        return NULL;
    const crd_param *param = &p->network->params.entries[index];
    const crd_stream stream = {.seed = p->seed,
                               .draw = (uint32_t)p->draw,
                               .tensor = (uint32_t)index,
                               .purpose = CRD_PURPOSE_WEIGHT};
    double *out = doubles(param->count);
    float *eps = calloc((size_t)param->count, sizeof *eps);
    crd_normal_fill(eps, param->count, 0, &stream);
    if (p->eps != NULL)
        memcpy(eps, p->eps + param->offset, (size_t)param->count * sizeof *eps);
    for (int64_t i = 0; i < param->count; i++) {
        double sigma = p->bayesian[index] ? crd_sigma_of_rho(rho[param->offset + i]) : 0;
        out[i] = what == SIGMA_SQUARED
                     ? sigma * sigma
                     : (what == DRAWN ? mu[param->offset + i] : 0) + sigma * (double)eps[i];
    }
    free(eps);
    return out;
}

/* x times the signs of flipout, in place. */
static void sign(double *x, const double_pass *p, const crd_shape *shape, int64_t weight,
                 crd_purpose purpose)
{
    int64_t n = crd_shape_count(shape), channels = shape->dims[0], pixels = n / channels;
    int per_pixel = strcmp(p->estimator, "flipout-pixel") == 0;
    float *signs = calloc((size_t)n, sizeof *signs);
    for (int64_t i = 0; i < p->n_images; i++) {
        const crd_stream stream = {.seed = p->seed,
                                   .draw = (uint32_t)p->draw,
                                   .image = (uint32_t)(p->first_image + i),
                                   .tensor = (uint32_t)weight,
                                   .purpose = purpose};
        crd_kernels_get()->sign_fill(signs, per_pixel ? n : channels, &stream);
        for (int64_t e = 0; e < n; e++)
            x[i * n + e] *= (double)signs[per_pixel ? e : e / pixels];
    }
    free(signs);
}

static void add_noise(double *out, const double *variance, const double_pass *p,
                      const crd_graph_op *op)
{
    int64_t n = crd_shape_count(&op->shape);
    float *eps = calloc((size_t)n, sizeof *eps);
    for (int64_t i = 0; i < p->n_images * n; i++) {
        const crd_stream stream = {.seed = p->seed,
                                   .draw = (uint32_t)p->draw,
                                   .image = (uint32_t)(p->first_image + i / n),
                                   .tensor = (uint32_t)op->params[CRD_SLOT_WEIGHT],
                                   .purpose = CRD_PURPOSE_ACTIVATION};
        if (i % n == 0)
            crd_normal_fill(eps, n, 0, &stream);
        out[i] += sqrt(variance[i]) * (double)eps[i % n];
    }
    free(eps);
}

static void estimate(double *out, const double_pass *p, int64_t index, const double *x,
                     const double *mu, const double *rho)
{
    const crd_graph_op *op = &p->network->ops[index];
    const crd_param *entries = p->network->params.entries;
    int64_t w = op->params[CRD_SLOT_WEIGHT], b = op->params[CRD_SLOT_BIAS];
    bool is_vector = crd_shape_count(&op->shape) == op->shape.dims[0];
    bool is_hybrid = strcmp(p->estimator, "local-reparameterization-linear") == 0;
    if (shares_weights(p->estimator) || (is_hybrid && !is_vector)) {
        double *weight = made(p, w, mu, rho, DRAWN), *bias = made(p, b, mu, rho, DRAWN);
        weighted(out, p, index, x, weight, bias);
        free(weight);
        free(bias);
        return;
    }
    int is_local = is_hybrid || strcmp(p->estimator, "local-reparameterization") == 0;
    part what = is_local ? SIGMA_SQUARED : PERTURBATION;
    double *weight = made(p, w, mu, rho, what), *bias = made(p, b, mu, rho, what);
    const crd_shape *shape = in_shape(p, index);
    int64_t n_in = p->n_images * crd_shape_count(shape);
    int64_t n_out = p->n_images * crd_shape_count(&op->shape);
    double *changed = doubles(n_in), *second = doubles(n_out);
    for (int64_t i = 0; i < n_in; i++)
        changed[i] = is_local ? x[i] * x[i] : x[i];
    if (!is_local)
        sign(changed, p, shape, w, CRD_PURPOSE_SIGN_IN);
    weighted(second, p, index, changed, weight, bias);
    weighted(out, p, index, x, mu + entries[w].offset, b < 0 ? NULL : mu + entries[b].offset);
    if (is_local) {
        add_noise(out, second, p, op);
    } else {
        sign(second, p, &op->shape, w, CRD_PURPOSE_SIGN_OUT);
        for (int64_t i = 0; i < n_out; i++)
            out[i] += second[i];
    }
    free(weight);
    free(bias);
    free(changed);
    free(second);
}

void double_run(double *logits, const double_pass *p, const double *mu, const double *rho,
                const float *images)
{
    const crd_network *network = p->network;
    double **outs = calloc((size_t)network->n_ops, sizeof *outs);
    for (int64_t i = 0; i < network->n_ops; i++) {
        const crd_graph_op *op = &network->ops[i];
        int64_t n = p->n_images * crd_shape_count(&op->shape);
        const double *in[8] = {NULL}, *params[CRD_OP_MAX_PARAMS] = {NULL};
        int is_random = 0;
        outs[i] = doubles(n);
        for (int k = 0; k < op->n_inputs; k++)
            in[k] = outs[op->inputs[k]];
        for (int slot = 0; slot < op->kind->n_params; slot++)
            if (op->params[slot] >= 0) {
                params[slot] = mu + network->params.entries[op->params[slot]].offset;
                is_random |= op->kind->is_affine && p->bayesian[op->params[slot]];
            }
        if (i == 0)
            for (int64_t k = 0; k < n; k++)
                outs[0][k] = (double)images[k];
        else if (is_random && p->estimator != NULL)
            estimate(outs[i], p, i, in[0], mu, rho);
        else
            double_layer(outs[i], p, i, in, params);
    }
    memcpy(logits, outs[network->n_ops - 1],
           (size_t)(p->n_images * crd_network_n_outputs(network)) * sizeof *logits);
    for (int64_t i = 0; i < network->n_ops; i++)
        free(outs[i]);
    free(outs);
}
