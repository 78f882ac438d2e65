/* Random changes of images and the shuffled order: each against what it must be, and its statistics.
 * All numbers are functions of fixed seeds: a bound that holds once holds always. */
#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "credence/dataset.h"
#include "credence/rng.h"
#include "image/augment.h"

/* Of n cells that are equally likely: sum of squared deviations in units of the expectation. Its
 * mean is n - 1, its variance 2 (n - 1); five standard deviations are allowed. */
static void check_uniform(const int64_t *counts, int64_t n_cells, const char *what)
{
    double total = 0, chi2 = 0, freedom = (double)(n_cells - 1);
    for (int64_t k = 0; k < n_cells; k++)
        total += (double)counts[k];
    double expected = total / (double)n_cells;
    for (int64_t k = 0; k < n_cells; k++)
        chi2 += ((double)counts[k] - expected) * ((double)counts[k] - expected) / expected;
    if (fabs(chi2 - freedom) > 5 * sqrt(2 * freedom))
        fail_msg("%s: chi^2 %g with %g degrees of freedom", what, chi2, freedom);
}

static void check_bijection(int64_t n, uint64_t seed, int64_t epoch)
{
    uint8_t *seen = calloc((size_t)n, 1);
    for (int64_t place = 0; place < n; place++) {
        int64_t image = crd_shuffled(place, n, seed, epoch);
        assert_in_range(image, 0, n - 1);
        if (seen[image]++)
            fail_msg("n = %lld: image %lld comes twice", (long long)n, (long long)image);
    }
    free(seen);
}

static void shuffle_is_a_bijection(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 1000; n++)
        check_bijection(n, (uint64_t)n * 77, n % 5);
    check_bijection(60000, 0, 0);
    check_bijection(65536, UINT64_MAX, UINT32_MAX);
    check_bijection(1 << 18, 4, 1);
    check_bijection((1 << 18) + 1, 4, 1);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void shuffle_of_huge_sets_does_not_repeat(void **state)
{
    (void)state;
    enum { N = 20000 };
    static int64_t images[N];
    const int64_t sizes[] = {((int64_t)1 << 32) - 1, ((int64_t)1 << 40) + 7, (int64_t)1 << 62};
    for (int k = 0; k < 3; k++) {
        for (int64_t i = 0; i < N; i++) {
            images[i] = crd_shuffled(sizes[k] - 1 - i, sizes[k], 5, 3);
            assert_true(images[i] >= 0 && images[i] < sizes[k]);
        }
        qsort(images, N, sizeof images[0], by_value);
        for (int64_t i = 1; i < N; i++)
            assert_true(images[i] != images[i - 1]);
        /* A place in order says nothing of the image: the quarters are equally full. */
        int64_t quarters[4] = {0};
        for (int64_t i = 0; i < N; i++)
            quarters[images[i] / (sizes[k] / 4 + 1)]++;
        check_uniform(quarters, 4, "quarters of a huge set");
    }
}

static void every_order_is_equally_likely(void **state)
{
    (void)state;
    enum { N_EPOCHS = 24000 };
    int64_t orders[24] = {0};
    for (int64_t epoch = 0; epoch < N_EPOCHS; epoch++) {
        int64_t order[4];
        int rank = 0;
        for (int i = 0; i < 4; i++) {
            order[i] = crd_shuffled(i, 4, 11, epoch);
            for (int j = 0; j < i; j++)
                if (order[j] > order[i])
                    rank += i == 1 ? 1 : i == 2 ? 2 : 6;
        }
        orders[rank]++;
    }
    check_uniform(orders, 24, "orders of 4 images");
}

/* 16 is the Feistel network's whole range, where it alone would make even orders only. */
static void odd_orders_are_as_likely_as_even_ones(void **state)
{
    (void)state;
    int64_t parities[2] = {0};
    for (int64_t epoch = 0; epoch < 4000; epoch++) {
        int64_t order[16];
        int n_inversions = 0;
        for (int i = 0; i < 16; i++) {
            order[i] = crd_shuffled(i, 16, 3, epoch);
            for (int j = 0; j < i; j++)
                n_inversions += order[j] > order[i];
        }
        parities[n_inversions % 2]++;
    }
    /* Four standard deviations: 4 sqrt(4000). */
    assert_true(llabs(parities[0] - parities[1]) < 250);
}

