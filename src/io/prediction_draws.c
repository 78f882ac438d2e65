/* What a prediction file holds of single draws, in ArviZ's groups: outputs and sampled labels
 * (posterior_predictive, or predictions where there are no labels), and with labels their log
 * likelihood, so that az.loo and az.plot_ppc find what they need. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/integers.h"
#include "base/softmax.h"
#include "credence/rng.h"
#include "io/prediction_private.h"

#define LIKELIHOOD "/log_likelihood"
#define NETWORKS "/posterior"

static crd_status add_networks(crd_prediction_file *file)
{
    crd_status status = CRD_OK;
    const crd_axis *const axes[] = {&file->chain, &file->draw};
    int64_t *numbers = NULL, n_chains = file->chain.extent;
    CRD_TRY(crd_labelled_group(&file->writer, NETWORKS, axes, 2));
    CRD_TRY(crd_labelled_array(&file->writer, NETWORKS, "network", CRD_H5_INT64, axes, 2, "1",
                               "number of the drawn network: with seed and posterior it gives the "
                               "weights"));
    CRD_ALLOC(&numbers, file->meta.n_draws, "numbers of networks");
    for (int64_t i = 0; i < file->meta.n_draws; i++)
        numbers[i % n_chains * file->draw.extent + i / n_chains] = i;
    CRD_TRY(
        crd_labelled_write(&file->writer, NETWORKS, "network", CRD_H5_INT64, numbers, NULL, NULL));
cleanup:
    crd_free(numbers);
    return status;
}

static crd_status add_likelihood(crd_prediction_file *file)
{
    const crd_axis *const axes[] = {&file->chain, &file->draw, &file->image};
    crd_status status = crd_labelled_group(&file->writer, LIKELIHOOD, axes, 3);
    if (status == CRD_OK)
        status =
            crd_labelled_array(&file->writer, LIKELIHOOD, "label", CRD_H5_FLOAT64, axes, 3, "nat",
                               "log probability of the true class under the drawn "
                               "network; NaN if the class is unknown");
    return status;
}

int64_t crd_prediction_n_chains(const crd_prediction_meta *meta)
{
    const crd_reduction *r = meta->reduction;
    return r->n_batches > 0 && meta->n_draws % r->n_strata == 0 ? r->n_strata : 1;
}

int crd_prediction_is_observed(const crd_prediction_meta *meta)
{
    return meta->labels != NULL || meta->targets != NULL;
}

/* Labels are drawn, and have a likelihood, where the outputs are classes. */
static int has_labels(const crd_prediction_meta *meta)
{
    return crd_reduction_is_ranked(meta->reduction);
}

crd_status crd_prediction_add_draws(crd_prediction_file *file)
{
    crd_status status = CRD_OK;
    const crd_axis *const axes[] = {&file->chain, &file->draw, &file->image,
                                    &file->axes[CRD_AXIS_OUTPUT]};
    int n;
    const crd_draw_field *fields = crd_reduction_draw_fields(file->meta.reduction, &n);
    /* What is predicted for new images is no posterior predictive of observed data. */
    file->samples =
        crd_prediction_is_observed(&file->meta) ? "/posterior_predictive" : "/predictions";
    CRD_TRY(crd_labelled_group(&file->writer, file->samples, axes, 4));
    for (int i = 0; i < n; i++)
        CRD_TRY(crd_labelled_array(&file->writer, file->samples, fields[i].name, CRD_H5_FLOAT32,
                                   axes, 4, fields[i].units, fields[i].long_name));
    if (has_labels(&file->meta))
        CRD_TRY(crd_labelled_numbers(&file->writer, file->samples, "label", axes, 3,
                                     "number of a class, drawn with these probabilities; -1: no "
                                     "draw"));
    CRD_TRY(add_networks(file));
    if (file->meta.labels != NULL)
        CRD_TRY(add_likelihood(file));
cleanup:
    return status;
}

int64_t crd_prediction_draw_bytes(const crd_prediction_meta *meta)
{
    int n;
    crd_reduction_draw_fields(meta->reduction, &n);
    return meta->reduction->extents[CRD_AXIS_OUTPUT] * (int64_t)sizeof(float) * n +
           (has_labels(meta) ? (int64_t)sizeof(int64_t) : 0) +
           (meta->labels != NULL ? (int64_t)sizeof(double) : 0);
}

/* A class drawn with the probabilities: a function of seed, draw and image. */
static int64_t sample_label(const crd_prediction_file *file, const float *probs, int64_t draw,
                            int64_t image)
{
    const uint32_t counter[4] = {0, (uint32_t)draw, (uint32_t)image, CRD_PURPOSE_LABEL};
    const uint32_t key[2] = {(uint32_t)file->seed, (uint32_t)(file->seed >> 32)};
    uint32_t words[4];
    double total = 0, sum = 0;
    int64_t k = 0, last = file->meta.reduction->n_outputs - 1;
    for (int64_t c = 0; c <= last; c++)
        total += (double)probs[c];
    if (isnan(total))
        return -1;
    crd_philox4x32(words, counter, key);
    double at = ((double)words[0] + 0.5) * 0x1p-32 * total;
    for (sum = (double)probs[0]; k < last && sum <= at; sum += (double)probs[k])
        k++;
    return k;
}

