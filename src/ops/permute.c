/* Axes in another order: torch's x.view(view).permute(dims).reshape(shape). `view` cuts the
 * input's features and positions into extents, of which the first ones are the features'; dims
 * counts them, the images being dim 0, which stays where it is. Elements move, and nothing else:
 * heads of features, windows of positions, tokens that become features. Reshape is the case in
 * which nothing moves. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t view[CRD_MAX_DIMS], dims[CRD_MAX_DIMS], shape[CRD_MAX_DIMS];
} attributes;

static const crd_attr_spec attrs[] = {
    {"view", offsetof(attributes, view), CRD_MAX_DIMS, .is_list = true, .min = 1,
     .max = CRD_OP_MAX_ELEMENTS},
    {"dims", offsetof(attributes, dims), CRD_MAX_DIMS, .is_list = true, .min = 1,
     .max = CRD_MAX_DIMS},
    {"shape", offsetof(attributes, shape), CRD_MAX_DIMS, .is_list = true, .min = 1,
     .max = CRD_OP_MAX_ELEMENTS},
    {0},
};

/* How many of the first extents are the features; -1: one of them is features and positions. */
static int n_feature_dims(const crd_shape *extents, int64_t features)
{
    int64_t product = 1;
    int n = 0;
    while (n < extents->n_dims && product < features)
        product *= extents->dims[n++];
    return product == features ? n : -1;
}

/* The view's extents in the output's order. */
static crd_shape turned(const attributes *a)
{
    const crd_shape dims = crd_op_list_shape(a->dims, CRD_MAX_DIMS);
    crd_shape out = {.n_dims = dims.n_dims};
    for (int d = 0; d < dims.n_dims; d++)
        out.dims[d] = a->view[dims.dims[d] - 1];
    return out;
}

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    char from[CRD_SHAPE_TEXT_SIZE], to[CRD_SHAPE_TEXT_SIZE];
    const crd_shape view = crd_op_list_shape(a->view, CRD_MAX_DIMS);
    const crd_shape dims = crd_op_list_shape(a->dims, CRD_MAX_DIMS);
    int64_t count = crd_shape_count(op->in);
    int seen = 0;
    for (int d = 0; d < dims.n_dims; d++)
        seen |= 1 << (dims.dims[d] - 1);
    if (dims.n_dims != view.n_dims || seen != (1 << view.n_dims) - 1)
        return CRD_OP_FAIL(op, "dims has not each number from 1 to %d once", view.n_dims);
    if (crd_shape_count(&view) != count || n_feature_dims(&view, crd_op_features(op->in)) < 0)
        return CRD_OP_FAIL(op, "view is %s, but its input has shape %s", crd_shape_text(to, &view),
                           crd_shape_text(from, op->in));
    const crd_shape order = turned(a);
    op->shape = crd_op_list_shape(a->shape, CRD_MAX_DIMS);
    if (crd_shape_count(&op->shape) != count || n_feature_dims(&order, op->shape.dims[0]) < 0)
        return CRD_OP_FAIL(op, "shape is %s, but the permuted one is %s",
                           crd_shape_text(to, &op->shape), crd_shape_text(from, &order));
    return CRD_OK;
}

/* The output as loops in memory's order, the images among them, and what a step of each is in the
 * input. Loops of one walk through the input are one. */
typedef struct loops {
    int n;
    int64_t extent[CRD_MAX_DIMS + 1], step[CRD_MAX_DIMS + 1];
} loops;

static void add_loop(loops *l, int64_t extent, int64_t step)
{
    if (extent == 1)
        return;
    if (l->n > 0 && l->step[l->n - 1] == extent * step) {
        l->extent[l->n - 1] *= extent;
        l->step[l->n - 1] = step;
        return;
    }
    l->extent[l->n] = extent;
    l->step[l->n++] = step;
}

static loops loops_of(const crd_graph_op *op, int64_t n_images)
{
    const attributes *a = op->attrs;
    const crd_shape view = crd_op_list_shape(a->view, CRD_MAX_DIMS), order = turned(a);
    int n_in = n_feature_dims(&view, crd_op_features(op->in));
    int n_out = n_feature_dims(&order, op->shape.dims[0]);
    int64_t steps[CRD_MAX_DIMS], step = 1, image = 1;
    loops l = {0};
    for (int d = view.n_dims - 1; d >= 0; d--) {
        image = d == n_in - 1 ? step : image;
        step *= d == n_in - 1 ? n_images : 1;
        steps[d] = step;
        step *= view.dims[d];
    }
    image = n_in == 0 ? step : image;
    for (int d = 0; d <= order.n_dims; d++) {
        if (d == n_out)
            add_loop(&l, n_images, image);
        if (d < order.n_dims)
            add_loop(&l, order.dims[d], steps[a->dims[d] - 1]);
    }
    if (l.n == 0)
        l = (loops){1, {1}, {1}};
    return l;
}

/* Place in the input of the next row; `at` counts the rows' loops. */
static int64_t next(int64_t place, int64_t at[CRD_MAX_DIMS + 1], const loops *l)
{
    for (int d = l->n - 2; d >= 0; d--) {
        place += l->step[d];
        if (++at[d] < l->extent[d])
            return place;
        place -= l->extent[d] * l->step[d];
        at[d] = 0;
    }
    return place;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const loops l = loops_of(op, args->n_images);
    int64_t n = l.extent[l.n - 1], step = l.step[l.n - 1], place = 0, at[CRD_MAX_DIMS + 1] = {0};
    for (int64_t first = 0; first < crd_op_count(op, args); first += n) {
        float *out = args->out + first;
        const float *in = args->in[0] + place;
        if (step == 1)
            crd_op_copy(out, in, n, false);
        for (int64_t i = 0; step != 1 && i < n; i++)
            out[i] = in[i * step];
        place = next(place, at, &l);
    }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const loops l = loops_of(op, args->n_images);
    int64_t n = l.extent[l.n - 1], step = l.step[l.n - 1], place = 0, at[CRD_MAX_DIMS + 1] = {0};
    float *din = grads->din[0];
    for (int64_t first = 0; din != NULL && first < crd_op_count(op, args); first += n) {
        const float *dout = grads->dout + first;
        for (int64_t i = 0; i < n; i++) {
            float *to = din + place + i * step;
            *to = grads->adds[0] ? *to + dout[i] : dout[i];
        }
        place = next(place, at, &l);
    }
}

const crd_op crd_op_permute = {.name = "Permute",
                               .attrs = attrs,
                               .attrs_size = sizeof(attributes),
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .infer = infer,
                               .forward = forward,
                               .backward = backward};
