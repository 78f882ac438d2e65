/* torch's Embedding: every number of the input is the index of a row of a table; the output has the
 * row's entries as features. Of a vector (tokens) it is (embedding_dim, 1, tokens); of an image of
 * one channel it keeps height and width. A number that is no index gives NaN. */
#include <math.h>

#include "ops/registry.h"

typedef struct attributes {
    int64_t num_embeddings, embedding_dim;
} attributes;

static const crd_attr_spec attrs[] = {
    {"num_embeddings", offsetof(attributes, num_embeddings), 1, .min = 1, .max = 1 << 24},
    {"embedding_dim", offsetof(attributes, embedding_dim), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {0},
};

static const crd_param_spec params[] = {
    {"weight", "weight", CRD_TRAINED, .may_be_random = true, .is_by_name_only = true,
     .initial = CRD_INIT_OWN},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    const crd_shape *in = op->in;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (in->n_dims == 1)
        op->shape = crd_shape_make(3, a->embedding_dim, 1, in->dims[0]);
    else if (in->n_dims == 3 && in->dims[0] == 1)
        op->shape = crd_shape_make(3, a->embedding_dim, in->dims[1], in->dims[2]);
    else
        return CRD_OP_FAIL(op, "its input has shape %s; needed is a vector or one channel",
                           crd_shape_text(text, in));
    shapes[0] = crd_shape_make(2, a->num_embeddings, a->embedding_dim);
    return CRD_OK;
}

/* torch's: N(0, 1). */
static void initial(double *mean, double *sd, const crd_graph_op *op)
{
    (void)op;
    *mean = 0;
    *sd = 1;
}

/* Where token `t` of image `n` is in the input: tokens are features of a vector, positions of a
 * channel. */
static int64_t token_at(const crd_graph_op *op, int64_t n_images, int64_t n, int64_t t)
{
    return op->in->n_dims == 1 ? t * n_images + n : n * crd_shape_count(op->in) + t;
}

static int64_t row_of(const attributes *a, float x)
{
    return x >= 0 && x < (float)a->num_embeddings && x == floorf(x) ? (int64_t)x : -1;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const float *table = args->params[0].values;
    int64_t tokens = crd_shape_count(op->in);
    for (int64_t n = 0; n < args->n_images; n++)
        for (int64_t t = 0; t < tokens; t++) {
            int64_t row = row_of(a, args->in[0][token_at(op, args->n_images, n, t)]);
            for (int64_t k = 0; k < a->embedding_dim; k++)
                args->out[(k * args->n_images + n) * tokens + t] =
                    row < 0 ? NAN : table[row * a->embedding_dim + k];
        }
}

/* Nothing depends on an index smoothly: the gradient at the input is zero. */
static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    float *dtable = grads->dparams[0];
    int64_t tokens = crd_shape_count(op->in);
    crd_op_cleared_din(grads, 0, args->n_images * tokens);
    for (int64_t i = 0; dtable != NULL && i < a->num_embeddings * a->embedding_dim; i++)
        dtable[i] = 0;
    for (int64_t n = 0; dtable != NULL && n < args->n_images; n++)
        for (int64_t t = 0; t < tokens; t++) {
            int64_t row = row_of(a, args->in[0][token_at(op, args->n_images, n, t)]);
            for (int64_t k = 0; row >= 0 && k < a->embedding_dim; k++)
                dtable[row * a->embedding_dim + k] +=
                    grads->dout[(k * args->n_images + n) * tokens + t];
        }
}

const crd_op crd_op_embedding = {.name = "Embedding",
                                 .attrs = attrs,
                                 .attrs_size = sizeof(attributes),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .params = params,
                                 .n_params = sizeof params / sizeof *params,
                                 .keeps_in = true,
                                 .infer = infer,
                                 .initial = initial,
                                 .forward = forward,
                                 .backward = backward};
