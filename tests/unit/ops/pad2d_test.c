/* The paddings that repeat pixels, against torch's rule for every one of them. */
#include "op_golden.h"

enum { REFLECTION, REPLICATION, CIRCULAR };

static int64_t source_of(int64_t i, int64_t n, int rule)
{
    if (rule == CIRCULAR)
        return ((i % n) + n) % n;
    if (rule == REPLICATION)
        return i < 0 ? 0 : i >= n ? n - 1 : i;
    return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    const int64_t *from = op->in->dims, *to = op->shape.dims;
    int64_t left = (int64_t)attr_of(op, "padding", 0), top = (int64_t)attr_of(op, "padding", 2);
    int rule = *(const int *)payload;
    (void)params;
    for (int64_t i = 0; i < n_images * crd_shape_count(&op->shape); i++) {
        int64_t y = source_of(i / to[2] % to[1] - top, from[1], rule);
        int64_t x = source_of(i % to[2] - left, from[2], rule);
        out[i] = in[0][(i / (to[1] * to[2]) * from[1] + y) * from[2] + x];
    }
}

static const char *const kinds[] = {"ReflectionPad2d", "ReplicationPad2d", "CircularPad2d"};

static void all_sides(void **state)
{
    (void)state;
    for (int rule = REFLECTION; rule <= CIRCULAR; rule++)
        for (int i = 0; i < 3; i++) {
            const attr_list attrs = ATTRS(CRD_ATTR("padding", i, 2 - i, i == 1 ? 2 : 0, i));
            op_check(&(op_case){.kind = kinds[rule],
                                .attrs = &attrs,
                                .shapes = {crd_shape_make(3, 2, 3, 4)},
                                .n_images = 1 + i,
                                .reference = plain,
                                .payload = &rule});
        }
}

static void more_than_there_is_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 1, 3, 4);
    const attr_list attrs = ATTRS(CRD_ATTR("padding", 0, 0, 3, 0));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "ReflectionPad2d", "n", &attrs, &input, 1),
                 CRD_ERR_INPUT, "padding of 3 is more than the 2 that input (1, 3, 4) allows");
    assert_ok(network_add(NULL, network, "CircularPad2d", "c", &attrs, &input, 1));
    crd_network_destroy(network);
}

OP_TESTS("pad2d", cmocka_unit_test(all_sides), cmocka_unit_test(more_than_there_is_is_refused))
