/* Embedding: rows of its table by index, gradients by adding up, what is no index. */
#include "op_golden.h"

static const double table[6] = {1, 2, 3, 4, 5, 6}; /* 3 rows */

static void check(crd_shape shape)
{
    /* As torch.nn.Embedding(3, 2) has it, features first. */
    static const double x[4] = {2, 0, 2, 1}, y[8] = {5, 1, 5, 3, 6, 2, 6, 4};
    static const double dout[8] = {1, 2, 4, 8, -1, -2, -4, -8}, dx[4] = {0};
    static const double dtable[6] = {2, -2, 8, -8, 5, -5};
    const attr_list attrs = ATTRS(ONE("num_embeddings", 3), ONE("embedding_dim", 2));
    op_golden_check("Embedding", &attrs, shape, &(op_golden){x, {table}, dout, y, dx, {dtable}});
}

static void tokens_and_pixels(void **state)
{
    (void)state;
    check(crd_shape_make(1, 4));
    check(crd_shape_make(3, 1, 2, 2));
}

/* Two images: tokens of a vector lie (token, image), the output (feature, image, token). */
static void images_stay_apart(void **state)
{
    (void)state;
    const attr_list attrs = ATTRS(ONE("num_embeddings", 3), ONE("embedding_dim", 2));
    const op_case c = {
        .kind = "Embedding", .attrs = &attrs, .shapes = {crd_shape_make(1, 2)}, .n_images = 2};
    static const float tokens[4] = {0, 1, 2, 0};
    static const double wanted[8] = {1, 5, 3, 1, 2, 6, 4, 2};
    op_fixture f;
    op_fixture_init(&f, &c);
    memcpy(f.in_f[0], tokens, sizeof tokens);
    for (int i = 0; i < 6; i++)
        op_fixture_param(&f, f.params_f, 0)[i] = (float)table[i];
    const crd_op_args args = op_fixture_args(&f);
    f.op->kind->forward(f.op, &args);
    expect_near(f.out_f, wanted, 8);
    op_fixture_clear(&f);
}

static void no_index_is_nan(void **state)
{
    (void)state;
    const attr_list attrs = ATTRS(ONE("num_embeddings", 3), ONE("embedding_dim", 1));
    const op_case c = {
        .kind = "Embedding", .attrs = &attrs, .shapes = {crd_shape_make(1, 5)}, .n_images = 1};
    static const float tokens[5] = {-1, 3, 0.5F, NAN, 1};
    op_fixture f;
    op_fixture_init(&f, &c);
    memcpy(f.in_f[0], tokens, sizeof tokens);
    const crd_op_args args = op_fixture_args(&f);
    f.op->kind->forward(f.op, &args);
    for (int i = 0; i < 4; i++)
        assert_false(f.out_f[i] == f.out_f[i]);
    assert_true(f.out_f[4] == f.out_f[4]);
    op_fixture_clear(&f);
}

OP_TESTS("embedding", cmocka_unit_test(tokens_and_pixels), cmocka_unit_test(images_stay_apart),
         cmocka_unit_test(no_index_is_nan))
