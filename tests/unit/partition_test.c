#include "crd_test.h"

#include "engine/partition.h"
#include "engine/unit_set.h"

static void nodes_share_all_units_by_their_ranks(void **state)
{
    (void)state;
    const int sizes[] = {4, 1, 3, 7};
    const int64_t counts[] = {0, 1, 2, 14, 15, 16, 1000003, INT64_C(1) << 50};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        int64_t begin[5], n = counts[k];
        crd_partition_nodes(begin, sizes, 4, n);
        assert_int_equal(begin[0], 0);
        assert_int_equal(begin[4], n);
        for (int i = 0; i < 4; i++) {
            int64_t share = begin[i + 1] - begin[i], fair = n / 15 * sizes[i];
            assert_true(share >= fair - 1 && share <= fair + sizes[i] + 1);
        }
    }
}

static void shuffle_is_a_permutation(void **state)
{
    (void)state;
    const uint64_t keys[] = {0, 1, 2, 12345, UINT64_MAX, UINT64_C(0x123456789abcdef0)};
    for (int64_t n = 1; n < 70; n++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            int seen[70] = {0};
            for (int64_t i = 0; i < n; i++) {
                int64_t j = crd_partition_shuffle(i, n, keys[k]);
                assert_true(j >= 0 && j < n && !seen[j]);
                seen[j] = 1;
                assert_true(keys[k] != 0 || j == i);
            }
        }
    int moved = 0;
    for (int64_t i = 0; i < 60; i++)
        moved += crd_partition_shuffle(i, 60, 12345) != i;
    assert_true(moved > 30);
}

static void units_cover_every_draw_of_every_image_once(void **state)
{
    (void)state;
    enum { IMAGES = 23, DRAWS = 31 };
    for (int64_t batch = 1; batch < 26; batch++)
        for (int64_t block = 1; block < 34; block++) {
            int seen[IMAGES][DRAWS] = {{0}};
            int64_t n_batches = (IMAGES + batch - 1) / batch,
                    n_blocks = (DRAWS + block - 1) / block;
            int64_t half = n_blocks / 2;
            for (int round = 0; round < 2; round++) {
                int64_t first = round ? half : 0, n = round ? n_blocks - half : half;
                for (int64_t i = 0; i < n_batches * n; i++) {
                    crd_unit u = crd_partition_unit(i, IMAGES, batch, first, n, block, DRAWS);
                    assert_true(u.n_images > 0 && u.n_draws > 0);
                    for (int64_t a = 0; a < u.n_images; a++)
                        for (int64_t d = 0; d < u.n_draws; d++)
                            seen[u.first_image + a][u.first_draw + d]++;
                }
            }
            for (int a = 0; a < IMAGES; a++)
                for (int d = 0; d < DRAWS; d++)
                    assert_true(seen[a][d] == 1);
        }
}

/* Against a plain list of what is left. */
static void what_is_left_is_found_by_its_place(void **unused)
{
    (void)unused;
    enum { MOST = 200 };
    crd_unit_set set;
    uint64_t state = 5;
    assert_ok(crd_unit_set_init(&set, MOST));
    for (int64_t n = 0; n <= MOST; n++) {
        int done[MOST] = {0};
        crd_unit_set_begin(&set, n);
        for (int step = 0; step < 4; step++) {
            int64_t k = 0;
            for (int64_t i = 0; i < n; i++)
                if (!done[i])
                    assert_int_equal(crd_unit_set_nth(&set, k++), i);
            assert_int_equal(crd_unit_set_left(&set), k);
            uint64_t bits[(MOST + 63) / 64] = {0};
            for (int64_t i = 0; i < n; i++) {
                state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
                if (!done[i] && (step == 3 || state >> 62 == 0)) {
                    bits[i / 64] |= UINT64_C(1) << i % 64;
                    done[i] = 1;
                }
            }
            int64_t added = crd_unit_set_count(bits, crd_unit_set_words(n));
            assert_int_equal(crd_unit_set_add(&set, bits), 0);
            assert_int_equal(crd_unit_set_left(&set), k - added);
            assert_int_equal(crd_unit_set_add(&set, bits), added); /* twice is noticed */
        }
        assert_int_equal(crd_unit_set_left(&set), 0);
    }
    crd_unit_set_clear(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_share_all_units_by_their_ranks),
        cmocka_unit_test(shuffle_is_a_permutation),
        cmocka_unit_test(units_cover_every_draw_of_every_image_once),
        cmocka_unit_test(what_is_left_is_found_by_its_place),
    };
    return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
