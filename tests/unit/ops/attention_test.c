/* Attention over whole images, windows, rolled windows and grids, with relative bias and cosine,
 * against its definition, torch's values, and what is refused. */
#include <math.h>

#include "crd_test.h"
#include "kernels/kernels.h"
#include "op_check.h"

/* What an op is, from its attributes. */
typedef struct geometry {
    int64_t heads, width, extent[2], window[2], shift[2];
    int is_grid;
} geometry;

static geometry geometry_of(const crd_graph_op *op)
{
    geometry g = {.heads = (int64_t)attr_of(op, "num_heads", 0)};
    g.width = op->shape.dims[0] / g.heads;
    attrs_of(g.window, op, "window_size");
    attrs_of(g.shift, op, "shift");
    g.is_grid = (int)attr_of(op, "partition", 0);
    for (int i = 0; i < 2; i++) {
        g.extent[i] = op->shape.dims[1 + i];
        g.window[i] = g.window[i] == 0 ? g.extent[i] : g.window[i];
    }
    return g;
}

/* Along a side: the window, the place in it, and the part of the image after the roll. */
static void locate(int64_t out[3], const geometry *g, int i, int64_t at)
{
    int64_t n = g->extent[i] / g->window[i];
    int64_t moved = (at + g->extent[i] - g->shift[i]) % g->extent[i];
    out[0] = g->is_grid ? moved % n : moved / g->window[i];
    out[1] = g->is_grid ? moved / n : moved % g->window[i];
    out[2] = g->shift[i] > 0 && out[0] == n - 1 && at < g->shift[i];
}

/* Features of a head at a position, to unit length if asked for. */
static void vector(double *out, const double *in, const geometry *g, int64_t first, int64_t at,
                   int is_unit)
{
    double length = 0;
    for (int64_t c = 0; c < g->width; c++) {
        out[c] = in[(first + c) * g->extent[0] * g->extent[1] + at];
        length += out[c] * out[c];
    }
    for (int64_t c = 0; is_unit && c < g->width; c++)
        out[c] /= sqrt(length);
}

/* The logit of a query at p and a key at k; -infinity: they are in other windows. */
static double logit(const crd_graph_op *op, const double *const *in, int64_t image, int64_t head,
                    int64_t p, int64_t k)
{
    const geometry g = geometry_of(op);
    int64_t n_features = g.heads * g.width, from[2][3], to[2][3], n = g.extent[1];
    int cosine = (int)attr_of(op, "cosine", 0);
    double q[32], key[32], sum = 0, scale = attr_of(op, "scale", 0);
    const double *x = in[0] + image * 3 * n_features * g.extent[0] * n;
    for (int i = 0; i < 2; i++) {
        locate(from[i], &g, i, i == 0 ? p / n : p % n);
        locate(to[i], &g, i, i == 0 ? k / n : k % n);
    }
    if (from[0][0] != to[0][0] || from[1][0] != to[1][0])
        return -INFINITY;
    vector(q, x, &g, head * g.width, p, cosine);
    vector(key, x, &g, n_features + head * g.width, k, cosine);
    for (int64_t c = 0; c < g.width; c++)
        sum += q[c] * key[c];
    if (cosine)
        scale = exp(fmin(in[op->n_inputs - 1][image * g.heads + head], log(100)));
    sum *= scale > 0 ? scale : 1 / sqrt((double)g.width);
    if (attr_of(op, "relative_bias", 0) > 0) {
        int64_t rows = 2 * g.window[0] - 1, columns = 2 * g.window[1] - 1;
        int64_t at = (from[0][1] - to[0][1] + g.window[0] - 1) * columns + from[1][1] - to[1][1] +
                     g.window[1] - 1;
        sum += attr_of(op, "bias_scale", 0) * in[1][(image * g.heads + head) * rows * columns + at];
    }
    return from[0][2] != to[0][2] || from[1][2] != to[1][2] ? sum - 100 : sum;
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    const geometry g = geometry_of(op);
    int64_t plane = g.extent[0] * g.extent[1], n_features = g.heads * g.width;
    for (int64_t i = 0; i < n_images * g.heads * plane; i++) {
        int64_t image = i / plane / g.heads, head = i / plane % g.heads, p = i % plane;
        double total = 0, sums[32] = {0};
        for (int64_t k = 0; k < plane; k++) {
            double share = exp(logit(op, in, image, head, p, k));
            total += share;
            for (int64_t c = 0; c < g.width; c++)
                sums[c] +=
                    share * in[0][((image * 3 + 2) * n_features + head * g.width + c) * plane + k];
        }
        for (int64_t c = 0; c < g.width; c++)
            out[(image * n_features + head * g.width + c) * plane + p] = sums[c] / total;
    }
}

