/* `credence preprocess`: images to the tensors that the network sees, in one HDF5 file. One
 * process; with --skip-bad images that cannot be read are left out. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/output.h"
#include "cli/provenance.h"

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

crd_status crd_cmd_preprocess(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *options = cli->options;
    const char *output = options->values[CRD_OPT_OUTPUT].text;
    crd_posterior *posterior = NULL;
    crd_image_source source = {0};
    float *tensors = NULL;
    int8_t *skipped = NULL;
    const char **names = NULL;
    crd_provenance_store store;
    CRD_TRY(crd_images_open(&source, options->arguments + 1, options->n_arguments - 1,
                            options->values[CRD_OPT_SKIP_BAD].integer != 0));
    CRD_TRY(crd_posterior_read(&posterior, options->arguments[0]));
    const crd_preprocessing *p = &posterior->preprocessing;
    crd_images_prepare(&source, p);
    CRD_ALLOC(&tensors, source.n_images * crd_images_floats(&source), "images");
    CRD_ALLOC(&skipped, source.n_images, "images");
    CRD_ALLOC(&names, source.n_images, "names");
    CRD_TRY(crd_images_load(tensors, skipped, 0, source.n_images, &source));
    int64_t n_skipped = crd_images_warn(&source, skipped, 0, source.n_images);
    int64_t n = keep_good(tensors, names, skipped, &source);
    CRD_REQUIRE(n > 0, CRD_ERR_INPUT, "none of the %lld images can be read",
                (long long)source.n_images);
    crd_provenance provenance;
    CRD_TRY(crd_provenance_make(&provenance, &store, cli, options->arguments[0], source.dataset));
    CRD_TRY(
        crd_tensors_write(output, tensors, n, p->channels, p->crop, p->crop, names, &provenance));
    if (options->values[CRD_OPT_JSON].integer) {
        CRD_TRY(crd_json_print(json_pack("{s:o, s:I, s:I, s:I, s:I}", "tensors",
                                         crd_json_text(output), "n_images", (json_int_t)n,
                                         "n_skipped", (json_int_t)n_skipped, "channels",
                                         (json_int_t)p->channels, "size", (json_int_t)p->crop)));
    } else {
        crd_print_clean(output);
        printf(": %lld image%s, %lld x %lld x %lld\n", (long long)n, n == 1 ? "" : "s",
               (long long)p->channels, (long long)p->crop, (long long)p->crop);
    }
cleanup:
    crd_free(names);
    crd_free(skipped);
    crd_free(tensors);
    crd_images_close(&source);
    crd_posterior_destroy(posterior);
    return status;
}
