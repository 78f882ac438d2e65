/* See slopes.h: a draw of reparameterization or another estimator, by central differences. */
#include "slopes.h"

#include <math.h>

#include "base/alloc.h"
#include "bayes/gradient.h"
#include "crd_test.h"
#include "kernels/kernels.h"
#include "walker.h"

enum { IMAGES = 2, DRAW = 3, N_PARTS = 4 };

typedef struct fixture {
    crd_network *network;
    crd_gradient *gradient;
    const crd_loss *loss;
    float *mu, *moved, *rho, *images;
    uint8_t *bayesian;
    int64_t *sums, n_floats;
    double step, tolerance; /* a short step where the units have kinks */
} fixture;

static void *zeros(int64_t n, size_t size)
{
    void *block;
    assert_ok(crd_alloc_zeroed(&block, n, size, "test"));
    return block;
}

/* The network becomes the fixture's. */
static void fixture_init(fixture *f, crd_network *network, const char *estimator, bool has_kinks)
{
    *f = (fixture){
        .network = network, .step = has_kinks ? 3e-5 : 1e-3, .tolerance = has_kinks ? 0.05 : 0.005};
    const crd_params *params = &f->network->params;
    int64_t n_pixels = IMAGES * crd_shape_count(crd_network_input_shape(network));
    f->n_floats = params->n_floats;
    assert_ok(walker_make_params(&f->mu, f->network));
    f->moved = zeros(f->n_floats, sizeof(float));
    f->rho = zeros(f->n_floats, sizeof(float));
    f->images = zeros(n_pixels, sizeof(float));
    f->bayesian = zeros(params->n_params, 1);
    f->sums = zeros(2 * f->n_floats, sizeof *f->sums);
    walker_fill(f->images, n_pixels, "images", 1, 0);
    for (int64_t p = 0; p < params->n_params; p++)
        f->bayesian[p] = crd_network_param_may_be_random(f->network, p) != 0;
    for (int64_t i = 0; i < f->n_floats; i++)
        f->rho[i] = -7; /* sigma 1e-3 */
    const crd_gradient_options options = {.estimator = estimator, .seed = 5, .micro_batch = IMAGES};
    assert_ok(crd_gradient_create(&f->gradient, f->network, f->bayesian, &options));
    assert_ok(crd_loss_find(&f->loss, "cross-entropy"));
}

static void fixture_clear(fixture *f)
{
    crd_gradient_destroy(f->gradient);
    crd_network_destroy(f->network);
    crd_free(f->mu);
    crd_free(f->moved);
    crd_free(f->rho);
    crd_free(f->images);
    crd_free(f->bayesian);
    crd_free(f->sums);
}

static double loss_at(fixture *f, const float *mu, int64_t *sums)
{
    const int64_t labels[IMAGES] = {1, crd_network_n_outputs(f->network) > 3 ? 3 : 2};
    const crd_gradient_target target = {.sums = sums};
    double loss;
    assert_ok(crd_gradient_set_parameters(f->gradient, mu, f->rho));
    assert_ok(crd_gradient_add(&loss, NULL, &target, f->gradient, f->loss, f->images, labels, NULL,
                               IMAGES, 0, DRAW, 1));
    return loss;
}

/* Of parameters [first, end): the change of the loss from one side of mu to the other along the
 * gradient, over the one that the gradient tells; of what float32 makes of the two sides. */
static double slope(fixture *f, const float *gradient, int64_t *unused, int64_t first, int64_t end)
{
    double square = 0, told = 0, losses[2];
    for (int64_t i = first; i < end; i++)
        square += (double)gradient[i] * (double)gradient[i];
    for (int side = 0; side < 2; side++) {
        double t = (side == 0 ? 1 : -1) * f->step / square;
        memcpy(f->moved, f->mu, (size_t)f->n_floats * sizeof *f->mu);
        for (int64_t i = first; i < end; i++) {
            f->moved[i] = (float)((double)f->mu[i] + t * (double)gradient[i]);
            told += (side == 0 ? 1 : -1) * ((double)f->moved[i] - (double)f->mu[i]) *
                    (double)gradient[i];
        }
        losses[side] = loss_at(f, f->moved, unused);
    }
    return (losses[0] - losses[1]) / told;
}

void slopes_check(const char *name, crd_network *network, const char *estimator, bool has_kinks)
{
    fixture f;
    fixture_init(&f, network, estimator, has_kinks);
    const crd_params *params = &f.network->params;
    float *gradient = zeros(f.n_floats, sizeof *gradient);
    int64_t *unused = zeros(2 * f.n_floats, sizeof *unused);
    loss_at(&f, f.mu, f.sums);
    for (int64_t p = 0; p < params->n_params; p++)
        for (int64_t i = 0; i < params->entries[p].count; i++) {
            int64_t at = params->entries[p].offset + i;
            gradient[at] = crd_network_param_is_trained(f.network, p)
                               ? (float)((double)f.sums[at] * 0x1p-44)
                               : 0;
        }
    for (int part = 0; part < N_PARTS; part++) {
        int64_t n = params->n_params, last = N_PARTS - 1;
        int64_t first = part == last ? 0 : params->entries[part * n / last].offset;
        int64_t end = part >= last - 1 ? f.n_floats : params->entries[(part + 1) * n / last].offset;
        double found = slope(&f, gradient, unused, first, end);
        print_message("%-20s %s part %d: %.4f\n", name, estimator, part, found);
        assert_true(fabs(found - 1) < f.tolerance);
    }
    crd_free(gradient);
    crd_free(unused);
    fixture_clear(&f);
}
