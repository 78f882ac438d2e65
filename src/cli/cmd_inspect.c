/* `credence inspect`: what a file holds, by its kind, as text or JSON: provenance, graph, tensors,
 * history, datasets. It only reads; --reseal, which writes a copy, is io/reseal.c. */
#include <stdio.h>

#include "cli/command.h"
#include "report/contents.h"
#include "report/inspection.h"
#include "report/output.h"

static crd_status show_attributes(json_t *root, const char *path)
{
    crd_contents c = crd_contents_begin(root, "attributes", json_object(), "attributes");
    return crd_file_attributes(path, crd_contents_add_attribute, &c);
}

static crd_status show_datasets(json_t *root, const char *path)
{
    crd_contents c =
        crd_contents_begin(root, "datasets", json_array(), "datasets (XXH3-64, type, shape, path)");
    crd_status status = crd_file_datasets(path, crd_contents_add_dataset, &c);
    if (status == CRD_OK && c.n_damaged > 0)
        return CRD_FAIL(CRD_ERR_INPUT, "%s: %lld datasets differ from their stored digests", path,
                        (long long)c.n_damaged);
    return status;
}

static crd_status show_posterior(json_t *root, const char *path, crd_file_kind kind)
{
    crd_inspection *inspection;
    crd_status status = crd_inspect_posterior(&inspection, path, kind);
    if (status != CRD_OK)
        return status;
    if (root != NULL)
        crd_inspection_set_json(root, inspection);
    else
        crd_inspection_print(inspection);
    crd_inspection_destroy(inspection);
    return CRD_OK;
}

crd_status crd_cmd_inspect(const crd_cli *cli)
{
    static const char *const kinds[] = {
        [CRD_FILE_POSTERIOR] = "posterior", [CRD_FILE_PREDICTION] = "prediction",
        [CRD_FILE_TENSORS] = "tensors",     [CRD_FILE_CHECKPOINT] = "checkpoint",
        [CRD_FILE_SCORES] = "scores",       [CRD_FILE_CHAINS] = "checkpoint of chains"};
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    const char *path = given->arguments[0], *resealed = crd_opt_text(given, CRD_OPT_RESEAL);
    int only_datasets = crd_opt_flag(given, CRD_OPT_DATASETS);
    json_t *root = NULL;
    crd_file_kind kind;
    if (resealed != NULL) {
        CRD_TRY(crd_file_reseal(resealed, path));
        path = resealed;
    }
    CRD_TRY(crd_file_identify(&kind, path));
    int has_posterior = kind == CRD_FILE_POSTERIOR || kind == CRD_FILE_CHECKPOINT;
    if (crd_opt_flag(given, CRD_OPT_JSON)) {
        root = json_pack("{s:o, s:s}", "file", crd_json_text(path), "kind", kinds[kind]);
    } else if (!only_datasets) {
        crd_print_clean(path);
        printf(": %s\n", kinds[kind]);
    }
    if (!only_datasets)
        CRD_TRY(show_attributes(root, path));
    if (!only_datasets && has_posterior)
        CRD_TRY(show_posterior(root, path, kind));
    if (only_datasets || !has_posterior)
        CRD_TRY(show_datasets(root, path));
    if (root != NULL) {
        status = crd_json_print(root);
        root = NULL;
    }
cleanup:
    json_decref(root);
    return status;
}
