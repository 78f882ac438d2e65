/* Multi-head self-attention between projections: softmax(Q^T K + bias) V of every head, torch's
 * scaled_dot_product_attention. Its first input is (queries, keys, values) over the features, heads
 * one after the other. The projections themselves are products of their own (linear.c).
 *
 * Tokens are the positions of an image: all of them, or those of a window. Windows are blocks of
 * neighbours, or ("grid") of positions as far apart as there are windows; they may be rolled by
 * `shift`, and then tokens that were no neighbours before do not see each other. All of that is a
 * map of positions: nothing is moved. Further inputs: a bias for every head and relative position
 * of two tokens (relative_bias), and for every head the logarithm of a scale (cosine: queries and
 * keys have length 1). Both may differ from image to image.
 *
 * A window's tokens are brought together, and then it is two matrix products a head. Backward makes
 * the probabilities again. Sources: Vaswani et al., "Attention is all you need", 2017; Liu et al.,
 * "Swin Transformer", 2021, and V2, 2022; Tu et al., "MaxViT", 2022. */
#include <math.h>
#include <string.h>

#include "base/integers.h"
#include "conv/method.h"
#include "kernels/kernels.h"
#include "kernels/softplus.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t num_heads;
    double scale;                     /* of Q^T K; 0: 1 / sqrt(features of a head) */
    int64_t window_size[2], shift[2]; /* height, width; 0: the whole image */
    int64_t partition;                /* index of `partitions` */
    int64_t relative_bias;
    double bias_scale; /* of the relative bias */
    int64_t cosine;
} attributes;

static const char *const partitions[] = {"window", "grid", NULL};

static const crd_attr_spec attrs[] = {
    {"num_heads", offsetof(attributes, num_heads), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"scale", offsetof(attributes, scale), 1, .is_real = true, .min = 0, .max = 1e6,
     .is_optional = true},
    {"window_size", offsetof(attributes, window_size), 2, .min = 0, .max = CRD_OP_MAX_WINDOW,
     .is_optional = true},
    {"shift", offsetof(attributes, shift), 2, .min = 0, .max = CRD_OP_MAX_WINDOW,
     .is_optional = true},
    {"partition", offsetof(attributes, partition), 1, .max = 1, .choices = partitions,
     .is_optional = true},
    {"relative_bias", offsetof(attributes, relative_bias), 1, .min = 0, .max = 1,
     .is_optional = true},
    {"bias_scale", offsetof(attributes, bias_scale), 1, .is_real = true, .min = -1e6, .max = 1e6,
     .is_optional = true, .fallback = 1},
    {"cosine", offsetof(attributes, cosine), 1, .min = 0, .max = 1, .is_optional = true},
    {0},
};

/* Logits of tokens that do not see each other are this much less: torchvision's Swin. */
#define HIDDEN 100.0F
/* torch: no vector is divided by less; no scale of cosine attention is larger than 100. */
#define LEAST_LENGTH 1e-12F
#define MOST_LOG_SCALE 4.60517019F

/* Extents of an op. */
typedef struct sizes {
    int64_t features, heads, width; /* of queries; of a head */
    int64_t extent[2], window[2];   /* of an image, of a window: height, width */
    int64_t n_windows, tokens;      /* of an image; of a window */
    int64_t table;                  /* relative positions; 0: no bias */
} sizes;

static sizes sizes_of(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    const crd_shape *in = op->in;
    sizes s = {.features = in->dims[0] / 3, .heads = a->num_heads};
    s.width = s.features / s.heads;
    s.extent[1] = in->n_dims > 1 ? in->dims[in->n_dims - 1] : 1;
    s.extent[0] = crd_shape_count(in) / in->dims[0] / s.extent[1];
    s.n_windows = s.tokens = 1;
    for (int i = 0; i < 2; i++) {
        s.window[i] = a->window_size[i] == 0 ? s.extent[i] : a->window_size[i];
        s.n_windows *= s.extent[i] / s.window[i];
        s.tokens *= s.window[i];
    }
    s.table = a->relative_bias ? (2 * s.window[0] - 1) * (2 * s.window[1] - 1) : 0;
    return s;
}

