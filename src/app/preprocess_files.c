/* Images to the tensors that the network sees, in one file. One process; images that cannot be read
 * may be left out. */
#include "credence/preprocess_files.h"

#include <string.h>

#include "app/context.h"
#include "app/output_claim.h"
#include "base/alloc.h"

/** Moves the tensors of the images that could be read to the front and lists their names. */
static int64_t keep_good(float *tensors, const char **names, const int8_t *skipped,
                         const crd_image_source *source)
{
    int64_t floats = crd_images_floats(source), kept = 0;
    for (int64_t i = 0; i < source->n_images; i++) {
        if (skipped[i])
            continue;
        memmove(tensors + kept * floats, tensors + i * floats, (size_t)floats * sizeof *tensors);
        names[kept++] = source->names[i];
    }
    return kept;
}

crd_status crd_preprocess_files(crd_preprocess_report *out,
                                const crd_preprocess_files_options *options)
{
    crd_status status = CRD_OK;
    crd_context context = {0};
    crd_output_lock *lock = NULL;
    crd_image_source *source = &context.images;
    const crd_preprocessing *p = &source->preprocessing;
    float *tensors = NULL;
    int8_t *skipped = NULL;
    const char **names = NULL;
    crd_provenance_store *store = NULL;
    crd_provenance provenance;
    crd_run_inputs inputs;
    CRD_TRY(crd_output_claim(
        &lock, options->output,
        &(crd_output_inputs){options->posterior, options->inputs, options->n_inputs, NULL}));
    CRD_TRY(crd_context_open(&context, options->posterior, options->inputs, options->n_inputs,
                             options->skip_bad, NULL));
    crd_dataset_log_fit(source->dataset, p);
    CRD_ALLOC(&tensors, source->n_images * crd_images_floats(source), "images");
    CRD_ALLOC(&skipped, source->n_images, "images");
    CRD_ALLOC(&names, source->n_images, "names");
    CRD_TRY(crd_images_load(tensors, skipped, 0, source->n_images, source));
    out->preprocessing = *p;
    out->n_skipped = crd_images_warn(source, skipped, 0, source->n_images);
    out->n_images = keep_good(tensors, names, skipped, source);
    CRD_REQUIRE(out->n_images > 0, CRD_ERR_INPUT, "none of the %lld images can be read",
                (long long)source->n_images);
    inputs = crd_context_inputs(&context, options->inputs, options->n_inputs);
    CRD_TRY(crd_provenance_make(&provenance, &store, &options->record, 0, &inputs));
    CRD_TRY(crd_tensors_write(options->output, tensors, out->n_images, p->channels, p->crop,
                              crd_preprocessing_width(p), names, &provenance));
cleanup:
    crd_provenance_store_destroy(store);
    crd_free(names);
    crd_free(skipped);
    crd_free(tensors);
    crd_context_close(&context);
    crd_output_lock_release(lock);
    return status;
}
