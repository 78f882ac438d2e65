/* A training run's checkpoint: a posterior (posterior_file.c), the optimizer's moments, counters,
 * history and the fingerprint of the run. Written through checkpoint_rotation.c, so one good
 * checkpoint is always there. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "bayes/collection.h"
#include "io/checkpoint_rotation.h"
#include "io/history.h"
#include "io/posterior_file.h"

static const char progress[] = "/progress", fingerprint_path[] = "/progress/fingerprint";
static const char kept_group[] = "/optimizer/kept";
static const char collection_group[] = "/collection";
enum { MAX_STATES = 2, N_BLOCKS = 2 };
/* The halves of a moment vector: each as long as the parameter table. */
static const char *const blocks[N_BLOCKS] = {"mu", "rho"};

typedef crd_status moments_visit(const char *path, crd_h5 *h5, const crd_shape *shape,
                                 float *values);

static crd_status create_moments(const char *path, crd_h5 *h5, const crd_shape *shape,
                                 float *values)
{
    (void)values;
    return crd_h5_dataset_create(h5, path, CRD_H5_FLOAT32, shape);
}

static crd_status write_moments(const char *path, crd_h5 *h5, const crd_shape *shape, float *values)
{
    (void)shape;
    return crd_h5_write(h5, path, CRD_H5_FLOAT32, values, NULL, NULL);
}

static crd_status read_moments(const char *path, crd_h5 *h5, const crd_shape *shape, float *values)
{
    return crd_reader_numbers(values, h5, path, CRD_H5_FLOAT32, shape);
}

/* One vector as long as two parameter tables, in the group `name`. */
static crd_status visit_vector(const char *name, float *values, int64_t n_floats, crd_h5 *h5,
                               moments_visit *visit)
{
    crd_status status = CRD_OK;
    crd_shape shape = crd_shape_make(1, n_floats);
    char path[CRD_H5_PATH_SIZE];
    for (int b = 0; b < N_BLOCKS; b++) {
        snprintf(path, sizeof path, "%s/%s", name, blocks[b]);
        CRD_TRY(visit(path, h5, &shape, values + b * n_floats));
    }
cleanup:
    return status;
}

/* Visits every dataset of moments: the one place that says where they lie. */
static crd_status visit_moments(const crd_train_state *state, crd_h5 *h5, moments_visit *visit)
{
    crd_status status = CRD_OK;
    int64_t n_floats = state->posterior->network->params.n_floats;
    char name[32];
    for (int k = 0; k < state->n_states; k++) {
        snprintf(name, sizeof name, "/optimizer/%d", k);
        CRD_TRY(visit_vector(name, state->states[k], n_floats, h5, visit));
    }
    if (state->kept != NULL)
        CRD_TRY(visit_vector(kept_group, state->kept, n_floats, h5, visit));
cleanup:
    return status;
}

/* A dataset of what was collected. */
typedef struct collected {
    const char *path;
    crd_h5_type type;
    void *values;
    crd_shape shape;
} collected;

enum { MAX_COLLECTED = 3 };

/* The datasets of a collection: the one place that says where they lie. Returns their number. */
static int list_collected(collected out[MAX_COLLECTED], const crd_collection *c)
{
    int n = 0;
    const crd_shape one = crd_shape_make(1, c->n_floats);
    int64_t n_rows = crd_collection_n_rows(c);
    if (c->kind == CRD_COLLECT_SWAG) {
        out[n++] = (collected){"/collection/mean", CRD_H5_FLOAT64, c->mean, one};
        out[n++] = (collected){"/collection/squares", CRD_H5_FLOAT64, c->squares, one};
    } else if (n_rows > 0) {
        out[n++] =
            (collected){"/collection/steps", CRD_H5_INT64, c->steps, crd_shape_make(1, n_rows)};
    }
    if (n_rows > 0)
        out[n++] = (collected){"/collection/rows", CRD_H5_FLOAT32, c->rows,
                               crd_shape_make(2, n_rows, c->n_floats)};
    return n;
}