/* Input k has this many positions for every head. */
static crd_status check_input(const crd_graph_op *op, int k, const char *what, int64_t positions)
{
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (op->in[k].n_dims < 1 || op->in[k].dims[0] != a->num_heads ||
        crd_shape_count(&op->in[k]) != a->num_heads * positions)
        return CRD_OP_FAIL(op, "%s has shape %s, needed are %lld numbers for each of %lld heads",
                           what, crd_shape_text(text, &op->in[k]), (long long)positions,
                           (long long)a->num_heads);
    return CRD_OK;
}

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    crd_status status = CRD_OK;
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    int n_inputs = 1 + (a->relative_bias != 0) + (a->cosine != 0);
    if (op->n_inputs != n_inputs)
        CRD_TRY(CRD_OP_FAIL(op, "has %d inputs, needed are %d", op->n_inputs, n_inputs));
    if (op->in->n_dims < 2 || op->in->dims[0] % (3 * a->num_heads) != 0)
        CRD_TRY(CRD_OP_FAIL(op, "num_heads is %lld, but its input has shape %s",
                            (long long)a->num_heads, crd_shape_text(text, op->in)));
    const sizes s = sizes_of(op);
    for (int i = 0; i < 2; i++)
        if (s.extent[i] % s.window[i] != 0 || a->shift[i] >= s.window[i])
            CRD_TRY(CRD_OP_FAIL(op, "window_size[%d] is %lld and shift %lld of a side of %lld", i,
                                (long long)s.window[i], (long long)a->shift[i],
                                (long long)s.extent[i]));
    if (s.tokens > CRD_OP_MAX_WINDOW)
        CRD_TRY(CRD_OP_FAIL(op, "%lld tokens see each other, allowed are %d", (long long)s.tokens,
                            CRD_OP_MAX_WINDOW));
    if (a->relative_bias)
        CRD_TRY(check_input(op, 1, "relative bias", s.table));
    if (a->cosine)
        CRD_TRY(check_input(op, op->n_inputs - 1, "logit scale", 1));
    op->shape = *op->in;
    op->shape.dims[0] = s.features;
cleanup:
    return status;
}

static int64_t work(const crd_graph_op *op)
{
    const sizes s = sizes_of(op);
    return 2 * s.n_windows * s.tokens * s.tokens * s.features;
}

/* What a pass works on: an image's window. With base NULL, cut() only counts. */
typedef struct room {
    int64_t *places;  /* [tokens] positions in the image */
    int64_t *regions; /* [tokens] only tokens of one region see each other */
    float *qkv;       /* [3 features][tokens]: queries scaled; of unit length if cosine */
    float *lengths;   /* [2][heads][tokens] of queries and keys before, if cosine */
    float *out;       /* [features][tokens]; backward: dout */
    float *probs;     /* [tokens][tokens] query, key */
    float *mask;      /* [tokens][tokens] added to logits: tokens of two regions */
    float *bias;      /* [heads][tokens][tokens] of the image */
    float *dqkv, *dprobs, *dbias; /* backward */
    int64_t n_floats;
} room;

static room cut(const sizes *s, bool is_backward, float *base)
{
    crd_scratch scratch = {base, 0};
    room r = {0};
    int64_t square = s->tokens * s->tokens, bias = s->table > 0 ? s->heads * square : 0;
    r.places = crd_scratch_indices(&scratch, s->tokens);
    r.regions = crd_scratch_indices(&scratch, s->tokens);
    r.qkv = crd_scratch_floats(&scratch, 3 * s->features * s->tokens);
    r.lengths = crd_scratch_floats(&scratch, 2 * s->heads * s->tokens);
    r.out = crd_scratch_floats(&scratch, s->features * s->tokens);
    r.probs = crd_scratch_floats(&scratch, square);
    r.mask = crd_scratch_floats(&scratch, square);
    r.bias = crd_scratch_floats(&scratch, bias);
    if (is_backward) {
        r.dqkv = crd_scratch_floats(&scratch, 3 * s->features * s->tokens);
        r.dprobs = crd_scratch_floats(&scratch, square);
        r.dbias = crd_scratch_floats(&scratch, bias);
    }
    r.n_floats = scratch.n_floats;
    return r;
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)n_images;
    (void)precision;
    const sizes s = sizes_of(op);
    return cut(&s, false, NULL).n_floats;
}

static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    (void)n_images;
    const sizes s = sizes_of(op);
    return cut(&s, true, NULL).n_floats;
}

/* Row or column, in the rolled image, of token `token` of window `window` along one side. */
static int64_t rolled(const attributes *a, const sizes *s, int i, int64_t window, int64_t token)
{
    int64_t n = s->extent[i] / s->window[i];
    return a->partition == 0 ? window * s->window[i] + token : token * n + window;
}