static double log_probability(const float *logits, int64_t n, int64_t label)
{
    if (label < 0)
        return NAN;
    crd_softmax_law law = crd_softmax_law_of(logits, n);
    return (double)logits[label] - law.largest - log(law.total);
}

/* Draws of one chain, one after the other: the network's number of the first is first_network. */
typedef struct chain_draws {
    int64_t first_network, start[4], count[4]; /* chain, draw, image, output */
} chain_draws;

static crd_status write_labels(crd_prediction_file *file, const float *logits, const float *probs,
                               const chain_draws *d)
{
    crd_status status = CRD_OK;
    int64_t n_classes = file->meta.reduction->n_outputs, n_images = d->count[2];
    int64_t n = d->count[1] * n_images, *labels = NULL;
    double *likelihood = NULL;
    CRD_ALLOC(&labels, n, "labels of draws");
    CRD_ALLOC(&likelihood, n, "log likelihood");
    for (int64_t i = 0; i < n; i++) {
        int64_t network = d->first_network + i / n_images * file->chain.extent;
        int64_t image = d->start[2] + i % n_images;
        labels[i] = sample_label(file, probs + i * n_classes, network, image);
        if (file->meta.labels != NULL)
            likelihood[i] =
                log_probability(logits + i * n_classes, n_classes, file->meta.labels[image]);
    }
    CRD_TRY(crd_labelled_write(&file->writer, file->samples, "label", CRD_H5_INT64, labels,
                               d->start, d->count));
    if (file->meta.labels != NULL)
        CRD_TRY(crd_labelled_write(&file->writer, LIKELIHOOD, "label", CRD_H5_FLOAT64, likelihood,
                                   d->start, d->count));
cleanup:
    crd_free(labels);
    crd_free(likelihood);
    return status;
}

static crd_status write_chain(crd_prediction_file *file, const float *outputs, const chain_draws *d)
{
    crd_status status = CRD_OK;
    const crd_reduction *r = file->meta.reduction;
    int64_t width = d->count[3], n_rows = d->count[1] * d->count[2];
    int n;
    const crd_draw_field *fields = crd_reduction_draw_fields(r, &n);
    if (n_rows * width > file->n_drawn) {
        CRD_TRY(crd_alloc_grow((void **)&file->drawn, file->n_drawn, n_rows * width,
                               sizeof *file->drawn, "draws"));
        file->n_drawn = n_rows * width;
    }
    for (int k = 0; k < n; k++) {
        for (int64_t row = 0; row < n_rows; row++)
            crd_reduction_describe_draw(file->drawn + row * width, r, k,
                                        outputs + row * r->n_outputs);
        CRD_TRY(crd_labelled_write(&file->writer, file->samples, fields[k].name, CRD_H5_FLOAT32,
                                   file->drawn, d->start, d->count));
    }
    if (has_labels(&file->meta)) /* the last field is the probabilities */
        CRD_TRY(write_labels(file, outputs, file->drawn, d));
cleanup:
    return status;
}

crd_status crd_prediction_write_draws(crd_prediction_file *file, const float *outputs,
                                      int64_t first_draw, int64_t n_draws, int64_t first_image,
                                      int64_t n_images)
{
    crd_status status = CRD_OK;
    const crd_reduction *r = file->meta.reduction;
    int64_t n_chains = file->chain.extent, stride = n_images * r->n_outputs;
    float *own = NULL;
    CRD_REQUIRE(file->samples != NULL && first_draw >= 0 && first_image >= 0 &&
                    first_draw + n_draws <= file->meta.n_draws &&
                    first_image + n_images <= file->image.extent,
                CRD_ERR_INTERNAL, "%s: draws that do not fit the file",
                crd_h5_name(file->writer.h5));
    if (n_chains > 1)
        CRD_ALLOC(&own, crd_divide_up(n_draws, n_chains) * stride, "draws of a chain");
    for (int64_t i = 0; i < crd_smaller(n_chains, n_draws); i++) {
        int64_t network = first_draw + i, n = crd_divide_up(n_draws - i, n_chains);
        const chain_draws d = {network,
                               {network % n_chains, network / n_chains, first_image, 0},
                               {1, n, n_images, r->extents[CRD_AXIS_OUTPUT]}};
        for (int64_t k = 0; k < n && own != NULL; k++)
            memcpy(own + k * stride, outputs + (i + k * n_chains) * stride,
                   (size_t)stride * sizeof *own);
        CRD_TRY(write_chain(file, own != NULL ? own : outputs, &d));
    }
cleanup:
    crd_free(own);
    return status;
}
