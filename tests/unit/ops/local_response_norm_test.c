/* LocalResponseNorm against its definition, at sizes odd, even and beyond the channels; torch's
 * values. */
#include "op_golden.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    int64_t size = (int64_t)attr_of(op, "size", 0), channels = op->in->dims[0];
    int64_t n = crd_shape_count(op->in) / channels;
    (void)params;
    (void)payload;
    for (int64_t i = 0; i < n_images * channels * n; i++) {
        int64_t c = i / n % channels;
        double sum = 0;
        for (int64_t k = c - size / 2; k <= c + (size - 1) / 2; k++)
            if (k >= 0 && k < channels)
                sum += pow(in[0][i + (k - c) * n], 2);
        out[i] = in[0][i] / pow(attr_of(op, "k", 0) + attr_of(op, "alpha", 0) / (double)size * sum,
                                attr_of(op, "beta", 0));
    }
}

static void sizes_of_all_kinds(void **state)
{
    (void)state;
    for (int size = 1; size < 9; size += size < 3 ? 1 : 5)
        for (int64_t n = 1; n < 3; n++) {
            const attr_list attrs =
                ATTRS(ONE("size", size), ONE("alpha", 0.9), ONE("beta", 0.6), ONE("k", 1.5));
            op_check(&(op_case){.kind = "LocalResponseNorm",
                                .attrs = &attrs,
                                .shapes = {crd_shape_make(3, 5, 3, 2)},
                                .n_images = n,
                                .reference = plain});
        }
}

/* torch.nn.LocalResponseNorm(3, 0.9, 0.75, 1.5) and (2, 0.5, 0.5, 1) in float64, torch 2.15. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const double y3[12] = {-0.7208095486, 0.6240926185,  -0.5067789852, 0.6176895054,
                                  0.3120463092,  -0.5651298556, 0.5766476389,  0.0,
                                  -0.5766476389, 0.6024013357,  -0.3556391681, -0.7991838239};
    static const double dx3[12] = {-0.0238376986, -0.0723947437, 0.0414637352,  -0.0585640956,
                                   -0.1610158956, -0.006407204,  -0.009762783,  -0.2747559039,
                                   0.0124963041,  0.0339820015,  -0.3302363704, -0.0122738483};
    static const double y2[6] = {-1.5617376189, 0.894427191,  -0.596284794,
                                 1.490711985,   0.4364357805, -0.8485281374};
    static const double dx2[6] = {-0.1351424898, -0.1961114434, 0.0293889827,
                                  0.1060061856,  -0.2493918746, 0.0};
    double x[12], dout[12];
    for (int i = 0; i < 12; i++) {
        x[i] = (i * 7 % 11 - 5) * 0.5;
        dout[i] = (i * 3 % 10 - 5) * 0.1;
    }
    const attr_list three =
        ATTRS(ONE("size", 3), ONE("alpha", 0.9), ONE("beta", 0.75), ONE("k", 1.5));
    const attr_list two = ATTRS(ONE("size", 2), ONE("alpha", 0.5), ONE("beta", 0.5), ONE("k", 1));
    op_golden_check("LocalResponseNorm", &three, crd_shape_make(3, 4, 1, 3),
                    &(op_golden){.x = x, .dout = dout, .y = y3, .dx = dx3});
    op_golden_check("LocalResponseNorm", &two, crd_shape_make(3, 3, 1, 2),
                    &(op_golden){.x = x, .dout = dout, .y = y2, .dx = dx2});
}

static void a_vector_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 2, 1, 1);
    const attr_list attrs = ATTRS(ONE("size", 3));
    int64_t at = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_ok(network_add(&at, network, "Flatten", "f", NULL, &at, 1));
    assert_fails(network_add(&at, network, "LocalResponseNorm", "n", &attrs, &at, 1), CRD_ERR_INPUT,
                 "its input has shape (2); needed are channels and positions");
    crd_network_destroy(network);
}

OP_TESTS("local_response_norm", cmocka_unit_test(sizes_of_all_kinds),
         cmocka_unit_test(values_are_torchs), cmocka_unit_test(a_vector_is_refused))