/* Which of the parts of a side, that the roll has brought together, a place belongs to. */
static int64_t region(const attributes *a, const sizes *s, int i, int64_t at)
{
    if (a->shift[i] == 0 || at < s->extent[i] - s->window[i])
        return 0;
    return at < s->extent[i] - a->shift[i] ? 1 : 2;
}

/* Whether the window's tokens are of several regions; then fills the mask. */
static bool map_window(const room *r, const attributes *a, const sizes *s, int64_t window)
{
    bool is_mixed = false;
    int64_t across = s->extent[1] / s->window[1];
    for (int64_t t = 0; t < s->tokens; t++) {
        int64_t y = rolled(a, s, 0, window / across, t / s->window[1]);
        int64_t x = rolled(a, s, 1, window % across, t % s->window[1]);
        r->regions[t] = 3 * region(a, s, 0, y) + region(a, s, 1, x);
        r->places[t] =
            (y + a->shift[0]) % s->extent[0] * s->extent[1] + (x + a->shift[1]) % s->extent[1];
        is_mixed |= r->regions[t] != r->regions[0];
    }
    for (int64_t q = 0; is_mixed && q < s->tokens; q++)
        for (int64_t k = 0; k < s->tokens; k++)
            r->mask[q * s->tokens + k] = r->regions[q] == r->regions[k] ? 0 : -HIDDEN;
    return is_mixed;
}

/* Features of an image, `step` apart, to those of the window's tokens; back; and added. */
static void gather(float *to, const float *from, int64_t step, int64_t n, const room *r,
                   int64_t tokens)
{
    for (int64_t c = 0; c < n; c++, from += step, to += tokens)
        for (int64_t t = 0; t < tokens; t++)
            to[t] = from[r->places[t]];
}

static void scatter(float *to, const float *from, int64_t step, int64_t n, const room *r,
                    int64_t tokens, bool adds)
{
    for (int64_t c = 0; c < n; c++, to += step, from += tokens)
        for (int64_t t = 0; t < tokens; t++)
            to[r->places[t]] = adds ? to[r->places[t]] + from[t] : from[t];
}

/* Relative position of tokens q and k of a window. */
static int64_t relative(const sizes *s, int64_t q, int64_t k)
{
    int64_t y = q / s->window[1] - k / s->window[1] + s->window[0] - 1;
    int64_t x = q % s->window[1] - k % s->window[1] + s->window[1] - 1;
    return y * (2 * s->window[1] - 1) + x;
}

/* The bias of every pair of an image from the table, whose heads are `step` apart. */
static void expand_bias(const room *r, const float *table, int64_t step, const sizes *s,
                        double scale)
{
    float *bias = r->bias;
    for (int64_t head = 0; head < s->heads; head++, table += step)
        for (int64_t q = 0; q < s->tokens; q++)
            for (int64_t k = 0; k < s->tokens; k++)
                *bias++ = (float)scale * table[relative(s, q, k)];
}

static void gather_bias_gradient(float *dtable, const room *r, int64_t step, const sizes *s,
                                 double scale)
{
    const float *dbias = r->dbias;
    for (int64_t head = 0; head < s->heads; head++, dtable += step)
        for (int64_t q = 0; q < s->tokens; q++)
            for (int64_t k = 0; k < s->tokens; k++)
                dtable[relative(s, q, k)] += (float)scale * *dbias++;
}

/* Columns of x, [width][tokens], to length 1. */
static void normalize(float *x, float *lengths, const sizes *s)
{
    memset(lengths, 0, (size_t)s->tokens * sizeof *lengths);
    for (int64_t i = 0; i < s->width; i++)
        for (int64_t t = 0; t < s->tokens; t++)
            lengths[t] += x[i * s->tokens + t] * x[i * s->tokens + t];
    for (int64_t t = 0; t < s->tokens; t++)
        lengths[t] = fmaxf(sqrtf(lengths[t]), LEAST_LENGTH);
    for (int64_t i = 0; i < s->width; i++)
        for (int64_t t = 0; t < s->tokens; t++)
            x[i * s->tokens + t] /= lengths[t];
}

/* dx of what was normalized to x / factor: (dy - u (u dy)) factor / length, with u = x / factor.
 * `sums` has room for the tokens. */
