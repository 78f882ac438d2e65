/* MatMul of two inputs, either transposed, against the sum that it is. */
#include "crd_test.h"
#include "op_check.h"

enum { MATRICES = 3, ROWS = 2, INNER = 5, COLUMNS = 4 };

static double entry(const double *matrix, int64_t rows, int64_t columns, bool is_turned,
                    int64_t row, int64_t column)
{
    return is_turned ? matrix[column * rows + row] : matrix[row * columns + column];
}

static void plain(double *out, const crd_graph_op *op, const double *const *in,
                  const double *const *params, int64_t n_images, const void *payload)
{
    (void)params;
    (void)payload;
    bool a_turned = attr_of(op, "transpose_a", 0) != 0,
         b_turned = attr_of(op, "transpose_b", 0) != 0;
    for (int64_t m = 0; m < n_images * MATRICES; m++)
        for (int64_t y = 0; y < ROWS; y++)
            for (int64_t x = 0; x < COLUMNS; x++) {
                double sum = 0;
                for (int64_t k = 0; k < INNER; k++)
                    sum += entry(in[0] + m * ROWS * INNER, ROWS, INNER, a_turned, y, k) *
                           entry(in[1] + m * INNER * COLUMNS, INNER, COLUMNS, b_turned, k, x);
                *out++ = sum;
            }
}

static crd_shape matrices(int64_t rows, int64_t columns, int is_turned)
{
    return is_turned ? crd_shape_make(3, MATRICES, columns, rows)
                     : crd_shape_make(3, MATRICES, rows, columns);
}

static void products_are_sums(void **state)
{
    (void)state;
    for (int turned = 0; turned < 4; turned++)
        for (int64_t n = 1; n <= 3; n += 2) {
            const attr_list attrs =
                ATTRS(ONE("transpose_a", turned % 2), ONE("transpose_b", turned / 2));
            op_case c = {
                .kind = "MatMul",
                .attrs = &attrs,
                .shapes = {matrices(ROWS, INNER, turned % 2), matrices(INNER, COLUMNS, turned / 2)},
                .n_images = n,
                .reference = plain};
            op_check(&c);
        }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const crd_shape shape = crd_shape_make(3, 4, 2, 6);
    const int64_t inputs[2] = {0, 0};
    crd_network *network;
    assert_ok(crd_network_create(&network, "test", &shape));
    assert_fails(network_add(NULL, network, "MatMul", "m", NULL, inputs, 2), CRD_ERR_INPUT,
                 "op 'm' (MatMul): inputs have shapes (4, 2, 6) and (4, 2, 6), which are no");
    crd_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_sums),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("mat_mul", tests, NULL, NULL);
}
