/* Writes into the folder argv[1]: posterior.h5, labelled.h5 (prediction with labels and draws),
 * plain.h5 (prediction without), tensors.h5, checkpoint.h5. Values are simple functions of their indices, which
 * read_files.py repeats. With `check FILE` it says instead whether Credence takes the file: exit
 * code, message on stderr. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "credence/files.h"
#include "credence/zoo.h"

enum { N_IMAGES = 4, N_CLASSES = 10, N_DRAWS = 6, N_TOP = 3, SKIPPED = 2, N_EPOCHS = 3 };

static const char *const keys[] = {"credence_version", "options"};
static const char *const values[] = {"0.1.0", ""};
static const crd_provenance provenance = {
    .command = "credence predict posterior.h5 'Z\xc3\xbcrich \xff.jpg'",
    .seed = UINT64_C(18446744073709551615),
    .keys = keys,
    .values = values,
    .n_pairs = 2,
};
/* Repeated, UTF-8, a byte that is not, empty: what folders of photographs hold. */
static const char *const image_names[] = {"a/dog.jpg", "a/dog.jpg", "Z\xc3\xbcrich \xff.jpg", ""};
static const char *const class_names[] = {
    "tench",  "goldfish", "great white shark", "caf\xc3\xa9", "a_b", "tench", "", "h",
    "i'j\"k", "l"};

static crd_status make_posterior(crd_posterior **out)
{
    crd_status status = CRD_OK;
    crd_network *network;
    crd_posterior *posterior = NULL;
    *out = NULL;
    CRD_TRY(crd_zoo_build(&network, "cifar_resnet20", 3, 32, N_CLASSES));
    CRD_TRY(crd_posterior_create(&posterior, network));
    posterior->preprocessing = crd_preprocessing_imagenet();
    posterior->preprocessing.resize = posterior->preprocessing.crop = 32;
    for (int64_t p = 0; p < network->params.n_params; p++) {
        const crd_param *param = &network->params.entries[p];
        const char *leaf = strrchr(param->name, '.');
        posterior->bayesian[p] = strncmp(param->name, "layer3", 6) == 0 &&
                                 strstr(param->name, "conv") != NULL &&
                                 strcmp(leaf, ".weight") == 0;
        for (int64_t i = 0; i < param->count; i++) {
            posterior->mu[param->offset + i] = (float)(p + 1) + (float)i / 1024;
            posterior->rho[param->offset + i] = posterior->bayesian[p] ? -(float)i / 1024 : 0;
        }
    }
    *out = posterior;
cleanup:
    return status;
}

static crd_status write_posterior(const char *path)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior;
    CRD_TRY(make_posterior(&posterior));
    CRD_TRY(crd_posterior_write(path, posterior, &provenance));
cleanup:
    crd_posterior_destroy(posterior);
    return status;
}

/* Figure f of epoch e is 10 f + e, without validation; moment i is i / 8. */
static crd_status write_checkpoint(const char *path)
{
    crd_status status = CRD_OK;
    crd_posterior *posterior;
    crd_train_state state = {0};
    CRD_TRY(make_posterior(&posterior));
    CRD_TRY(crd_train_state_init(&state, posterior, 2, N_EPOCHS));
    for (int64_t i = 0; i < 2 * posterior->network->params.n_floats; i++)
        state.states[1][i] = (float)i / 8;
    state.step = 77;
    state.epoch = N_EPOCHS;
    for (int e = 0; e < N_EPOCHS; e++)
        state.history[e] = (crd_epoch){e + 1,
                                       10 + e,
                                       20 + e,
                                       30 + e,
                                       40 + e,
                                       50 + e,
                                       60 + e,
                                       70 + e,
                                       80 + e,
                                       90 + e,
                                       {NAN, NAN, NAN, NAN},
                                       NAN};
    CRD_TRY(crd_checkpoint_write(path, &state, "--lr=0.01\n--epochs=3\n", &provenance));
cleanup:
    crd_train_state_clear(&state);
    crd_posterior_destroy(posterior);
    return status;
}

