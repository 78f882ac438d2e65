/* A part of the draws of a prediction: a prediction file whose rows keep their accumulators,
 * and a group that says which part it is. Parts that share a fingerprint add up to the whole. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/names.h"
#include "io/fingerprint.h"
#include "io/prediction_private.h"
#include "reduce/reducer.h"

static const char group[] = "/part", fingerprint_path[] = "/part/fingerprint",
                  outputs_path[] = "/part/outputs", strata_key[] = "n_strata",
                  chains_key[] = "n_chains", draws_key[] = "n_chain_draws";

enum { N_NUMBERS = 4 };

static void place_numbers(const char *keys[N_NUMBERS], int64_t *values[N_NUMBERS],
                          crd_part_facts *facts)
{
    int64_t *const places[N_NUMBERS] = {&facts->first_draw, &facts->end_draw, &facts->all_draws,
                                        &facts->is_paired};
    const char *const names[N_NUMBERS] = {"first_draw", "end_draw", "all_draws", "is_paired"};
    for (int i = 0; i < N_NUMBERS; i++) {
        keys[i] = names[i];
        values[i] = places[i];
    }
}

/* Of a mixture its components; of chains their number, and how many draws each has. */
static crd_status add_groups(crd_h5 *h5, const crd_reduction *r)
{
    crd_status status = CRD_OK;
    if (r->n_batches == 0)
        return r->n_strata == 1
                   ? CRD_OK
                   : crd_h5_attr_put(h5, group, strata_key, CRD_H5_INT64, &r->n_strata, 1);
    CRD_TRY(crd_h5_attr_put(h5, group, chains_key, CRD_H5_INT64, &r->n_strata, 1));
    CRD_TRY(crd_h5_attr_put(h5, group, draws_key, CRD_H5_INT64, &r->n_chain_draws, 1));
cleanup:
    return status;
}

crd_status crd_part_add(crd_writer *writer, const crd_prediction_meta *meta)
{
    crd_status status = CRD_OK;
    crd_part_facts facts = *meta->part;
    const char *keys[N_NUMBERS];
    int64_t *values[N_NUMBERS];
    place_numbers(keys, values, &facts);
    CRD_TRY(crd_h5_group_create(writer->h5, group));
    for (int i = 0; i < N_NUMBERS; i++)
        CRD_TRY(crd_h5_attr_put(writer->h5, group, keys[i], CRD_H5_INT64, values[i], 1));
    CRD_TRY(crd_h5_attr_put(writer->h5, group, "confidence", CRD_H5_FLOAT64, &facts.confidence, 1));
    CRD_TRY(add_groups(writer->h5, meta->reduction));
    CRD_TRY(crd_h5_strings_write(writer->h5, outputs_path,
                                 &crd_output_kind_names()[meta->reduction->outputs], 0));
    CRD_TRY(crd_h5_strings_write(writer->h5, fingerprint_path, &facts.fingerprint, 0));
cleanup:
    return status;
}

struct crd_part {
    crd_h5 *h5;
    crd_part_facts facts;
    crd_reduction reduction;
    crd_prediction_meta meta;
    crd_provenance provenance;
    char **fingerprint, **images, **outputs;
    int64_t n_fingerprints, n_outputs;
    int64_t *labels;
    float *targets;
    char *command, **keys, **values; /* [provenance.n_pairs] */
    crd_status status;               /* of the visit of attributes */
};

static void take_attribute(const char *key, const char *value, void *payload)
{
    /* What belongs to this file alone, or has a place of its own. */
    static const char *const not_shared[] = {"format",      "format_version", "created_at",
                                             "command",     "seed",           "name",
                                             "option_part", "option_output",  "slurm_job_id"};
    crd_part *p = payload;
    int n = p->provenance.n_pairs;
    if (strcmp(key, "complete") == 0)
        return;
    for (size_t i = 0; i < sizeof not_shared / sizeof *not_shared; i++)
        if (strcmp(key, not_shared[i]) == 0)
            return;
    crd_status status = p->status;
    CRD_TRY(status);
    CRD_TRY(crd_alloc_grow((void **)&p->keys, n, n + 1, sizeof *p->keys, "provenance"));
    CRD_TRY(crd_alloc_grow((void **)&p->values, n, n + 1, sizeof *p->values, "provenance"));
    CRD_TRY(crd_alloc_string(&p->keys[n], key));
    p->provenance.n_pairs = n + 1;
    CRD_TRY(crd_alloc_string(&p->values[n], value));
cleanup:
    p->status = status;
}