static void normalize_backward(float *dx, const float *x, const float *lengths, float factor,
                               float *sums, const sizes *s)
{
    memset(sums, 0, (size_t)s->tokens * sizeof *sums);
    for (int64_t i = 0; i < s->width * s->tokens; i++)
        sums[i % s->tokens] += dx[i] * x[i] / (factor * factor);
    for (int64_t i = 0; i < s->width * s->tokens; i++)
        dx[i] = (dx[i] - x[i] * sums[i % s->tokens]) * factor / lengths[i % s->tokens];
}

/* What queries of a head are multiplied with. `log_scale`: of the image, heads `step` apart. */
static float scale_of(const crd_graph_op *op, const sizes *s, const float *log_scale, int64_t step,
                      int64_t head)
{
    const attributes *a = op->attrs;
    if (a->cosine) {
        float x = log_scale[head * step];
        if (isnan(x))
            return x;
        x = fminf(x, MOST_LOG_SCALE);
        return 100 * crd_scales_exp(fmaxf(x - MOST_LOG_SCALE, CRD_SCALES_LEAST));
    }
    return (float)(a->scale > 0 ? a->scale : 1 / sqrt((double)s->width));
}

static const float *log_scales(const crd_graph_op *op, const crd_op_args *args, int64_t image)
{
    const attributes *a = op->attrs;
    return a->cosine ? args->in[op->n_inputs - 1] + image : NULL;
}

/* Queries, keys and values of a window of an image. */
static void load(const room *r, const crd_graph_op *op, const crd_op_args *args, const sizes *s,
                 int64_t image)
{
    const attributes *a = op->attrs;
    int64_t plane = s->extent[0] * s->extent[1], step = args->n_images * plane;
    int64_t n = s->width * s->tokens;
    gather(r->qkv, args->in[0] + image * plane, step, 3 * s->features, r, s->tokens);
    for (int64_t head = 0; head < s->heads; head++) {
        float *q = r->qkv + head * n, *k = q + s->heads * n;
        if (a->cosine) {
            normalize(q, r->lengths + head * s->tokens, s);
            normalize(k, r->lengths + (s->heads + head) * s->tokens, s);
        }
        float scale = scale_of(op, s, log_scales(op, args, image), args->n_images, head);
        crd_kernels_get()->elementwise->scale_shift(q, q, scale, 0, n);
    }
}

/* The probabilities of a head's keys, for every query. */
static void find_probs(const room *r, const sizes *s, int64_t head, bool is_mixed)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    int64_t t = s->tokens, square = t * t;
    const float *q = r->qkv + head * s->width * t, *k = q + s->features * t;
    if (s->table > 0)
        memcpy(r->probs, r->bias + head * square, (size_t)square * sizeof *r->probs);
    crd_gemm_transposed(r->probs, t, q, t, k, t, t, t, s->width, s->table > 0 ? 1 : 0,
                        CRD_TRANSPOSE_A);
    if (is_mixed)
        kernels->add(r->probs, r->probs, r->mask, square);
    for (int64_t row = 0; row < t; row++)
        kernels->softmax(r->probs + row * t, r->probs + row * t, t);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const sizes s = sizes_of(op);
    const room r = cut(&s, false, args->scratch);
    int64_t plane = s.extent[0] * s.extent[1], t = s.tokens, n = s.width * t;
    for (int64_t image = 0; image < args->n_images; image++) {
        if (s.table > 0)
            expand_bias(&r, args->in[1] + image * s.table, args->n_images * s.table, &s,
                        a->bias_scale);
        for (int64_t window = 0; window < s.n_windows; window++) {
            bool is_mixed = map_window(&r, a, &s, window);
            load(&r, op, args, &s, image);
            for (int64_t head = 0; head < s.heads; head++) {
                const float *v = r.qkv + (2 * s.heads + head) * n;
                find_probs(&r, &s, head, is_mixed);
                crd_gemm_transposed(r.out + head * n, t, v, t, r.probs, t, s.width, t, t, 0,
                                    CRD_TRANSPOSE_B);
            }
            scatter(args->out + image * plane, r.out, args->n_images * plane, s.features, &r, t,
                    false);
        }
    }
}

/* With q and k as they are multiplied: dv = dout P, dP = dout^T v, dS by the softmax, dq = k dS^T,
 * dk = q dS. */