static crd_status create_collection(crd_h5 *h5, const crd_collection *c)
{
    crd_status status = CRD_OK;
    collected list[MAX_COLLECTED];
    if (c == NULL)
        return CRD_OK;
    const int64_t kind = c->kind;
    CRD_TRY(crd_h5_group_create(h5, collection_group));
    CRD_TRY(crd_h5_attr_put(h5, collection_group, "kind", CRD_H5_INT64, &kind, 1));
    CRD_TRY(crd_h5_attr_put(h5, collection_group, "rank", CRD_H5_INT64, &c->rank, 1));
    CRD_TRY(crd_h5_attr_put(h5, collection_group, "n", CRD_H5_INT64, &c->n, 1));
    int n = list_collected(list, c);
    for (int i = 0; i < n; i++)
        CRD_TRY(crd_h5_dataset_create(h5, list[i].path, list[i].type, &list[i].shape));
cleanup:
    return status;
}

static crd_status write_collection(crd_h5 *h5, const crd_collection *c)
{
    crd_status status = CRD_OK;
    collected list[MAX_COLLECTED];
    int n = c == NULL ? 0 : list_collected(list, c);
    for (int i = 0; i < n; i++)
        CRD_TRY(crd_h5_write(h5, list[i].path, list[i].type, list[i].values, NULL, NULL));
cleanup:
    return status;
}

static crd_status read_collection(crd_train_state *state, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    int there;
    int64_t kind, n, n_floats = state->posterior->network->params.n_floats;
    crd_collect_options options = {0};
    crd_h5_type type;
    crd_shape shape;
    collected list[MAX_COLLECTED];
    CRD_TRY(crd_h5_exists(&there, h5, collection_group));
    if (!there)
        return CRD_OK;
    CRD_TRY(crd_h5_attr_get(&kind, h5, collection_group, "kind", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&options.rank, h5, collection_group, "rank", CRD_H5_INT64, 1));
    CRD_TRY(crd_h5_attr_get(&n, h5, collection_group, "n", CRD_H5_INT64, 1));
    CRD_REQUIRE((kind == CRD_COLLECT_SWAG || kind == CRD_COLLECT_MEMBERS) && n >= 0 &&
                    (options.rank == 0 || (options.rank >= 2 && options.rank <= CRD_MAX_RANK)),
                CRD_ERR_INPUT,
                "%s: %s: kind %" PRId64 ", n %" PRId64 ", rank %" PRId64
                " are not what a run has collected",
                crd_h5_name(h5), collection_group, kind, n, options.rank);
    options.kind = (crd_collect_kind)kind;
    if (n > 0 && options.kind == CRD_COLLECT_MEMBERS) { /* no number makes room that is not there */
        CRD_TRY(crd_h5_dataset_info(&type, &shape, h5, "/collection/rows"));
        CRD_REQUIRE(shape.n_dims == 2 && shape.dims[0] == n && shape.dims[1] == n_floats,
                    CRD_ERR_INPUT, "%s: %s: n is %" PRId64 ", which /collection/rows has not",
                    crd_h5_name(h5), collection_group, n);
    }
    CRD_TRY(crd_train_state_collect(state, &options));
    if (options.kind == CRD_COLLECT_MEMBERS)
        CRD_TRY(crd_collection_reserve(state->collection, n));
    state->collection->n = n;
    int n_datasets = list_collected(list, state->collection);
    for (int i = 0; i < n_datasets; i++)
        CRD_TRY(crd_reader_numbers(list[i].values, h5, list[i].path, list[i].type, &list[i].shape));
cleanup:
    return status;
}

static crd_status create_optimizer(crd_h5 *h5, const crd_train_state *state)
{
    crd_status status = CRD_OK;
    char path[CRD_H5_PATH_SIZE];
    int64_t n_states = state->n_states;
    CRD_TRY(crd_h5_group_create(h5, "/optimizer"));
    CRD_TRY(crd_h5_attr_put(h5, "/optimizer", "n_states", CRD_H5_INT64, &n_states, 1));
    for (int k = 0; k < state->n_states; k++) {
        snprintf(path, sizeof path, "/optimizer/%d", k);
        CRD_TRY(crd_h5_group_create(h5, path));
    }
    if (state->kept != NULL)
        CRD_TRY(crd_h5_group_create(h5, kept_group));
    CRD_TRY(visit_moments(state, h5, create_moments));
cleanup:
    return status;
}