static crd_status read_provenance(crd_part *p)
{
    crd_status status = CRD_OK;
    CRD_TRY(crd_h5_attr_get(&p->provenance.seed, p->h5, "/", "seed", CRD_H5_UINT64, 1));
    CRD_TRY(crd_h5_attr_get_text(&p->command, p->h5, "/", "command"));
    CRD_TRY(crd_h5_visit_attributes(p->h5, "/", take_attribute, p));
    CRD_TRY(p->status);
    p->provenance.command = p->command;
    p->provenance.keys = (const char *const *)p->keys;
    p->provenance.values = (const char *const *)p->values;
cleanup:
    return status;
}

static crd_status read_facts(crd_part *p)
{
    crd_status status = CRD_OK;
    const char *keys[N_NUMBERS], *name = crd_h5_name(p->h5);
    int64_t *values[N_NUMBERS];
    place_numbers(keys, values, &p->facts);
    for (int i = 0; i < N_NUMBERS; i++)
        CRD_TRY(crd_h5_attr_get(values[i], p->h5, group, keys[i], CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&p->facts.confidence, p->h5, group, "confidence", CRD_H5_FLOAT64, 1));
    CRD_REQUIRE(p->facts.first_draw >= 0 && p->facts.first_draw < p->facts.end_draw &&
                    p->facts.end_draw <= p->facts.all_draws && p->facts.confidence > 0 &&
                    p->facts.confidence < 1,
                CRD_ERR_INPUT, "%s: %s: draws %" PRId64 " to %" PRId64 " of %" PRId64 " cannot be",
                name, group, p->facts.first_draw, p->facts.end_draw - 1, p->facts.all_draws);
    CRD_TRY(crd_reader_check(p->h5, fingerprint_path));
    CRD_TRY(crd_h5_strings_read(&p->fingerprint, &p->n_fingerprints, p->h5, fingerprint_path));
    CRD_REQUIRE(p->n_fingerprints == 1, CRD_ERR_INPUT, "%s: %s: not one text", name,
                fingerprint_path);
    p->facts.fingerprint = p->fingerprint[0];
cleanup:
    return status;
}

/* Where names are: the first place that is there. Whole paths came later than names without
 * them. */
static const char *const image_names[] = {"/constant_data/image_path",
                                          "/predictions_constant_data/image_path",
                                          "/predictive/image", NULL};

static crd_status read_names(char ***out, int64_t *n, crd_h5 *h5, const char *const *places)
{
    crd_status status = CRD_OK;
    int there;
    CRD_TRY(crd_h5_exists(&there, h5, *places));
    while (!there && places[1] != NULL)
        CRD_TRY(crd_h5_exists(&there, h5, *++places));
    CRD_TRY(crd_reader_check(h5, *places));
    CRD_TRY(crd_h5_strings_read(out, n, h5, *places));
cleanup:
    return status;
}

/* Kind of the outputs. Parts of before there were others than logits do not name it. */
static crd_status read_outputs(crd_output_kind *out, crd_part *p)
{
    crd_status status = CRD_OK;
    const char *const *kinds = crd_output_kind_names();
    int is_named, kind = CRD_OUTPUT_LOGITS;
    char **names = NULL;
    int64_t n = 0;
    CRD_TRY(crd_h5_exists(&is_named, p->h5, outputs_path));
    if (is_named) {
        CRD_TRY(crd_reader_check(p->h5, outputs_path));
        CRD_TRY(crd_h5_strings_read(&names, &n, p->h5, outputs_path));
        kind = n == 1 ? crd_names_find(kinds, names[0]) : -1;
        CRD_REQUIRE(kind >= 0, CRD_ERR_INPUT, "%s: %s: not a kind of outputs", crd_h5_name(p->h5),
                    outputs_path);
    }
    *out = (crd_output_kind)kind;
cleanup:
    crd_h5_strings_free(names, n);
    return status;
}

