#include "crd_test.h"

#include "credence/tensor.h"

static void shapes_count_and_print(void **state)
{
    (void)state;
    crd_shape s = crd_shape_make(4, 64, 3, 7, 7);
    char text[CRD_SHAPE_TEXT_SIZE];
    assert_int_equal(crd_shape_count(&s), 9408);
    assert_string_equal(crd_shape_text(text, &s), "(64, 3, 7, 7)");
    crd_shape scalar = {0};
    assert_int_equal(crd_shape_count(&scalar), 1);
    crd_shape huge = crd_shape_make(2, INT64_MAX, 2);
    assert_int_equal(crd_shape_count(&huge), -1);
    crd_shape longest = {.n_dims = CRD_MAX_DIMS};
    for (int i = 0; i < CRD_MAX_DIMS; i++)
        longest.dims[i] = INT64_MIN;
    assert_true(strlen(crd_shape_text(text, &longest)) < CRD_SHAPE_TEXT_SIZE);
    assert_true(crd_shape_equal(&s, &s));
    assert_false(crd_shape_equal(&s, &scalar));
}

static void table_places_tensors_in_one_block(void **state)
{
    (void)state;
    crd_params p;
    crd_params_init(&p);
    crd_shape s = crd_shape_make(2, 3, 7);
    char name[32];
    for (int i = 0; i < 200; i++) {
        int64_t index;
        snprintf(name, sizeof name, "layer%d.weight", i);
        assert_ok(crd_params_add(&index, &p, name, &s));
        assert_int_equal(index, i);
    }
    assert_fails(crd_params_add(NULL, &p, "layer7.weight", &s), CRD_ERR_INPUT, "layer7.weight");
    assert_int_equal(p.entries[1].offset, 32);
    assert_ok(crd_params_allocate(&p));
    assert_int_equal(crd_params_find(&p, "layer199.weight"), 199);
    assert_int_equal(crd_params_find(&p, "layer200.weight"), -1);
    assert_ptr_equal(crd_params_view(&p, 2), p.data + 64);
    assert_fails(crd_params_add(NULL, &p, "late", &s), CRD_ERR_INTERNAL, "late");
    crd_params_clear(&p);
    assert_int_equal(p.n_params, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_count_and_print),
        cmocka_unit_test(table_places_tensors_in_one_block),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