/* The counts of the state in the file: one table for writing and reading. */
#define N_COUNTS 4
typedef struct count_place {
    const char *key;
    int64_t *value;
} count_place;

static void place_counts(count_place out[N_COUNTS], crd_train_state *state)
{
    out[0] = (count_place){"step", &state->step};
    out[1] = (count_place){"epoch", &state->epoch};
    out[2] = (count_place){"batch", &state->batch};
    out[3] = (count_place){"history_capacity", &state->history_capacity};
}

static crd_status create_progress(crd_h5 *h5, const crd_train_state *given, const char *fingerprint)
{
    crd_status status = CRD_OK;
    crd_train_state state = *given;
    count_place counts[N_COUNTS];
    place_counts(counts, &state);
    CRD_TRY(crd_h5_group_create(h5, progress));
    for (int i = 0; i < N_COUNTS; i++)
        CRD_TRY(crd_h5_attr_put(h5, progress, counts[i].key, CRD_H5_INT64, counts[i].value, 1));
    CRD_TRY(crd_h5_attr_put(h5, progress, "sums", CRD_H5_FLOAT64, state.sums, 4));
    CRD_TRY(crd_h5_attr_put(h5, progress, "best", CRD_H5_FLOAT64, &state.best, 1));
    CRD_TRY(crd_h5_strings_write(h5, fingerprint_path, &fingerprint, 0));
cleanup:
    return status;
}

crd_status crd_checkpoint_measure(int64_t *bytes, const crd_train_state *state)
{
    crd_status status = CRD_OK;
    int64_t n_floats = state->posterior->network->params.n_floats;
    CRD_TRY(crd_posterior_part_measure(bytes, state->posterior));
    *bytes +=
        (state->n_states + (state->kept != NULL)) * N_BLOCKS * n_floats * (int64_t)sizeof(float);
    *bytes += crd_history_bytes(state->epoch);
    collected list[MAX_COLLECTED];
    int n = state->collection == NULL ? 0 : list_collected(list, state->collection);
    for (int i = 0; i < n; i++)
        *bytes += crd_shape_count(&list[i].shape) *
                  (int64_t)(list[i].type == CRD_H5_FLOAT32 ? sizeof(float) : sizeof(double));
cleanup:
    return status;
}

crd_status crd_checkpoint_remove_old(const char *path)
{
    return crd_rotation_remove_previous(path);
}

crd_status crd_checkpoint_write(const char *path, const crd_train_state *state,
                                const char *fingerprint, const crd_provenance *provenance)
{
    crd_status status = CRD_OK;
    crd_writer writer = {.h5 = NULL};
    int64_t bytes;
    CRD_TRY(crd_checkpoint_measure(&bytes, state));
    CRD_TRY(crd_writer_begin(&writer, path, CRD_FILE_CHECKPOINT, bytes, provenance));
    CRD_TRY(crd_posterior_part_create(writer.h5, state->posterior));
    CRD_TRY(create_optimizer(writer.h5, state));
    CRD_TRY(create_collection(writer.h5, state->collection));
    CRD_TRY(create_progress(writer.h5, state, fingerprint));
    CRD_TRY(crd_history_create(&writer, state->history, state->epoch, true));
    CRD_TRY(crd_writer_end_metadata(&writer));
    CRD_TRY(crd_posterior_part_write(writer.h5, state->posterior));
    CRD_TRY(visit_moments(state, writer.h5, write_moments));
    CRD_TRY(write_collection(writer.h5, state->collection));
    CRD_TRY(crd_history_write(&writer, state->history, state->epoch, true));
    CRD_TRY(crd_rotation_publish(&writer));
cleanup:
    crd_writer_abandon(&writer);
    return status;
}

