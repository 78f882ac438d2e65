/* A prediction's checkpoint: a prediction file of the draws done so far, with the state of the run
 * beside it. Resuming takes over the rows that are done. */
#include "io/prediction_checkpoint.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "io/checkpoint_rotation.h"
#include "io/prediction_private.h"

static const char group[] = "/checkpoint", fingerprint_path[] = "/checkpoint/fingerprint";

/* Rows that are copied at a time. */
enum { CHUNK = 256 };

/* The numbers of a state, one attribute each: one table for writing and reading. */
#define N_NUMBERS 7
typedef struct number_place {
    const char *key;
    int64_t *value;
} number_place;

static void place_numbers(number_place out[N_NUMBERS], crd_predict_state *state)
{
    out[0] = (number_place){"first_image", &state->first_image};
    out[1] = (number_place){"n_images", &state->n_images};
    out[2] = (number_place){"first_block", &state->first_block};
    out[3] = (number_place){"n_blocks", &state->n_blocks};
    out[4] = (number_place){"n_units", &state->n_units};
    out[5] = (number_place){"n_units_done", &state->n_units_done};
    out[6] = (number_place){"n_units_all", &state->n_units_all};
}

/* The arrays of a state. */
#define N_ARRAYS 3
typedef struct array_place {
    const char *name;
    crd_h5_type type;
    int64_t rows, columns; /* columns 0: there is one dimension */
    void **data;
    const char *long_name;
} array_place;

static void place_arrays(array_place out[N_ARRAYS], crd_predict_state *state,
                         const crd_reduction *reduction)
{
    out[0] = (array_place){"done",
                           CRD_H5_UINT64,
                           (state->n_units + 63) / 64,
                           0,
                           (void **)&state->done,
                           "units of the round that are done: unit i is bit i % 64 of word i / 64"};
    out[1] = (array_place){"sums",
                           CRD_H5_INT64,
                           state->n_images,
                           crd_reduction_n_sums(reduction),
                           (void **)&state->sums,
                           "sums over the draws done, in fixed point"};
    out[2] = (array_place){"maxima",
                           CRD_H5_INT64,
                           state->n_images,
                           crd_reduction_n_maxima(reduction),
                           (void **)&state->maxima,
                           "largest and smallest of the draws, as integers"};
}

static crd_status add_state(crd_prediction_file *file, crd_predict_state *state,
                            const char *fingerprint)
{
    crd_status status = CRD_OK;
    number_place numbers[N_NUMBERS];
    array_place arrays[N_ARRAYS];
    place_numbers(numbers, state);
    place_arrays(arrays, state, file->meta.reduction);
    const crd_axis word = {.name = "word", .extent = arrays[0].rows},
                   image = {.name = "window_image", .extent = state->n_images},
                   sum = {.name = "sum", .extent = arrays[1].columns},
                   maximum = {.name = "maximum", .extent = arrays[2].columns};
    const crd_axis *const all[] = {&word, &image, &sum, &maximum};
    const crd_axis *const own[N_ARRAYS][2] = {{&word, NULL}, {&image, &sum}, {&image, &maximum}};
    CRD_TRY(crd_labelled_group(&file->writer, group, all, 4));
    for (int i = 0; i < N_NUMBERS; i++)
        CRD_TRY(crd_h5_attr_put(file->writer.h5, group, numbers[i].key, CRD_H5_INT64,
                                numbers[i].value, 1));
    for (int i = 0; i < N_ARRAYS; i++)
        CRD_TRY(crd_labelled_array(&file->writer, group, arrays[i].name, arrays[i].type, own[i],
                                   arrays[i].columns == 0 ? 1 : 2, "1", arrays[i].long_name));
    CRD_TRY(crd_h5_strings_write(file->writer.h5, fingerprint_path, &fingerprint, 0));
cleanup:
    return status;
}

/* Rows of finished images come from the file in the making; of images not begun there are none. */
static crd_status copy_rows(crd_prediction_file *to, crd_prediction_file *from,
                            const crd_predict_state *state)
{
    crd_status status = CRD_OK;
    crd_summary chunk = {0};
    int64_t n_images = to->meta.n_images, done = state->first_image;
    CRD_TRY(crd_summary_init(&chunk, to->meta.reduction, CHUNK));
    if (to->meta.part != NULL)
        CRD_TRY(crd_summary_keep_sums(&chunk));
    for (int64_t first = 0; first < done; first += chunk.n_images) {
        chunk.n_images = done - first < CHUNK ? done - first : CHUNK;
        CRD_TRY(crd_prediction_read_rows(&chunk, from->writer.h5, first));
        CRD_TRY(crd_prediction_write_summary(to, &chunk, first));
    }
    CRD_TRY(crd_prediction_write_summary(to, state->summary, done));
    for (int64_t i = 0; i < CHUNK; i++)
        crd_summary_mark_undrawn(&chunk, i);
    for (int64_t first = done + state->n_images; first < n_images; first += chunk.n_images) {
        chunk.n_images = n_images - first < CHUNK ? n_images - first : CHUNK;
        CRD_TRY(crd_prediction_write_summary(to, &chunk, first));
    }
cleanup:
    crd_summary_clear(&chunk);
    return status;
}

