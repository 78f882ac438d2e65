/* Operators that move numbers: Concat and Narrow along any extent, Reshape, Unflatten, ZeroPad2d,
 * SpaceToDepth, against a map of every output element to an input element. */
#include "crd_test.h"
#include "op_check.h"

/* The input element that an output element (feature, y, x) is; -1: it is zero. *k: of which
 * input. */
typedef int64_t element_map(int *k, const crd_graph_op *op, const int64_t at[3]);

static int64_t element(const crd_shape *shape, int64_t c, int64_t y, int64_t x)
{
    return (c * shape->dims[1] + y) * shape->dims[2] + x;
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    element_map *const *map = payload;
    const int64_t *dims = op->shape.dims;
    for (int64_t i = 0; i < n_images; i++)
        for (int64_t e = 0; e < crd_shape_count(&op->shape); e++) {
            int k = 0;
            const int64_t at[3] = {e / dims[1] / dims[2], e / dims[2] % dims[1], e % dims[2]};
            int64_t from = (*map)(&k, op, at);
            *out++ = from < 0 ? 0 : in[k][i * crd_shape_count(&op->in[k]) + from];
        }
}

static void check(const char *kind, const attr_list *attrs, element_map *map,
                  const crd_shape *shapes, int n_inputs)
{
    for (int64_t n = 1; n <= 3; n += 2) {
        op_case c = {
            .kind = kind, .attrs = attrs, .n_images = n, .reference = plain, .payload = &map};
        memcpy(c.shapes, shapes, (size_t)n_inputs * sizeof *shapes);
        op_check(&c);
    }
}

static int64_t of_narrow(int *k, const crd_graph_op *op, const int64_t at[3])
{
    (void)k;
    int64_t from[3] = {at[0], at[1], at[2]};
    from[(int)attr_of(op, "dim", 0) - 1] += (int64_t)attr_of(op, "start", 0);
    return element(op->in, from[0], from[1], from[2]);
}

static void narrows(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 4, 3, 5);
    for (int dim = 1; dim <= 3; dim++)
        for (int start = 0; start < 2; start++) {
            const attr_list attrs =
                ATTRS(ONE("dim", dim), ONE("start", start), ONE("length", 3 - start));
            check("Narrow", &attrs, of_narrow, &shape, 1);
        }
}

static int64_t of_concat(int *k, const crd_graph_op *op, const int64_t at[3])
{
    int dim = (int)attr_of(op, "dim", 0) - 1;
    int64_t from[3] = {at[0], at[1], at[2]};
    for (; from[dim] >= op->in[*k].dims[dim]; ++*k)
        from[dim] -= op->in[*k].dims[dim];
    return element(&op->in[*k], from[0], from[1], from[2]);
}

static void concats(void **state)
{
    (void)state;
    for (int dim = 1; dim <= 3; dim++) {
        crd_shape shapes[3];
        for (int k = 0; k < 3; k++) {
            shapes[k] = crd_shape_make(3, 2, 3, 4);
            shapes[k].dims[dim - 1] = 1 + k;
        }
        const attr_list attrs = ATTRS(ONE("dim", dim));
        check("Concat", &attrs, of_concat, shapes, 3);
    }
}

static int64_t of_reshape(int *k, const crd_graph_op *op, const int64_t at[3])
{
    (void)k;
    return element(&op->shape, at[0], at[1], at[2]);
}

static void reshapes(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 2, 4, 3);
    const attr_list attrs = ATTRS(CRD_ATTR("shape", 2, 1, 12));
    check("Reshape", &attrs, of_reshape, &shape, 1);
}

static void unflattens(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(1, 24);
    const attr_list attrs = ATTRS(CRD_ATTR("unflattened_size", 2, 3, 4)),
                    view = ATTRS(CRD_ATTR("unflattened_size", 24, 1, 1));
    check("Unflatten", &attrs, of_reshape, &shape, 1);
    check("Unflatten", &view, of_reshape, &shape, 1);
}

static int64_t of_pad(int *k, const crd_graph_op *op, const int64_t at[3])
{
    (void)k;
    int64_t y = at[1] - (int64_t)attr_of(op, "padding", 2);
    int64_t x = at[2] - (int64_t)attr_of(op, "padding", 0);
    int is_in = y >= 0 && y < op->in->dims[1] && x >= 0 && x < op->in->dims[2];
    return is_in ? element(op->in, at[0], y, x) : -1;
}

static void pads(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 2, 4, 3);
    static const double paddings[][4] = {
        {1, 2, 0, 3}, {0, -1, -1, -2}, {-2, 3, 2, -3}, {0, 0, 0, 0}, {-1, 0, 1, -1}};
    for (size_t i = 0; i < sizeof paddings / sizeof *paddings; i++) {
        const double *p = paddings[i];
        const attr_list attrs = ATTRS(CRD_ATTR("padding", p[0], p[1], p[2], p[3]));
        check("ZeroPad2d", &attrs, of_pad, &shape, 1);
    }
}

static int64_t of_blocks(int *k, const crd_graph_op *op, const int64_t at[3])
{
    (void)k;
    int64_t b = (int64_t)attr_of(op, "block_size", 0), block = at[0] / op->in->dims[0];
    int column_first = (int)attr_of(op, "column_first", 0);
    int64_t row = column_first ? block % b : block / b,
            column = column_first ? block / b : block % b;
    return element(op->in, at[0] % op->in->dims[0], at[1] * b + row, at[2] * b + column);
}

static void blocks(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 3, 6, 12);
    for (int b = 1; b <= 3; b++)
        for (int column_first = 0; column_first < 2; column_first++) {
            const attr_list attrs = ATTRS(ONE("block_size", b), ONE("column_first", column_first));
            check("SpaceToDepth", &attrs, of_blocks, &shape, 1);
        }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 4, 2, 6);
    const int64_t input = 0;
    crd_network *network;
    static const struct {
        const char *kind;
        attr_list attrs;
        const char *message;
    } cases[] = {
        {"Narrow", ATTRS(ONE("dim", 4), ONE("start", 0), ONE("length", 1)),
         "dim is 4, but its input has shape (4, 2, 6)"},
        {"Narrow", ATTRS(ONE("dim", 3), ONE("start", 2), ONE("length", 5)),
         "positions [2, 7), but its input has 6"},
        {"Concat", ATTRS(ONE("dim", 4)), "which differ beyond extent 4"},
        {"Reshape", ATTRS(CRD_ATTR("shape", 2, 24)), "shape is (2, 24), but its input has"},
        {"Reshape", ATTRS(CRD_ATTR("shape", 4, 0)), "shape[1] is 0, allowed are 1 to"},
        {"Unflatten", ATTRS(CRD_ATTR("unflattened_size", 4, 12)),
         "unflattened_size is (4, 12), but its input has shape (4, 2, 6)"},
        {"ZeroPad2d", ATTRS(CRD_ATTR("padding", 0, -6, 0, 0)), "padding leaves nothing of its"},
        {"SpaceToDepth", ATTRS(ONE("block_size", 3)), "block_size is 3, which does not divide"},
    };
    assert_ok(crd_network_create(&network, "test", &shape));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(network_add(NULL, network, cases[i].kind, "x", &cases[i].attrs, &input, 1),
                     CRD_ERR_INPUT, cases[i].message);
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrows),
        cmocka_unit_test(concats),
        cmocka_unit_test(reshapes),
        cmocka_unit_test(unflattens),
        cmocka_unit_test(pads),
        cmocka_unit_test(blocks),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("shapes", tests, NULL, NULL);
}