/* Only parts of the draws of a mixture, or of chains, name them. */
static crd_status read_groups(crd_reduction *r, crd_part *p)
{
    crd_status status = CRD_OK;
    int is_mixture, is_chains;
    int64_t n, n_draws;
    CRD_TRY(crd_h5_attr_exists(&is_mixture, p->h5, group, strata_key));
    CRD_TRY(crd_h5_attr_exists(&is_chains, p->h5, group, chains_key));
    if (!is_mixture && !is_chains)
        return CRD_OK;
    const char *key = is_chains ? chains_key : strata_key;
    CRD_TRY(crd_h5_attr_get(&n, p->h5, group, key, CRD_H5_INT64, 1));
    if (is_chains) {
        CRD_TRY(crd_h5_attr_get(&n_draws, p->h5, group, draws_key, CRD_H5_INT64, 1));
        status = crd_reduction_chain(r, n, n_draws);
    } else {
        status = crd_reduction_stratify(r, n);
    }
    CRD_REQUIRE(status == CRD_OK, CRD_ERR_INPUT, "%s: %s: %s: %s", crd_h5_name(p->h5), group, key,
                crd_status_message());
cleanup:
    return status;
}

/* The reducer, with the sizes that the coordinates of its axes have. */
static crd_status read_reduction(crd_part *p)
{
    crd_status status = CRD_OK;
    char path[CRD_H5_PATH_SIZE];
    crd_output_kind kind = CRD_OUTPUT_LOGITS;
    crd_shape details;
    int there;
    crd_reduction *r = &p->reduction;
    CRD_TRY(read_outputs(&kind, p));
    CRD_TRY(crd_reduction_init(r, kind, 2, 1)); /* for the names of its axes */
    CRD_TRY(crd_h5_join(path, "/predictive", crd_reduction_axis_name(r, CRD_AXIS_OUTPUT)));
    CRD_TRY(crd_reader_check(p->h5, path));
    CRD_TRY(crd_h5_strings_read(&p->outputs, &p->n_outputs, p->h5, path));
    CRD_TRY(crd_h5_join(path, "/predictive", crd_reduction_axis_name(r, CRD_AXIS_DETAIL)));
    CRD_TRY(crd_h5_exists(&there, p->h5, path));
    if (!there)
        CRD_TRY(crd_h5_join(path, "/predictive_top", crd_reduction_axis_name(r, CRD_AXIS_DETAIL)));
    CRD_TRY(crd_h5_dataset_info(NULL, &details, p->h5, path));
    CRD_REQUIRE(details.n_dims == 1 && p->n_outputs > 0, CRD_ERR_INPUT,
                "%s: /predictive has no rows", crd_h5_name(p->h5));
    CRD_TRY(crd_reduction_init(
        r, kind, kind == CRD_OUTPUT_NORMALS ? 2 * p->n_outputs : p->n_outputs, details.dims[0]));
    CRD_TRY(read_groups(r, p));
    r->is_paired = (int)p->facts.is_paired;
    r->error_probability = 1 - p->facts.confidence;
cleanup:
    return status;
}

/* What the images are in truth, where the part knows it. */
static crd_status read_observed(crd_part *p)
{
    crd_status status = CRD_OK;
    static const char label[] = "/observed_data/label", target[] = "/observed_data/target";
    int has_labels, has_targets = 0;
    crd_shape shape;
    CRD_TRY(crd_h5_exists(&has_labels, p->h5, label));
    if (!has_labels)
        CRD_TRY(crd_h5_exists(&has_targets, p->h5, target));
    if (has_labels) {
        shape = crd_shape_make(1, p->meta.n_images);
        CRD_ALLOC(&p->labels, p->meta.n_images, "labels");
        CRD_TRY(crd_reader_numbers(p->labels, p->h5, label, CRD_H5_INT64, &shape));
    } else if (has_targets) {
        shape = crd_shape_make(2, p->meta.n_images, p->n_outputs);
        CRD_ALLOC(&p->targets, p->meta.n_images * p->n_outputs, "targets");
        CRD_TRY(crd_reader_numbers(p->targets, p->h5, target, CRD_H5_FLOAT32, &shape));
    }
cleanup:
    return status;
}