crd_status crd_prediction_write_checkpoint(crd_prediction_file *file, const char *path,
                                           const crd_predict_state *given, const char *fingerprint,
                                           const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    crd_prediction_file *kept = NULL;
    crd_prediction_meta meta = file->meta;
    crd_predict_state state = *given;
    array_place arrays[N_ARRAYS];
    int64_t bytes = 0;
    meta.save_draws = 0; /* they have a file of their own */
    place_arrays(arrays, &state, meta.reduction);
    for (int i = 0; i < N_ARRAYS; i++)
        bytes += arrays[i].rows * (arrays[i].columns == 0 ? 1 : arrays[i].columns) * 8;
    CRD_TRY(crd_prediction_begin(&kept, path, &meta, provenance, bytes, 0));
    CRD_TRY(add_state(kept, &state, fingerprint));
    CRD_TRY(crd_writer_end_metadata(&kept->writer));
    CRD_TRY(copy_rows(kept, file, &state));
    for (int i = 0; i < N_ARRAYS; i++)
        CRD_TRY(crd_labelled_write(&kept->writer, group, arrays[i].name, arrays[i].type,
                                   *arrays[i].data, NULL, NULL));
    CRD_TRY(crd_rotation_publish(&kept->writer));
cleanup:
    crd_prediction_abandon(kept);
    return status;
}

/* What is read, and into what. */
typedef struct reading {
    crd_predict_state *state;
    const crd_prediction_meta *meta;
    const char *fingerprint;
    crd_prediction_rows *rows;
    void *payload;
} reading;

static crd_status read_state(crd_predict_state *state, crd_h5 *h5, const reading *r)
{
    crd_status status = CRD_OK;
    number_place numbers[N_NUMBERS];
    array_place arrays[N_ARRAYS];
    char path[CRD_H5_PATH_SIZE];
    place_numbers(numbers, state);
    for (int i = 0; i < N_NUMBERS; i++) {
        CRD_TRY(crd_h5_attr_get(numbers[i].value, h5, group, numbers[i].key, CRD_H5_INT64, 1));
        CRD_REQUIRE(*numbers[i].value >= 0, CRD_ERR_INPUT, "%s: %s: %s is %" PRId64,
                    crd_h5_name(h5), group, numbers[i].key, *numbers[i].value);
    }
    CRD_REQUIRE(state->n_images > 0 && state->n_units > 0 &&
                    state->first_image <= r->meta->n_images - state->n_images,
                CRD_ERR_INPUT,
                "%s: %s: images %" PRId64 " to %" PRId64 " and %" PRId64 " units cannot be",
                crd_h5_name(h5), group, state->first_image, state->first_image + state->n_images,
                state->n_units);
    place_arrays(arrays, state, r->meta->reduction);
    for (int i = 0; i < N_ARRAYS; i++) {
        crd_shape shape = arrays[i].columns == 0
                              ? crd_shape_make(1, arrays[i].rows)
                              : crd_shape_make(2, arrays[i].rows, arrays[i].columns);
        CRD_TRY(crd_alloc_zeroed(arrays[i].data, crd_shape_count(&shape), 8, arrays[i].name));
        CRD_TRY(crd_h5_join(path, group, arrays[i].name));
        CRD_TRY(crd_reader_numbers(*arrays[i].data, h5, path, arrays[i].type, &shape));
    }
cleanup:
    return status;
}

/* Hands the rows of finished images on, after all of them have been checked. */
static crd_status replay_rows(crd_h5 *h5, const reading *r)
{
    crd_status status = CRD_OK;
    crd_summary chunk = {0};
    int n;
    const crd_field *fields = crd_reduction_fields(r->meta->reduction, &n);
    char path[CRD_H5_PATH_SIZE];
    int64_t done = r->state->first_image;
    for (int i = 0; i < n; i++) {
        int is_of_part = fields[i].axes[0] == CRD_AXIS_SUM || fields[i].axes[0] == CRD_AXIS_MAXIMUM;
        if (is_of_part && r->meta->part == NULL)
            continue;
        CRD_TRY(crd_field_path(path, h5, &fields[i]));
        CRD_TRY(crd_reader_check(h5, path));
    }
    CRD_TRY(crd_summary_init(&chunk, r->meta->reduction, CHUNK));
    if (r->meta->part != NULL)
        CRD_TRY(crd_summary_keep_sums(&chunk));
    for (int64_t first = 0; first < done; first += chunk.n_images) {
        chunk.n_images = done - first < CHUNK ? done - first : CHUNK;
        CRD_TRY(crd_prediction_read_rows(&chunk, h5, first));
        CRD_TRY(r->rows(&chunk, first, r->payload));
    }
cleanup:
    crd_summary_clear(&chunk);
    return status;
}

static crd_status read_generation(const char *path, void *payload)
{
    crd_status status = CRD_OK;
    const reading *r = payload;
    crd_h5 *h5 = NULL;
    crd_file_kind kind;
    int there = 0;
    CRD_TRY(crd_reader_open(&h5, &kind, path));
    if (kind == CRD_FILE_PREDICTION)
        CRD_TRY(crd_h5_exists(&there, h5, group));
    CRD_REQUIRE(there, CRD_ERR_INPUT, "%s: is a %s, not the checkpoint of a prediction", path,
                crd_kind_name(kind));
    CRD_TRY(crd_rotation_check_fingerprint(h5, fingerprint_path, r->fingerprint));
    CRD_TRY(read_state(r->state, h5, r));
    if (r->rows != NULL)
        CRD_TRY(replay_rows(h5, r));
cleanup:
    crd_h5_discard(h5);
    if (status != CRD_OK)
        crd_predict_state_clear(r->state);
    return status;
}

crd_status crd_prediction_resume(crd_predict_state *state, const char *path,
                                 const crd_prediction_meta *meta, const char *fingerprint,
                                 crd_prediction_rows *rows, void *payload)
{
    reading r = {state, meta, fingerprint, rows, payload};
    int found;
    *state = (crd_predict_state){0};
    return crd_rotation_read(&found, path, read_generation, &r);
}

crd_status crd_prediction_forget(const char *path)
{
    return crd_rotation_remove(path);
}
