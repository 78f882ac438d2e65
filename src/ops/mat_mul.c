/* Product of two inputs that are matrices of each image, torch's matmul: (matrices, rows, inner)
 * times (matrices, inner, columns). As features lie before images and positions, each matrix is
 * one piece of memory. Either may be given transposed. With Softmax between two of them it is
 * attention of any kind; Attention does the common kinds in one go. */
#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t transposed[2]; /* of input 0, of input 1 */
} attributes;

static const crd_attr_spec attrs[] = {
    {"transpose_a", offsetof(attributes, transposed[0]), 1, .min = 0, .max = 1,
     .is_optional = true},
    {"transpose_b", offsetof(attributes, transposed[1]), 1, .min = 0, .max = 1,
     .is_optional = true},
    {0},
};

/* Matrices, and extents of the product. */
typedef struct sizes {
    int64_t matrices, rows, inner, columns;
    bool is_turned[2];
} sizes;

static sizes sizes_of(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    const int64_t *x = op->in[0].dims, *y = op->in[1].dims;
    sizes s = {.matrices = x[0], .is_turned = {a->transposed[0] != 0, a->transposed[1] != 0}};
    s.rows = x[s.is_turned[0] ? 2 : 1];
    s.inner = x[s.is_turned[0] ? 1 : 2];
    s.columns = y[s.is_turned[1] ? 1 : 2];
    return s;
}

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    char x[CRD_SHAPE_TEXT_SIZE], y[CRD_SHAPE_TEXT_SIZE];
    bool fits = op->in[0].n_dims == 3 && op->in[1].n_dims == 3;
    const sizes s = fits ? sizes_of(op) : (sizes){0};
    if (!fits || op->in[1].dims[0] != s.matrices ||
        op->in[1].dims[s.is_turned[1] ? 2 : 1] != s.inner)
        return CRD_OP_FAIL(op, "inputs have shapes %s and %s, which are no matrices that fit",
                           crd_shape_text(x, &op->in[0]), crd_shape_text(y, &op->in[1]));
    op->shape = crd_shape_make(3, s.matrices, s.rows, s.columns);
    return CRD_OK;
}

static int64_t work(const crd_graph_op *op)
{
    const sizes s = sizes_of(op);
    return s.matrices * s.rows * s.inner * s.columns;
}

/* C (m x n) = A (m x k) B (k x n) + beta C; a factor that is turned lies the other way round. */
static void multiply(float *c, const float *a, bool a_turned, const float *b, bool b_turned,
                     const int64_t mnk[3], float beta)
{
    crd_gemm_transposed(c, mnk[1], a, a_turned ? mnk[0] : mnk[2], b, b_turned ? mnk[2] : mnk[1],
                        mnk[0], mnk[1], mnk[2], beta,
                        (a_turned ? CRD_TRANSPOSE_A : 0U) | (b_turned ? CRD_TRANSPOSE_B : 0U));
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const sizes s = sizes_of(op);
    const float *a = args->in[0], *b = args->in[1];
    float *out = args->out;
    for (int64_t i = 0; i < s.matrices * args->n_images; i++) {
        multiply(out, a, s.is_turned[0], b, s.is_turned[1],
                 (int64_t[3]){s.rows, s.columns, s.inner}, 0);
        a += s.rows * s.inner;
        b += s.inner * s.columns;
        out += s.rows * s.columns;
    }
}

/* dA = dC B^T and dB = A^T dC; of a factor that is turned, the gradient is: dA^T = B dC^T. */
static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const sizes s = sizes_of(op);
    const bool *turned = s.is_turned;
    int64_t m = s.rows, n = s.columns, k = s.inner;
    for (int64_t i = 0; i < s.matrices * args->n_images; i++) {
        const float *a = args->in[0] + i * m * k, *b = args->in[1] + i * k * n;
        const float *dc = grads->dout + i * m * n;
        float *da = grads->din[0], *db = grads->din[1];
        float beta[2] = {grads->adds[0] ? 1 : 0, grads->adds[1] ? 1 : 0};
        if (da != NULL && turned[0])
            multiply(da + i * m * k, b, turned[1], dc, true, (int64_t[3]){k, m, n}, beta[0]);
        else if (da != NULL)
            multiply(da + i * m * k, dc, false, b, !turned[1], (int64_t[3]){m, k, n}, beta[0]);
        if (db != NULL && turned[1])
            multiply(db + i * k * n, dc, true, a, turned[0], (int64_t[3]){n, k, m}, beta[1]);
        else if (db != NULL)
            multiply(db + i * k * n, a, !turned[0], dc, false, (int64_t[3]){k, n, m}, beta[1]);
    }
}

const crd_op crd_op_mat_mul = {.name = "MatMul",
                               .attrs = attrs,
                               .attrs_size = sizeof(attributes),
                               .min_inputs = 2,
                               .max_inputs = 2,
                               .keeps_in = true,
                               .infer = infer,
                               .work = work,
                               .forward = forward,
                               .backward = backward};