static void every_place_is_equally_likely(void **state)
{
    (void)state;
    enum { N = 13, N_SEEDS = 20000 };
    static int64_t places[N][N], neighbours[N * N];
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        int64_t images[N];
        for (int64_t i = 0; i < N; i++) {
            images[i] = crd_shuffled(i, N, seed, 2);
            places[i][images[i]]++;
        }
        neighbours[images[4] * N + images[5]]++;
    }
    for (int64_t i = 0; i < N; i++)
        check_uniform(places[i], N, "images at a place");
    int64_t n_pairs = 0;
    for (int64_t k = 0; k < N * N; k++)
        if (k / N != k % N)
            neighbours[n_pairs++] = neighbours[k];
    check_uniform(neighbours, n_pairs, "pairs of neighbours");
}

static void epochs_and_seeds_have_orders_of_their_own(void **state)
{
    (void)state;
    enum { N = 1000 };
    int n_epoch = 0, n_seed = 0, n_identity = 0;
    for (int64_t i = 0; i < N; i++) {
        int64_t image = crd_shuffled(i, N, 1, 0);
        n_epoch += image == crd_shuffled(i, N, 1, 1);
        n_seed += image == crd_shuffled(i, N, (uint64_t)1 << 32 | 1, 0);
        n_identity += image == i;
    }
    /* Poisson of mean 1 each. */
    assert_in_range(n_epoch, 0, 7);
    assert_in_range(n_seed, 0, 7);
    assert_in_range(n_identity, 0, 7);
}

enum { SIDE = 9, WIDE = 14, PADDING = 2, SHIFTS = 2 * PADDING + 1 };
static const crd_preprocessing small = {
    .channels = 1, .crop = SIDE, .crop_width = WIDE, .mean = {0.5f}, .sd = {0.25f}};

/* What a shift and a flip make of the tensor whose pixel (y, x) is 100 y + x. */
static int is_moved(const float *tensor, int64_t down, int64_t right, int64_t flip)
{
    for (int64_t y = 0; y < SIDE; y++)
        for (int64_t x = 0; x < WIDE; x++) {
            int64_t from_y = y - down, from_x = (flip ? WIDE - 1 - x : x) - right;
            int inside = from_y >= 0 && from_y < SIDE && from_x >= 0 && from_x < WIDE;
            float expected = inside ? (float)(100 * from_y + from_x) : -2.0f;
            if (tensor[y * WIDE + x] != expected)
                return 0;
        }
    return 1;
}

/* Which cell of (down, right, flip) a visit fell into. */
static int64_t cell_of(const crd_visit *visit, int64_t padding, int flip)
{
    float tensor[SIDE * WIDE];
    for (int64_t i = 0; i < SIDE * WIDE; i++)
        tensor[i] = (float)(100 * (i / WIDE) + i % WIDE);
    crd_tensor_move_random(tensor, &small, padding, flip, visit);
    for (int64_t cell = 0; cell < SHIFTS * SHIFTS * 2; cell++)
        if (is_moved(tensor, cell / 2 / SHIFTS - PADDING, cell / 2 % SHIFTS - PADDING, cell % 2))
            return cell;
    fail_msg("image %lld is neither shifted nor flipped", (long long)visit->image);
    return -1;
}

static void shifts_and_flips_are_equally_likely(void **state)
{
    (void)state;
    enum { CELLS = SHIFTS * SHIFTS * 2, NOT_MOVED = SHIFTS * SHIFTS / 2 * 2 };
    static int64_t of_images[CELLS], of_epochs[CELLS], of_seeds[CELLS], pairs[4], flips[2];
    int64_t last = 0;
    for (int64_t k = 0; k < 20000; k++) {
        int64_t cell = cell_of(&(crd_visit){1, 0, k}, PADDING, 1);
        of_images[cell]++;
        of_epochs[cell_of(&(crd_visit){1, k, 7}, PADDING, 1)]++;
        of_seeds[cell_of(&(crd_visit){(uint64_t)k << 20, 3, 7}, PADDING, 1)]++;
        pairs[last % 2 * 2 + cell % 2]++;
        last = cell;
        /* Without padding the flips stay as they are, without flips the shifts. */
        assert_int_equal(cell_of(&(crd_visit){1, 0, k}, 0, 1), NOT_MOVED + cell % 2);
        assert_int_equal(cell_of(&(crd_visit){1, 0, k}, PADDING, 0), cell / 2 * 2);
        flips[cell % 2]++;
    }
    check_uniform(of_images, CELLS, "images");
    check_uniform(of_epochs, CELLS, "epochs");
    check_uniform(of_seeds, CELLS, "seeds");
    check_uniform(pairs, 4, "flips of neighbours");
    check_uniform(flips, 2, "flips");
}

