/* Whole networks against torch: tests/golden/make_logits.py. */
#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "credence/zoo.h"
#include "kernels/kernels.h"
#include "walker.h"

/* Runs one case of the file and returns the largest difference relative to the largest logit. In
 * two draws of the last layer too: what lies before it is computed once, what lies behind, twice.
 */
static double run_case(FILE *file, const char *arch, int64_t in_channels, int64_t size,
                       int64_t n_classes, int64_t n_images)
{
    enum { N_DRAWS = 2 };
    crd_network *network = NULL;
    float *params = NULL, *images = NULL, *logits = NULL;
    uint8_t *random = NULL;
    assert_ok(crd_zoo_build(&network, arch, in_channels, size, n_classes));
    assert_ok(walker_make_params(&params, network));
    int64_t n_pixels = n_images * in_channels * size * size, n = n_images * n_classes;
    assert_ok(crd_alloc_zeroed((void **)&images, n_pixels, sizeof *images, "images"));
    assert_ok(crd_alloc_zeroed((void **)&logits, N_DRAWS * n, sizeof *logits, "logits"));
    assert_ok(crd_alloc_zeroed((void **)&random, network->n_ops, 1, "flags"));
    walker_fill(images, n_pixels, "images", 1, 0);
    random[network->n_ops - 1] = 1;
    assert_ok(walker_run(logits, network, params, images, random, n_images, N_DRAWS));
    double error = 0, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        double expected;
        assert_int_equal(fscanf(file, "%lf", &expected), 1);
        assert_true(logits[i] == logits[n + i]);
        assert_true(isfinite(logits[i]));
        error = fmax(error, fabs((double)logits[i] - expected));
        largest = fmax(largest, fabs(expected));
    }
    crd_free(random);
    crd_free(logits);
    crd_free(images);
    crd_free(params);
    crd_network_destroy(network);
    return error / largest;
}

static void logits_equal_torch(void **state)
{
    (void)state;
    FILE *file = fopen(CRD_TEST_DIR "/golden/zoo_logits.txt", "r");
    assert_non_null(file);
    char arch[64];
    long long in_channels, size, n_classes, n_images;
    int n_cases = 0;
    assert_int_equal(fscanf(file, "#%*[^\n]"), 0);
    while (fscanf(file, " case %63s %lld %lld %lld %lld", arch, &in_channels, &size, &n_classes,
                  &n_images) == 5) {
        double start = crd_clock_now_s();
        double error = run_case(file, arch, in_channels, size, n_classes, n_images);
        print_message("%-18s %3lld px: %.1e of the largest logit, %.2f s\n", arch, size, error,
                      crd_clock_now_s() - start);
        assert_true(error <= 1e-4);
        n_cases++;
    }
    assert_true(feof(file));
    fclose(file);
    assert_true(n_cases >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(logits_equal_torch)};
    if (crd_gemm_init() != CRD_OK)
        return 1;
    return cmocka_run_group_tests_name("logits", tests, NULL, NULL);
}
