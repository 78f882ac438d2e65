/* Permute against torch's view, permute, reshape, spelled out by every element's place. */
#include "crd_test.h"
#include "op_check.h"

/* out[image][dims of the view in their order] = in[image][view]: the plain version's activations
 * have the images first. */
static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    int64_t n = crd_shape_count(op->in), view[CRD_MAX_DIMS] = {0}, dims[CRD_MAX_DIMS] = {0};
    int n_dims = 0;
    while (n_dims < CRD_MAX_DIMS && attr_of(op, "view", n_dims) > 0) {
        view[n_dims] = (int64_t)attr_of(op, "view", n_dims);
        dims[n_dims] = (int64_t)attr_of(op, "dims", n_dims) - 1;
        n_dims++;
    }
    for (int64_t i = 0; i < n_images; i++)
        for (int64_t e = 0; e < n; e++) {
            int64_t at[CRD_MAX_DIMS] = {0}, rest = e, from = 0;
            for (int d = n_dims - 1; d >= 0; d--) {
                at[dims[d]] = rest % view[dims[d]];
                rest /= view[dims[d]];
            }
            for (int d = 0; d < n_dims; d++)
                from = from * view[d] + at[d];
            out[i * n + e] = in[0][i * n + from];
        }
}

static void elements_are_where_torch_has_them(void **state)
{
    (void)state;
    static const struct {
        crd_shape in;
        attr_list attrs;
    } cases[] = {
        /* Features and positions exchanged. */
        {{3, {4, 1, 6}},
         ATTRS(CRD_ATTR("view", 4, 6), CRD_ATTR("dims", 2, 1), CRD_ATTR("shape", 6, 4))},
        /* Heads of features, as matrices; and as rows of a matrix. */
        {{3, {6, 1, 5}},
         ATTRS(CRD_ATTR("view", 2, 3, 5), CRD_ATTR("dims", 1, 2, 3), CRD_ATTR("shape", 2, 3, 5))},
        {{3, {6, 1, 5}},
         ATTRS(CRD_ATTR("view", 2, 3, 5), CRD_ATTR("dims", 1, 3, 2), CRD_ATTR("shape", 2, 5, 3))},
        /* Windows of positions, each of them features. */
        {{3, {3, 4, 6}},
         ATTRS(CRD_ATTR("view", 3, 2, 2, 3, 2), CRD_ATTR("dims", 2, 4, 1, 3, 5),
               CRD_ATTR("shape", 6, 3, 4))},
        /* Positions alone; all into one vector; out of one; one number. */
        {{3, {2, 3, 4}},
         ATTRS(CRD_ATTR("view", 2, 3, 4), CRD_ATTR("dims", 1, 3, 2), CRD_ATTR("shape", 2, 12))},
        {{3, {2, 3, 4}},
         ATTRS(CRD_ATTR("view", 2, 3, 4), CRD_ATTR("dims", 3, 1, 2), CRD_ATTR("shape", 24))},
        {{1, {24}},
         ATTRS(CRD_ATTR("view", 2, 3, 4), CRD_ATTR("dims", 2, 1, 3), CRD_ATTR("shape", 1, 6, 4))},
        {{3, {1, 4, 2}},
         ATTRS(CRD_ATTR("view", 4, 2), CRD_ATTR("dims", 2, 1), CRD_ATTR("shape", 2, 2, 2))},
        {{1, {1}}, ATTRS(CRD_ATTR("view", 1), CRD_ATTR("dims", 1), CRD_ATTR("shape", 1))},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int64_t n = 1; n <= 3; n += 2) {
            op_case c = {.kind = "Permute",
                         .attrs = &cases[i].attrs,
                         .shapes = {cases[i].in},
                         .n_images = n,
                         .reference = plain};
            op_check(&c);
        }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 4, 2, 6);
    const int64_t input = 0;
    crd_network *network;
    static const struct {
        attr_list attrs;
        const char *message;
    } cases[] = {
        {ATTRS(CRD_ATTR("view", 4, 2, 6), CRD_ATTR("dims", 1, 2, 2), CRD_ATTR("shape", 4, 12)),
         "dims has not each number from 1 to 3 once"},
        {ATTRS(CRD_ATTR("view", 4, 2, 6), CRD_ATTR("dims", 1, 2), CRD_ATTR("shape", 4, 12)),
         "dims has not each number from 1 to 3 once"},
        {ATTRS(CRD_ATTR("view", 8, 6), CRD_ATTR("dims", 2, 1), CRD_ATTR("shape", 6, 8)),
         "view is (8, 6), but its input has shape (4, 2, 6)"},
        {ATTRS(CRD_ATTR("view", 4, 12), CRD_ATTR("dims", 2, 1), CRD_ATTR("shape", 6, 8)),
         "shape is (6, 8), but the permuted one is (12, 4)"},
        {ATTRS(CRD_ATTR("view", 4, 12), CRD_ATTR("dims", 2, 1), CRD_ATTR("shape", 12, 5)),
         "shape is (12, 5), but the permuted one is (12, 4)"},
    };
    assert_ok(crd_network_create(&network, "test", &shape));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(network_add(NULL, network, "Permute", "x", &cases[i].attrs, &input, 1),
                     CRD_ERR_INPUT, cases[i].message);
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_where_torch_has_them),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("permute", tests, NULL, NULL);
}