static void padding_may_be_as_wide_as_the_image(void **state)
{
    (void)state;
    for (int64_t k = 0; k < 2000; k++) {
        float tensor[SIDE * WIDE];
        for (int64_t i = 0; i < SIDE * WIDE; i++)
            tensor[i] = (float)(100 * (i / WIDE) + i % WIDE);
        crd_tensor_move_random(tensor, &small, SIDE, 1, &(crd_visit){3, 0, k});
        int found = 0;
        for (int64_t down = -SIDE; down <= SIDE && !found; down++)
            for (int64_t right = -SIDE; right <= SIDE && !found; right++)
                found = is_moved(tensor, down, right, 0) || is_moved(tensor, down, right, 1);
        assert_true(found);
    }
}

/* torchvision's own function on the same numbers: tests/golden/make_crops.py. */
static void crops_are_torchvisions(void **state)
{
    (void)state;
    FILE *file = fopen(CRD_TEST_DIR "/golden/crops.txt", "r");
    assert_non_null(file);
    unsigned long long start;
    long long width, height, left, top, w, h;
    int n_lines = 0;
    while (fscanf(file, "%llu %lld %lld %lld %lld %lld %lld", &start, &width, &height, &left, &top,
                  &w, &h) == 7) {
        uint64_t generator = start;
        double uniforms[CRD_CROP_TRIES][4];
        for (int i = 0; i < CRD_CROP_TRIES * 4; i++) {
            generator = generator * 6364136223846793005u + 1442695040888963407u;
            uniforms[i / 4][i % 4] = (double)(generator >> 32) * 0x1p-32;
        }
        crd_window window = crd_crop_window(width, height, uniforms);
        if (window.left != left || window.top != top || window.width != w || window.height != h)
            fail_msg("%llu: %lld x %lld: %lld %lld %lld %lld", start, width, height,
                     (long long)window.left, (long long)window.top, (long long)window.width,
                     (long long)window.height);
        n_lines++;
    }
    fclose(file);
    assert_int_equal(n_lines, 88);
}

/* Of a ramp, a part shows where it lies and how wide it is: both have known averages. */
static void crops_are_random_parts(void **state)
{
    (void)state;
    enum { WIDTH = 201, HEIGHT = 101, N = 4000, OUT = 16, HIGH = 11 };
    const crd_preprocessing out = {.channels = 1, .crop = HIGH, .crop_width = OUT, .sd = {1}};
    crd_image ramp = {WIDTH, HEIGHT, 1, NULL};
    assert_ok(crd_alloc_zeroed((void **)&ramp.pixels, WIDTH * HEIGHT, 1, "ramp"));
    for (int64_t i = 0; i < WIDTH * HEIGHT; i++)
        ramp.pixels[i] = (uint8_t)(i % WIDTH);
    double sum = 0, sum2 = 0, sum_area = 0, sum_area2 = 0;
    for (int64_t k = 0; k < N; k++) {
        crd_image part, again;
        const crd_visit visit = {9, 0, k};
        assert_ok(crd_image_crop_random(&part, &ramp, &out, &visit));
        assert_int_equal(part.width, OUT);
        assert_int_equal(part.height, HIGH);
        double middle = (part.pixels[OUT / 2 - 1] + part.pixels[OUT / 2]) / 2.0;
        double slope = (part.pixels[OUT - 2] - part.pixels[1]) / (OUT - 3.0);
        sum += middle;
        sum2 += middle * middle;
        sum_area += slope * OUT; /* its width */
        sum_area2 += slope * OUT * slope * OUT;
        assert_ok(crd_image_crop_random(&again, &ramp, &out, &visit));
        assert_memory_equal(part.pixels, again.pixels, OUT * HIGH);
        crd_image_clear(&part);
        crd_image_clear(&again);
    }
    double mean = sum / N, sd = sqrt(sum2 / N - mean * mean);
    assert_true(fabs(mean - (WIDTH - 1) / 2.0) < 5 * sd / sqrt(N));
    assert_true(sd > 20);
    /* 101 rows let widths from sqrt(0.08 area 3/4) = 35 to 101 4/3 = 135 through. */
    double width = sum_area / N;
    assert_true(width > 60 && width < 110);
    assert_true(sqrt(sum_area2 / N - width * width) > 15);
    crd_image_clear(&ramp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffle_is_a_bijection),
        cmocka_unit_test(shuffle_of_huge_sets_does_not_repeat),
        cmocka_unit_test(every_order_is_equally_likely),
        cmocka_unit_test(odd_orders_are_as_likely_as_even_ones),
        cmocka_unit_test(every_place_is_equally_likely),
        cmocka_unit_test(epochs_and_seeds_have_orders_of_their_own),
        cmocka_unit_test(shifts_and_flips_are_equally_likely),
        cmocka_unit_test(padding_may_be_as_wide_as_the_image),
        cmocka_unit_test(crops_are_torchvisions),
        cmocka_unit_test(crops_are_random_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
