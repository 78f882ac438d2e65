/* Scores image by image; errors over images from their scatter (of roots linearised), errors of
 * draws from half-samples. */
#include "stats/image_scores.h"

#include <math.h>

#include "base/alloc.h"
#include "stats/group_error.h"

crd_status crd_image_scores_init(crd_image_scores *out, int n_scores, int64_t n_images,
                                 int64_t n_samples)
{
    crd_status status = CRD_OK;
    *out = (crd_image_scores){.n_scores = n_scores, .n_images = n_images, .n_samples = n_samples};
    CRD_ALLOC(&out->values, n_scores * n_images, "scores");
    CRD_ALLOC(&out->samples, n_scores * n_samples, "scores");
cleanup:
    return status;
}

void crd_image_scores_clear(crd_image_scores *scores)
{
    crd_free(scores->values);
    crd_free(scores->samples);
    *scores = (crd_image_scores){0};
}

void crd_image_scores_put(crd_image_scores *scores, int64_t image, int64_t i, const double *own)
{
    for (int k = 0; k < scores->n_scores; k++) {
        if (i < scores->n_samples)
            scores->samples[i * scores->n_scores + k] += own[k];
        if (i == 0)
            scores->values[k * scores->n_images + image] = own[k];
    }
}

static const double *values_of(const crd_image_scores *s, int i)
{
    return s->values + i * s->n_images;
}

/* The figure that a sum over images gives. */
static double figure_of(double sum, int64_t n_images, int is_root)
{
    double mean = sum / (double)n_images;
    return is_root ? sqrt(mean) : mean;
}

static double sum_of(const double *values, int64_t n)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++)
        sum += values[k];
    return sum;
}

/* What an image adds to the figure, per image: of a root of a mean linearised. */
static double slope_of(double figure, int is_root)
{
    return !is_root ? 1 : figure > 0 ? 1 / (2 * figure) : 0;
}

/* Monte Carlo error of a figure, or of the difference to that of b. */
static double error_of_draws(const crd_image_scores *a, const crd_image_scores *b, int i,
                             int is_root)
{
    double *figures = NULL, error = NAN;
    if (crd_alloc_zeroed((void **)&figures, a->n_samples, sizeof *figures, "figures") != CRD_OK)
        return NAN;
    for (int64_t r = 0; r < a->n_samples; r++) {
        figures[r] = figure_of(a->samples[r * a->n_scores + i], a->n_images, is_root);
        if (b != NULL)
            figures[r] -= figure_of(b->samples[r * b->n_scores + i], b->n_images, is_root);
    }
    error = crd_half_sample_error(figures, a->n_samples, a->n_groups);
    crd_free(figures);
    return error;
}

int crd_image_scores_are_paired(const crd_image_scores *a, const crd_image_scores *b)
{
    return a->n_samples == b->n_samples && a->n_groups == b->n_groups;
}

crd_mc_estimate crd_image_scores_mean(const crd_image_scores *s, int i, int is_root)
{
    const double *values = values_of(s, i);
    const crd_estimate mean = crd_estimate_mean(values, s->n_images);
    const double figure = figure_of(sum_of(values, s->n_images), s->n_images, is_root);
    return (crd_mc_estimate){figure, mean.se * slope_of(figure, is_root),
                             error_of_draws(s, NULL, i, is_root)};
}

crd_mc_estimate crd_image_scores_difference(const crd_image_scores *a, const crd_image_scores *b,
                                            int i, int is_root)
{
    const crd_mc_estimate of_a = crd_image_scores_mean(a, i, is_root);
    const crd_mc_estimate of_b = crd_image_scores_mean(b, i, is_root);
    const double *x = values_of(a, i), *y = values_of(b, i);
    const double slope_a = slope_of(of_a.value, is_root), slope_b = slope_of(of_b.value, is_root);
    const int64_t n = a->n_images;
    const double value = of_a.value - of_b.value;
    double mean = 0, square = 0;
    for (int64_t k = 0; k < n; k++)
        mean += (slope_a * x[k] - slope_b * y[k]) / (double)n;
    for (int64_t k = 0; k < n; k++) {
        double gap = slope_a * x[k] - slope_b * y[k] - mean;
        square += gap * gap;
    }
    return (crd_mc_estimate){value, n > 1 ? sqrt(square / (double)(n - 1) / (double)n) : NAN,
                             crd_image_scores_are_paired(a, b) ? error_of_draws(a, b, i, is_root)
                                                               : hypot(of_a.mcse, of_b.mcse)};
}