static crd_status read_meta(crd_part *p)
{
    crd_status status = CRD_OK;
    CRD_TRY(read_names(&p->images, &p->meta.n_images, p->h5, image_names));
    CRD_REQUIRE(p->meta.n_images > 0, CRD_ERR_INPUT, "%s: /predictive has no rows",
                crd_h5_name(p->h5));
    CRD_TRY(read_reduction(p));
    CRD_TRY(read_observed(p));
    p->meta.reduction = &p->reduction;
    p->meta.n_draws = p->facts.end_draw - p->facts.first_draw;
    p->meta.image_names = (const char *const *)p->images;
    p->meta.output_names = (const char *const *)p->outputs;
    p->meta.labels = p->labels;
    p->meta.targets = p->targets;
    p->meta.part = &p->facts;
cleanup:
    return status;
}

/* All rows are checked before one of them is used. */
static crd_status check_rows(const crd_part *p)
{
    crd_status status = CRD_OK;
    char path[CRD_H5_PATH_SIZE];
    int n;
    const crd_field *fields = crd_reduction_fields(&p->reduction, &n);
    for (int i = 0; i < n; i++) {
        crd_shape shape, expected = crd_shape_make(1, p->meta.n_images);
        for (int k = 0; k < 2; k++)
            if (fields[i].axes[k] != CRD_AXIS_NONE)
                expected.dims[expected.n_dims++] = p->reduction.extents[fields[i].axes[k]];
        CRD_TRY(crd_field_path(path, p->h5, &fields[i]));
        CRD_TRY(crd_h5_dataset_info(NULL, &shape, p->h5, path));
        CRD_REQUIRE(crd_shape_equal(&shape, &expected), CRD_ERR_INPUT,
                    "%s: %s: its shape does not fit the other rows", crd_h5_name(p->h5), path);
        CRD_TRY(crd_reader_check(p->h5, path));
    }
cleanup:
    return status;
}

crd_status crd_part_open(crd_part **out, const char *path)
{
    crd_status status = CRD_OK;
    crd_part *p = NULL;
    crd_file_kind kind;
    int is_part = 0;
    int64_t is_complete = 0;
    *out = NULL;
    CRD_ALLOC(&p, 1, "part of a prediction");
    CRD_TRY(crd_reader_open(&p->h5, &kind, path));
    if (kind == CRD_FILE_PREDICTION)
        CRD_TRY(crd_h5_exists(&is_part, p->h5, group));
    CRD_REQUIRE(is_part, CRD_ERR_INPUT, "%s: is a %s, not one made with --part", path,
                crd_kind_name(kind));
    CRD_TRY(crd_h5_attr_get(&is_complete, p->h5, "/", "complete", CRD_H5_INT64, 1));
    CRD_REQUIRE(is_complete, CRD_ERR_INPUT,
                "%s: is a checkpoint: the part is not complete, run it again with --resume", path);
    CRD_TRY(read_facts(p));
    CRD_TRY(read_meta(p));
    CRD_TRY(check_rows(p));
    CRD_TRY(read_provenance(p));
    *out = p;
    return CRD_OK;
cleanup:
    crd_part_close(p);
    return status;
}

/* The reducer whose outputs the rows are of. */
static crd_status find_reducer(const crd_reducer **out, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    char path[CRD_H5_PATH_SIZE];
    *out = NULL;
    for (int k = 0, there; crd_reducers[k] != NULL && *out == NULL; k++) {
        CRD_TRY(crd_h5_join(path, "/predictive", crd_reducers[k]->axes[CRD_AXIS_OUTPUT]));
        CRD_TRY(crd_h5_exists(&there, h5, path));
        if (there)
            *out = crd_reducers[k];
    }
    CRD_REQUIRE(*out != NULL, CRD_ERR_INPUT, "%s: /predictive has no rows", crd_h5_name(h5));
cleanup:
    return status;
}

static crd_status check_field(crd_h5 *h5, const crd_field *field, int64_t n_images)
{
    crd_status status = CRD_OK;
    crd_h5_facts facts;
    char path[CRD_H5_PATH_SIZE];
    int n_dims = 1 + (field->axes[0] != CRD_AXIS_NONE) + (field->axes[1] != CRD_AXIS_NONE);
    CRD_TRY(crd_field_path(path, h5, field));
    CRD_TRY(crd_h5_dataset_facts(&facts, h5, path));
    CRD_REQUIRE(facts.type == crd_field_h5_type(field), CRD_ERR_INPUT,
                "%s: %s: type %s; it must be %s", crd_h5_name(h5), path, facts.type_name,
                crd_h5_type_name(crd_field_h5_type(field)));
    CRD_REQUIRE(facts.shape.n_dims == n_dims && facts.shape.dims[0] == n_images, CRD_ERR_INPUT,
                "%s: %s: its shape does not fit the images", crd_h5_name(h5), path);
cleanup:
    return status;
}

