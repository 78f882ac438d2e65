/* Arithmetic of two inputs with every way to broadcast, against its formulas; values and gradients
 * of equal ones as torch has them. */
#include "op_golden.h"

static int64_t at(const crd_shape *shape, int64_t image, int64_t c, int64_t y, int64_t x)
{
    int64_t height = shape->n_dims == 3 ? shape->dims[1] : 1;
    int64_t width = shape->n_dims == 3 ? shape->dims[2] : 1;
    c = shape->dims[0] == 1 ? 0 : c;
    return ((image * shape->dims[0] + c) * height + (height == 1 ? 0 : y)) * width +
           (width == 1 ? 0 : x);
}

static double value_of(const char *kind, double a, double b)
{
    return strcmp(kind, "BroadcastAdd") == 0 ? a + b
           : strcmp(kind, "Sub") == 0        ? a - b
           : strcmp(kind, "Div") == 0        ? a / b
           : strcmp(kind, "Maximum") == 0    ? fmax(a, b)
                                             : fmin(a, b);
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t height = op->shape.n_dims == 3 ? op->shape.dims[1] : 1;
    int64_t width = op->shape.n_dims == 3 ? op->shape.dims[2] : 1;
    (void)params;
    for (int64_t image = 0; image < n_images; image++)
        for (int64_t c = 0; c < op->shape.dims[0]; c++)
            for (int64_t y = 0; y < height; y++)
                for (int64_t x = 0; x < width; x++)
                    *out++ = value_of(payload, in[0][at(&op->in[0], image, c, y, x)],
                                      in[1][at(&op->in[1], image, c, y, x)]);
}

static void every_way_to_broadcast(void **state)
{
    (void)state;
    static const char *const kinds[] = {"BroadcastAdd", "Sub", "Maximum", "Minimum"};
    const crd_shape image = crd_shape_make(3, 3, 4, 5);
    const crd_shape others[] = {image, crd_shape_make(3, 3, 1, 1), crd_shape_make(3, 1, 4, 5),
                                crd_shape_make(3, 1, 1, 1), crd_shape_make(3, 3, 4, 1)};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            op_check(&(op_case){.kind = kinds[i],
                                .shapes = {image, others[k]},
                                .n_images = k % 2 == 0 ? 1 : 3,
                                .reference = plain,
                                .payload = kinds[i]});
    op_check(&(op_case){.kind = "Sub",
                        .shapes = {crd_shape_make(1, 6), crd_shape_make(1, 6)},
                        .n_images = 3,
                        .reference = plain,
                        .payload = "Sub"});
}

/* torch.div, and torch.maximum at equal numbers: each gets half of the gradient. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        float a, b, y, da, db;
    } rows[] = {{"Div", 3, -2, -1.5F, -0.5F, -0.75F},
                {"Div", -1, 4, -0.25F, 0.25F, 0.0625F},
                {"Maximum", 2, 2, 2, 0.5F, 0.5F},
                {"Minimum", 1, 1, 1, 0.5F, 0.5F}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const op_case c = {.kind = rows[i].kind,
                           .shapes = {crd_shape_make(3, 1, 1, 1), crd_shape_make(3, 1, 1, 1)},
                           .n_images = 1};
        op_fixture f;
        op_fixture_init(&f, &c);
        f.in_f[0][0] = rows[i].a;
        f.in_f[1][0] = rows[i].b;
        f.dout_f[0] = 1;
        float da, db, *dins[2] = {&da, &db};
        const bool adds[2] = {false, false};
        const crd_op_args args = op_fixture_args(&f);
        f.op->kind->forward(f.op, &args);
        f.op->kind->backward(f.op, &args,
                             &(crd_op_grads){.dout = f.dout_f, .din = dins, .adds = adds});
        assert_true(f.out_f[0] == rows[i].y && da == rows[i].da && db == rows[i].db);
        op_fixture_clear(&f);
    }
}

static void shapes_that_do_not_broadcast_are_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 2, 2);
    const attr_list half = adaptive_list(2, 3);
    int64_t inputs[2] = {0};
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_ok(network_add(&inputs[1], network, "AdaptiveAvgPool2d", "p", &half, inputs, 1));
    assert_fails(
        network_add(NULL, network, "Sub", "s", NULL, inputs, 2), CRD_ERR_INPUT,
        "op 's' (Sub): inputs have shapes (3, 2, 2) and (3, 2, 3), which do not broadcast");
    crd_network_destroy(network);
}

OP_TESTS("arithmetic", cmocka_unit_test(every_way_to_broadcast),
         cmocka_unit_test(values_are_torchs),
         cmocka_unit_test(shapes_that_do_not_broadcast_are_refused))
