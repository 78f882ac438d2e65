#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/output.h"
#include "cli/provenance.h"

/** Moves the tensors of the images that could be read to the front and lists their names. */
static int64_t keep_good(float *tensors, const char **kept_names, char *const *names,
                         const int8_t *skipped, const crd_image_source *source)
{
    int64_t floats = crd_image_source_floats(source), kept = 0;
    for (int64_t i = 0; i < crd_dataset_n_images(source->dataset); i++) {
        if (skipped[i])
            continue;
        memmove(tensors + kept * floats, tensors + i * floats, (size_t)floats * sizeof *tensors);
        kept_names[kept++] = names[i];
    }
    return kept;
}

crd_status crd_cmd_preprocess(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *options = cli->options;
    const char *output = options->values[CRD_OPT_OUTPUT].text;
    crd_posterior *posterior = NULL;
    crd_dataset *dataset = NULL;
    float *tensors = NULL;
    int8_t *skipped = NULL;
    char **names = NULL;
    const char **kept_names = NULL;
    crd_provenance_store store;
    CRD_REQUIRE(output != NULL, CRD_ERR_USAGE, "preprocess needs -o FILE");
    CRD_TRY(crd_dataset_open(&dataset, options->arguments + 1, options->n_arguments - 1));
    CRD_TRY(crd_posterior_read(&posterior, options->arguments[0]));
    const crd_preprocessing *p = &posterior->preprocessing;
    crd_image_source source = {dataset, p, options->values[CRD_OPT_SKIP_BAD].integer != 0, 0};
    int64_t n_images = crd_dataset_n_images(dataset);
    CRD_ALLOC(&tensors, n_images * crd_image_source_floats(&source), "images");
    CRD_ALLOC(&skipped, n_images, "images");
    CRD_ALLOC(&kept_names, n_images, "names");
    CRD_TRY(crd_images_names(&names, dataset));
    CRD_TRY(crd_images_load(tensors, skipped, 0, n_images, &source));
    int64_t n = keep_good(tensors, kept_names, names, skipped, &source);
    CRD_REQUIRE(n > 0, CRD_ERR_INPUT, "none of the %lld images can be read", (long long)n_images);
    crd_provenance provenance;
    CRD_TRY(crd_provenance_make(&provenance, &store, cli, options->arguments[0]));
    CRD_TRY(crd_tensors_write(output, tensors, n, p->channels, p->crop, p->crop, kept_names,
                              &provenance));
    if (options->values[CRD_OPT_JSON].integer) {
        CRD_TRY(crd_json_print(json_pack("{s:o, s:I, s:I, s:I, s:I}", "tensors",
                                         crd_json_text(output), "n_images", (json_int_t)n,
                                         "n_skipped", (json_int_t)source.n_skipped, "channels",
                                         (json_int_t)p->channels, "size", (json_int_t)p->crop)));
    } else {
        crd_print_clean(output);
        printf(": %lld image%s, %lld x %lld x %lld\n", (long long)n, n == 1 ? "" : "s",
               (long long)p->channels, (long long)p->crop, (long long)p->crop);
    }
cleanup:
    crd_free(kept_names);
    crd_images_names_free(names, dataset);
    crd_free(skipped);
    crd_free(tensors);
    crd_dataset_close(dataset);
    crd_posterior_destroy(posterior);
    return status;
}