static void backward_head(const room *r, const sizes *s, int64_t head, bool is_mixed)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    int64_t t = s->tokens, n = s->width * t, all = s->features * t, at = head * n;
    const float *dout = r->out + at, *q = r->qkv + at, *k = q + all, *v = k + all;
    find_probs(r, s, head, is_mixed);
    crd_gemm(r->dqkv + 2 * all + at, t, dout, t, r->probs, t, s->width, t, t, 0);
    crd_gemm_transposed(r->dprobs, t, dout, t, v, t, t, t, s->width, 0, CRD_TRANSPOSE_A);
    for (int64_t row = 0; row < t; row++)
        kernels->softmax_backward(r->dprobs + row * t, r->dprobs + row * t, r->probs + row * t, t);
    if (s->table > 0)
        kernels->add(r->dbias + head * t * t, r->dbias + head * t * t, r->dprobs, t * t);
    crd_gemm_transposed(r->dqkv + at, t, k, t, r->dprobs, t, s->width, t, t, 0, CRD_TRANSPOSE_B);
    crd_gemm(r->dqkv + all + at, t, q, t, r->dprobs, t, s->width, t, t, 0);
}

/* From the gradients at q and k as they are multiplied to those at the input and, if asked for, at
 * the logarithms of the scales. */
static void unload(const room *r, const crd_graph_op *op, const crd_op_args *args, const sizes *s,
                   int64_t image, float *dlog_scale)
{
    const crd_elementwise_kernels *kernels = crd_kernels_get()->elementwise;
    const attributes *a = op->attrs;
    int64_t t = s->tokens, n = s->width * t, step = args->n_images;
    const float *log_scale = log_scales(op, args, image);
    for (int64_t head = 0; head < s->heads; head++) {
        float scale = scale_of(op, s, log_scale, step, head);
        const float *q = r->qkv + head * n, *k = q + s->heads * n;
        float *dq = r->dqkv + head * n, *dk = dq + s->heads * n;
        if (!a->cosine) {
            kernels->scale_shift(dq, dq, scale, 0, n);
            continue;
        }
        if (dlog_scale != NULL && log_scale[head * step] <= MOST_LOG_SCALE)
            dlog_scale[head * step] += (float)kernels->sum_products(q, 0, dq, 0, n);
        normalize_backward(dq, q, r->lengths + head * t, scale, r->probs, s);
        normalize_backward(dk, k, r->lengths + (s->heads + head) * t, 1, r->probs, s);
    }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    const sizes s = sizes_of(op);
    const room r = cut(&s, true, args->scratch);
    int64_t plane = s.extent[0] * s.extent[1], step = args->n_images * plane,
            last = op->n_inputs - 1;
    float *din = grads->din[0], *dtable = NULL, *dlog_scale = NULL;
    if (s.table > 0)
        dtable = crd_op_cleared_din(grads, 1, crd_op_in_count(op, args, 1));
    if (a->cosine)
        dlog_scale = crd_op_cleared_din(grads, (int)last, crd_op_in_count(op, args, (int)last));
    for (int64_t image = 0; image < args->n_images; image++) {
        if (s.table > 0) {
            expand_bias(&r, args->in[1] + image * s.table, args->n_images * s.table, &s,
                        a->bias_scale);
            memset(r.dbias, 0, (size_t)(s.heads * s.tokens * s.tokens) * sizeof *r.dbias);
        }
        for (int64_t window = 0; window < s.n_windows; window++) {
            bool is_mixed = map_window(&r, a, &s, window);
            load(&r, op, args, &s, image);
            gather(r.out, grads->dout + image * plane, step, s.features, &r, s.tokens);
            for (int64_t head = 0; head < s.heads; head++)
                backward_head(&r, &s, head, is_mixed);
            unload(&r, op, args, &s, image, dlog_scale == NULL ? NULL : dlog_scale + image);
            if (din != NULL)
                scatter(din + image * plane, r.dqkv, step, 3 * s.features, &r, s.tokens,
                        grads->adds[0]);
        }
        if (dtable != NULL)
            gather_bias_gradient(dtable + image * s.table, &r, args->n_images * s.table, &s,
                                 a->bias_scale);
    }
}

const crd_op crd_op_attention = {.name = "Attention",
                                 .attrs = attrs,
                                 .attrs_size = sizeof(attributes),
                                 .min_inputs = 1,
                                 .max_inputs = 3,
                                 .keeps_in = true,
                                 .infer = infer,
                                 .work = work,
                                 .scratch_floats = scratch_floats,
                                 .backward_scratch_floats = backward_scratch_floats,
                                 .forward = forward,
                                 .backward = backward};