static void tokens_of_an_image(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 3; n += 2) {
        const attr_list attrs = ATTRS(ONE("num_heads", 2), CRD_ATTR("scale", n == 1 ? 0 : 1.5));
        const op_case c = {.kind = "Attention",
                           .attrs = &attrs,
                           .shapes = {crd_shape_make(3, 18, 1, 5)},
                           .n_images = n,
                           .reference = plain};
        op_check(&c);
    }
}

/* Windows of 2 x 3 in 4 x 6 with every kind of bias. */
static void windows_of_an_image(void **state)
{
    (void)state;
    for (int kind = 0; kind < 16; kind++) {
        int has_bias = kind & 1, cosine = kind & 2, is_grid = kind & 4, is_rolled = kind & 8;
        const attr_list attrs =
            ATTRS(ONE("num_heads", 2), CRD_ATTR("window_size", 2, 3),
                  CRD_ATTR("shift", is_rolled ? 1 : 0, is_rolled && !is_grid ? 2 : 0),
                  CRD_ATTR_WORD("partition", is_grid ? "grid" : "window"),
                  ONE("relative_bias", has_bias), ONE("bias_scale", 3), ONE("cosine", cosine != 0));
        op_case c = {.kind = "Attention",
                     .attrs = &attrs,
                     .shapes = {crd_shape_make(3, 12, 4, 6)},
                     .n_images = 1 + kind % 3,
                     .reference = plain};
        int n_inputs = 1;
        if (has_bias)
            c.shapes[n_inputs++] = crd_shape_make(3, 2, 3, 5);
        if (cosine)
            c.shapes[n_inputs] = crd_shape_make(3, 2, 1, 1);
        if (!(is_grid && is_rolled))
            op_check(&c);
    }
}

/* torch.nn.functional.scaled_dot_product_attention in double, of one head of two features and three
 * tokens. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const float qkv[6][3] = {{1, -0.5F, 2},  {0.25F, 1, -1}, {0.5F, 1.5F, -1},
                                    {2, -0.25F, 1}, {1, 2, 3},      {-1, 0.5F, 0.75F}};
    static const double expected[2][3] = {
        {1.7323938559806267, 1.918207203643889, 1.96468681662846},
        {-0.03812333580221246, -0.15143647460497417, 0.432851641840202}};
    const attr_list attrs = ATTRS(ONE("num_heads", 1));
    const op_case c = {.kind = "Attention",
                       .attrs = &attrs,
                       .shapes = {crd_shape_make(3, 6, 1, 3)},
                       .n_images = 1,
                       .reference = plain};
    op_fixture f;
    op_fixture_init(&f, &c);
    memcpy(f.in_f[0], qkv, sizeof qkv);
    const crd_op_args args = op_fixture_args(&f);
    f.op->kind->forward(f.op, &args);
    for (int i = 0; i < 6; i++)
        assert_true(fabs((double)f.out_f[i] - expected[i / 3][i % 3]) < 1e-6);
    op_fixture_clear(&f);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 12, 4, 6);
    const int64_t inputs[2] = {0, 0};
    crd_network *network;
    static const struct {
        attr_list attrs;
        int n_inputs;
        const char *message;
    } cases[] = {
        {ATTRS(ONE("num_heads", 3)), 1, "num_heads is 3, but its input has shape (12, 4, 6)"},
        {ATTRS(ONE("num_heads", 2)), 2, "has 2 inputs, needed are 1"},
        {ATTRS(ONE("num_heads", 2), ONE("relative_bias", 1)), 1, "has 1 inputs, needed are 2"},
        {ATTRS(ONE("num_heads", 2), ONE("relative_bias", 1)), 2,
         "relative bias has shape (12, 4, 6), needed are 77 numbers for each of 2 heads"},
        {ATTRS(ONE("num_heads", 2), ONE("cosine", 1)), 2,
         "logit scale has shape (12, 4, 6), needed are 1 numbers for each of 2 heads"},
        {ATTRS(ONE("num_heads", 2), CRD_ATTR("window_size", 2, 4)), 1,
         "window_size[1] is 4 and shift 0 of a side of 6"},
        {ATTRS(ONE("num_heads", 2), CRD_ATTR("window_size", 2, 3), CRD_ATTR("shift", 2, 0)), 1,
         "window_size[0] is 2 and shift 2 of a side of 4"},
    };
    assert_ok(crd_network_create(&network, "test", &shape));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(network_add(NULL, network, "Attention", "a", &cases[i].attrs, inputs,
                                 cases[i].n_inputs),
                     CRD_ERR_INPUT, cases[i].message);
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_of_an_image),
        cmocka_unit_test(windows_of_an_image),
        cmocka_unit_test(values_are_torchs),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    if (crd_gemm_init() != CRD_OK)
        return 1;
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