/* Element i of field f of image n is 100 f + 10 n + i; skipped rows hold what skipped rows hold. */
static crd_status write_summary(crd_prediction_file *file, const crd_reduction *reduction)
{
    crd_status status = CRD_OK;
    crd_summary summary = {0};
    int n_fields;
    const crd_field *fields = crd_reduction_fields(reduction, &n_fields);
    for (int64_t n = N_IMAGES - 1; n >= 0; n--) { /* any order of batches */
        CRD_TRY(crd_summary_init(&summary, reduction, 1));
        for (int f = 0; f < n_fields; f++) {
            void *row = summary.columns[f];
            int64_t columns = crd_summary_width(&summary, &fields[f]);
            for (int i = 0; i < (int)columns; i++) {
                int value = 100 * f + 10 * (int)n + i;
                if (fields[f].type == CRD_FLOAT32)
                    ((float *)row)[i] = (float)value;
                else if (fields[f].type == CRD_FLOAT64)
                    ((double *)row)[i] = value;
                else if (fields[f].type == CRD_INT64)
                    ((int64_t *)row)[i] = value;
            }
        }
        if (n == SKIPPED)
            crd_summary_mark_skipped(&summary, 0);
        CRD_TRY(crd_prediction_write_summary(file, &summary, n));
        crd_summary_clear(&summary);
    }
cleanup:
    crd_summary_clear(&summary);
    return status;
}

/* logits of (draw d, image n, class c) are 100 d + 10 n + c, probs their softmax; two draws at a
 * time, image 2 never. */
static crd_status write_draws(crd_prediction_file *file)
{
    crd_status status = CRD_OK;
    float logits[2][1][N_CLASSES];
    for (int first = 0; first < N_DRAWS; first += 2)
        for (int n = 0; n < N_IMAGES; n++) {
            if (n == SKIPPED)
                continue;
            for (int d = 0; d < 2; d++)
                for (int c = 0; c < N_CLASSES; c++)
                    logits[d][0][c] = (float)(100 * (first + d) + 10 * n + c);
            CRD_TRY(crd_prediction_write_draws(file, &logits[0][0][0], first, 2, n, 1));
        }
cleanup:
    return status;
}

static crd_status write_prediction(const char *path, int labelled)
{
    crd_status status = CRD_OK;
    const int64_t labels[N_IMAGES] = {3, 0, -1, 9};
    crd_prediction_file *file = NULL;
    crd_reduction reduction;
    CRD_TRY(crd_reduction_init(&reduction, CRD_OUTPUT_LOGITS, N_CLASSES, N_TOP));
    crd_prediction_meta meta = {.reduction = &reduction,
                                .n_images = N_IMAGES,
                                .n_draws = N_DRAWS,
                                .image_names = image_names,
                                .output_names = labelled ? class_names : NULL,
                                .labels = labelled ? labels : NULL,
                                .save_draws = 1};
    CRD_TRY(crd_prediction_create(&file, path, &meta, &provenance));
    CRD_TRY(write_summary(file, &reduction));
    CRD_TRY(write_draws(file));
    status = crd_prediction_finish(file);
    file = NULL;
cleanup:
    crd_prediction_abandon(file);
    return status;
}

static crd_status write_tensors(const char *path)
{
    float images[N_IMAGES * 3 * 5 * 7];
    for (int i = 0; i < N_IMAGES * 3 * 5 * 7; i++)
        images[i] = (float)i / 8;
    return crd_tensors_write(path, images, N_IMAGES, 3, 5, 7, image_names, &provenance);
}

static crd_status write_all(const char *folder)
{
    crd_status status = CRD_OK;
    char path[5][4096];
    const char *const names[] = {"posterior.h5", "labelled.h5", "plain.h5", "tensors.h5",
                                 "checkpoint.h5"};
    for (int i = 0; i < 5; i++)
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
    CRD_TRY(write_posterior(path[0]));
    CRD_TRY(write_prediction(path[1], 1));
    CRD_TRY(write_prediction(path[2], 0));
    CRD_TRY(write_tensors(path[3]));
    CRD_TRY(write_checkpoint(path[4]));
cleanup:
    return status;
}

int main(int argc, char **argv)
{
    crd_status status;
    crd_file_kind kind;
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        status = crd_file_identify(&kind, argv[2]);
    else if (argc == 2)
        status = write_all(argv[1]);
    else
        status = CRD_FAIL(CRD_ERR_USAGE, "usage: interop_files FOLDER | check FILE");
    if (status != CRD_OK)
        fprintf(stderr, "%s\n", crd_status_message());
    return (int)status;
}