static crd_status read_state(crd_train_state *state, crd_posterior *posterior, crd_h5 *h5)
{
    crd_status status = CRD_OK;
    const char *file = crd_h5_name(h5);
    crd_train_state found = {0};
    int64_t n_states;
    int has_kept;
    count_place counts[N_COUNTS];
    place_counts(counts, &found);
    for (int i = 0; i < N_COUNTS; i++) {
        CRD_TRY(crd_h5_attr_get(counts[i].value, h5, progress, counts[i].key, CRD_H5_INT64, 1));
        CRD_REQUIRE(*counts[i].value >= 0, CRD_ERR_INPUT,
                    "%s: %s: %s is %" PRId64 "; it must not be negative", file, progress,
                    counts[i].key, *counts[i].value);
    }
    CRD_REQUIRE(found.epoch <= found.history_capacity, CRD_ERR_INPUT,
                "%s: %s: epoch is %" PRId64 ", but history_capacity %" PRId64, file, progress,
                found.epoch, found.history_capacity);
    CRD_TRY(crd_h5_attr_get(&n_states, h5, "/optimizer", "n_states", CRD_H5_INT64, 1));
    CRD_REQUIRE(n_states >= 0 && n_states <= MAX_STATES, CRD_ERR_INPUT,
                "%s: /optimizer: n_states is %" PRId64 "; it must be 0 to %d", file, n_states,
                MAX_STATES);
    CRD_TRY(crd_train_state_init(state, posterior, (int)n_states, found.history_capacity));
    CRD_TRY(crd_h5_exists(&has_kept, h5, kept_group));
    if (has_kept)
        CRD_TRY(crd_train_state_keep_gradients(state));
    state->step = found.step;
    state->epoch = found.epoch;
    state->batch = found.batch;
    CRD_TRY(crd_h5_attr_get(state->sums, h5, progress, "sums", CRD_H5_FLOAT64, 4));
    CRD_TRY(crd_h5_attr_get(&state->best, h5, progress, "best", CRD_H5_FLOAT64, 1));
    CRD_TRY(visit_moments(state, h5, read_moments));
    CRD_TRY(read_collection(state, h5));
    CRD_TRY(crd_history_read(state->history, state->epoch, h5));
cleanup:
    return status;
}

static crd_status read_file(crd_posterior **posterior, crd_train_state *state, const char *path,
                            const char *fingerprint)
{
    crd_status status = CRD_OK;
    crd_h5 *h5 = NULL;
    crd_file_kind kind;
    *posterior = NULL;
    *state = (crd_train_state){0};
    CRD_TRY(crd_reader_open(&h5, &kind, path));
    CRD_REQUIRE(kind == CRD_FILE_CHECKPOINT, CRD_ERR_INPUT, "%s: is a %s, not a checkpoint", path,
                crd_kind_name(kind));
    if (fingerprint != NULL)
        CRD_TRY(crd_rotation_check_fingerprint(h5, fingerprint_path, fingerprint));
    CRD_TRY(crd_posterior_part_read(posterior, h5, kind));
    CRD_TRY(read_state(state, *posterior, h5));
cleanup:
    crd_h5_discard(h5);
    if (status != CRD_OK) {
        crd_train_state_clear(state);
        crd_posterior_destroy(*posterior);
        *posterior = NULL;
    }
    return status;
}

/* What is read, and into what. */
typedef struct reading {
    crd_posterior **posterior;
    crd_train_state *state;
    const char *fingerprint;
} reading;

static crd_status read_generation(const char *path, void *payload)
{
    const reading *r = payload;
    return read_file(r->posterior, r->state, path, r->fingerprint);
}

crd_status crd_checkpoint_read(crd_posterior **posterior, crd_train_state *state, const char *path,
                               const char *fingerprint)
{
    reading r = {posterior, state, fingerprint};
    int found;
    *posterior = NULL;
    *state = (crd_train_state){0};
    return crd_rotation_read(&found, path, read_generation, &r);
}
