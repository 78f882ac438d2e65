/* Sums in any order, against integers and against the definition of a variance. */
#include "crd_test.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "stats/exact_sum.h"

static void numbers_come_back_to_the_bit(void **state)
{
    (void)state;
    const double numbers[] = {0,
                              1,
                              -1,
                              0x1p-200,
                              0x1.fffffffffffffp259,
                              -0.1,
                              1e-30,
                              -3e38,
                              0x1.123456789abcdp-100,
                              -0x1p260,
                              0x1p-250};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t sum[CRD_EXACT_SIZE] = {0};
        crd_exact_add(sum, numbers[i]);
        assert_true(crd_exact_get(sum) == numbers[i]);
        crd_exact_add(sum, -numbers[i]);
        for (int l = 0; l < CRD_EXACT_SIZE; l++)
            assert_int_equal(sum[l], 0);
    }
}

/* Doubles would lose the ones beside 2^200, and those of any order but the right one. */
static void nothing_is_lost_beside_large_numbers(void **state)
{
    (void)state;
    int64_t sum[CRD_EXACT_SIZE] = {0};
    for (int i = 0; i < 1000; i++) {
        crd_exact_add(sum, i % 2 == 0 ? 0x1p200 : -0x1p200);
        crd_exact_add(sum, 1);
    }
    assert_true(crd_exact_get(sum) == 1000);
}

static void what_is_out_of_range_stays_within(void **state)
{
    (void)state;
    int64_t sum[CRD_EXACT_SIZE] = {0}, untouched[CRD_EXACT_SIZE] = {0};
    crd_exact_add(sum, DBL_MAX);
    assert_true(crd_exact_get(sum) == 0x1p260);
    crd_exact_add(sum, -DBL_MAX);
    crd_exact_add(sum, DBL_MIN);
    crd_exact_add(sum, -0x1p-1074);
    crd_exact_add(sum, 0x1.8p-250); /* its last bit is below the lowest digit's */
    assert_true(crd_exact_get(sum) == 0x1p-250);
    crd_exact_add(sum, -0x1p-250);
    assert_memory_equal(sum, untouched, sizeof sum);
}

/* Bounds of an addition: a digit grows by less than 2^32. */
static void a_digit_grows_by_less_than_two_to_the_32(void **state)
{
    (void)state;
    for (int shift = 0; shift < 64; shift++) {
        int64_t sum[CRD_EXACT_SIZE] = {0};
        crd_exact_add(sum, ldexp(0x1.fffffffffffffp0, shift));
        for (int l = 0; l < CRD_EXACT_SIZE; l++)
            assert_true(sum[l] >= 0 && sum[l] < INT64_C(1) << 32);
    }
}

static void variance_of_neighbouring_floats_is_right(void **state)
{
    (void)state;
    int64_t sum[CRD_EXACT_SIZE] = {0}, squares[CRD_EXACT_SIZE] = {0};
    const double base = 16777215, n = 1000; /* floats beside each other: 24 bits */
    for (int i = 0; i < 1000; i++) {
        double x = (base - i % 2) * 0x1p90;
        crd_exact_add(sum, x);
        crd_exact_add(squares, x * x);
    }
    crd_moments m = crd_exact_moments(1000, sum, squares);
    assert_true(m.mean == (base - 0.5) * 0x1p90);
    assert_true(fabs(m.variance / (0.25 * n / (n - 1) * 0x1p180) - 1) < 1e-12);
    memset(sum, 0, sizeof sum);
    memset(squares, 0, sizeof squares);
    for (int i = 0; i < 7; i++) {
        crd_exact_add(sum, (double)0.1F);
        crd_exact_add(squares, (double)0.1F * (double)0.1F);
    }
    assert_true(crd_exact_moments(7, sum, squares).variance == 0);
    assert_true(isnan(crd_exact_moments(1, sum, squares).variance));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back_to_the_bit),
        cmocka_unit_test(nothing_is_lost_beside_large_numbers),
        cmocka_unit_test(what_is_out_of_range_stays_within),
        cmocka_unit_test(a_digit_grows_by_less_than_two_to_the_32),
        cmocka_unit_test(variance_of_neighbouring_floats_is_right),
    };
    return cmocka_run_group_tests_name("exact_sum", tests, NULL, NULL);
}