static crd_status field_exists(int *out, crd_h5 *h5, const crd_field *field)
{
    char path[CRD_H5_PATH_SIZE];
    crd_status status = crd_field_path(path, h5, field);
    return status != CRD_OK ? status : crd_h5_exists(out, h5, path);
}

crd_status crd_prediction_check(int *is_part, const char *path)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = NULL;
    crd_file_kind kind;
    crd_h5_facts image;
    const crd_reducer *reducer;
    CRD_TRY(crd_reader_open(&h5, &kind, path));
    CRD_TRY(crd_h5_exists(is_part, h5, group));
    CRD_TRY(crd_h5_dataset_facts(&image, h5, "/predictive/image"));
    CRD_TRY(find_reducer(&reducer, h5));
    for (int i = 0; i < reducer->n_fields; i++) {
        const crd_field *field = &reducer->fields[i];
        int is_needed =
            *is_part || (field->axes[0] != CRD_AXIS_SUM && field->axes[0] != CRD_AXIS_MAXIMUM);
        if (i >= reducer->n_fields - reducer->n_strata_fields) /* there of a mixture only */
            CRD_TRY(field_exists(&is_needed, h5, field));
        if (is_needed)
            CRD_TRY(check_field(h5, field, image.shape.dims[0]));
    }
cleanup:
    crd_h5_discard(h5);
    return status;
}

const crd_prediction_meta *crd_part_meta(const crd_part *part)
{
    return &part->meta;
}

const crd_provenance *crd_part_provenance(const crd_part *part)
{
    return &part->provenance;
}

crd_status crd_part_match(const crd_part *part, const crd_part *first)
{
    crd_status status = CRD_OK;
    const char *name = crd_h5_name(part->h5), *other = crd_h5_name(first->h5);
    const crd_prediction_meta *a = &part->meta, *b = &first->meta;
    if (crd_fingerprint_check(name, part->facts.fingerprint, first->facts.fingerprint, "this part",
                              other) != CRD_OK)
        return crd_status_set(CRD_ERR_INPUT, "%s", crd_status_message());
    const int64_t *x = a->reduction->extents, *y = b->reduction->extents;
    CRD_REQUIRE(a->n_images == b->n_images && a->reduction->outputs == b->reduction->outputs &&
                    memcmp(x, y, sizeof a->reduction->extents) == 0,
                CRD_ERR_INPUT,
                "%s: %" PRId64 " images, %" PRId64 " outputs; %s has %" PRId64 ", %" PRId64, name,
                a->n_images, x[CRD_AXIS_OUTPUT], other, b->n_images, y[CRD_AXIS_OUTPUT]);
    for (int64_t i = 0; i < a->n_images; i++)
        CRD_REQUIRE(strcmp(a->image_names[i], b->image_names[i]) == 0, CRD_ERR_INPUT,
                    "%s: image %" PRId64 " is %s, in %s it is %s", name, i, a->image_names[i],
                    other, b->image_names[i]);
cleanup:
    return status;
}

crd_status crd_part_read(crd_summary *rows, const crd_part *part, int64_t first)
{
    return crd_prediction_read_rows(rows, part->h5, first);
}

void crd_part_close(crd_part *p)
{
    if (p == NULL)
        return;
    for (int i = 0; i < p->provenance.n_pairs; i++) {
        crd_free(p->keys[i]);
        crd_free(p->values[i]);
    }
    crd_free(p->keys);
    crd_free(p->values);
    crd_free(p->command);
    crd_free(p->labels);
    crd_free(p->targets);
    crd_h5_strings_free(p->outputs, p->n_outputs);
    crd_h5_strings_free(p->images, p->meta.n_images);
    crd_h5_strings_free(p->fingerprint, p->n_fingerprints);
    crd_h5_discard(p->h5);
    crd_free(p);
}
