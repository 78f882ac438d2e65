/* Softmax over features and positions, against its formula and torch's values. */
#include <math.h>

#include "crd_test.h"
#include "op_check.h"

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    int64_t dim = (int64_t)attr_of(op, "dim", 0), n = op->in->dims[dim - 1], step = 1;
    for (int d = (int)dim; d < op->in->n_dims; d++)
        step *= op->in->dims[d];
    for (int64_t i = 0; i < n_images * crd_shape_count(op->in); i++) {
        double sum = 0;
        const double *first = in[0] + i - i / step % n * step;
        for (int64_t k = 0; k < n; k++)
            sum += exp(first[k * step] - in[0][i]);
        out[i] = 1 / sum;
    }
}

static void along_every_extent(void **state)
{
    (void)state;
    const crd_shape shapes[] = {crd_shape_make(1, 37), crd_shape_make(3, 5, 3, 4)};
    for (int s = 0; s < 2; s++)
        for (int dim = 1; dim <= shapes[s].n_dims; dim++) {
            const attr_list attrs = ATTRS(ONE("dim", dim));
            const op_case c = {.kind = "Softmax",
                               .attrs = &attrs,
                               .shapes = {shapes[s]},
                               .n_images = 1 + dim % 3,
                               .reference = plain};
            op_check(&c);
        }
}

/* torch.softmax(x, 1) in double, and its gradient for dout. */
static void values_are_torchs(void **state)
{
    (void)state;
    static const float x[2][3] = {{1, 2, -1}, {0.5F, -3, 4}};
    static const float dout[2][3] = {{1, -1, 2}, {0.5F, 0.25F, 3}};
    static const double y[2][3] = {{0.25949646034241913, 0.7053845126982412, 0.03511902695933973},
                                   {0.02928630789769805, 0.0008843698686108625, 0.969829322233691}},
                        dx[2][3] = {
                            {0.3569763052644929, -0.44040682160556227, 0.0834305163410694},
                            {-0.07100032536581233, -0.0023651165153335163, 0.07336544188114634}};
    const op_case c = {
        .kind = "Softmax", .shapes = {crd_shape_make(1, 3)}, .n_images = 2, .reference = plain};
    op_fixture f;
    op_fixture_init(&f, &c);
    float din[6], *dins[1] = {din};
    const bool adds = false;
    for (int i = 0; i < 6; i++) {
        f.in_f[0][i % 3 * 2 + i / 3] = x[i / 3][i % 3];
        f.dout_f[i % 3 * 2 + i / 3] = dout[i / 3][i % 3];
    }
    const crd_op_args args = op_fixture_args(&f);
    const crd_op_grads grads = {.dout = f.dout_f, .din = dins, .adds = &adds};
    f.op->kind->forward(f.op, &args);
    f.op->kind->backward(f.op, &args, &grads);
    for (int i = 0; i < 6; i++) {
        assert_true(fabs((double)f.out_f[i % 3 * 2 + i / 3] - y[i / 3][i % 3]) < 1e-6);
        assert_true(fabs((double)din[i % 3 * 2 + i / 3] - dx[i / 3][i % 3]) < 1e-6);
    }
    op_fixture_clear(&f);
}

static void an_extent_that_is_not_there_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 4, 2, 6);
    const attr_list attrs = ATTRS(ONE("dim", 4));
    const int64_t input = 0;
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "Softmax", "s", &attrs, &input, 1), CRD_ERR_INPUT,
                 "op 's' (Softmax): dim is 4, but its input has shape (4, 2, 6)");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(along_every_extent),
        cmocka_unit_test(values_are_torchs),
        cmocka_unit_test(an_extent_that_is_not_there_is_refused),
    };
    return cmocka_run_group_tests_name("softmax", tests, NULL, NULL);
}
