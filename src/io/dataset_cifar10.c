/* CIFAR-10's binary version: files of records, each a label and three planes of 32 x 32 bytes. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "credence/log.h"
#include "io/dataset_source.h"

enum {
    SIDE = 32,
    PLANES = 3,
    RECORD = 1 + PLANES * SIDE * SIDE,
    N_CLASSES = 10,
    N_FILE_IMAGES = 10000, /* as distributed */
    MAX_FILES = 5
};

static const char *const train_files[] = {"data_batch_1.bin", "data_batch_2.bin",
                                          "data_batch_3.bin", "data_batch_4.bin",
                                          "data_batch_5.bin", NULL};
static const char *const test_files[] = {"test_batch.bin", NULL};

typedef struct cifar_source {
    crd_source source;
    int n_files;
    char *paths[MAX_FILES];
    int64_t first[MAX_FILES + 1]; /* number of the first image of each file; n_images at the end */
    uint8_t *records;             /* [n_images][RECORD] */
} cifar_source;

static void close_cifar(crd_source *source)
{
    cifar_source *cifar = (cifar_source *)source;
    for (int k = 0; k < cifar->n_files; k++)
        crd_free(cifar->paths[k]);
    crd_free(cifar->records);
}

static void name_cifar(char out[CRD_SOURCE_NAME_SIZE], const crd_source *source, int64_t i)
{
    const cifar_source *cifar = (const cifar_source *)source;
    int k = 0;
    while (i >= cifar->first[k + 1])
        k++;
    crd_source_number_name(out, cifar->paths[k], i - cifar->first[k]);
}

static crd_status load_cifar(crd_image *out, const crd_source *source, int64_t i, int64_t channels)
{
    const uint8_t *record = ((const cifar_source *)source)->records + i * RECORD;
    return crd_source_image(out, record + 1, PLANES, SIDE, SIDE, channels);
}

static uint64_t digest_cifar(uint64_t digest, const crd_source *source, int64_t i)
{
    return XXH3_64bits_withSeed(((const cifar_source *)source)->records + i * RECORD, RECORD,
                                digest);
}

static const crd_source_kind cifar_kind = {close_cifar, name_cifar, load_cifar, NULL, digest_cifar};

/* Finds the files and how many images each has. */
static crd_status measure(cifar_source *cifar, const char *folder, const char *const *files)
{
    crd_status status = CRD_OK;
    for (int k = 0; files[k] != NULL; k++) {
        size_t size = strlen(folder) + strlen(files[k]) + 2;
        int64_t bytes;
        int fd;
        CRD_ALLOC(&cifar->paths[k], size, "path");
        cifar->n_files = k + 1;
        snprintf(cifar->paths[k], size, "%s/%s", folder, files[k]);
        CRD_TRY(crd_file_open(&fd, &bytes, cifar->paths[k], CRD_SOURCE_MAX_BYTES / MAX_FILES));
        close(fd);
        CRD_REQUIRE(bytes > 0 && bytes % RECORD == 0, CRD_ERR_INPUT,
                    "%s: %lld bytes are not a whole number of CIFAR-10 records of %d bytes",
                    cifar->paths[k], (long long)bytes, RECORD);
        if (bytes / RECORD != N_FILE_IMAGES)
            crd_log(CRD_LOG_WARN, "%s: %lld images; as distributed it has %d", cifar->paths[k],
                    (long long)(bytes / RECORD), N_FILE_IMAGES);
        cifar->first[k + 1] = cifar->first[k] + bytes / RECORD;
    }
cleanup:
    return status;
}

static crd_status read_records(cifar_source *cifar, int k)
{
    crd_status status = CRD_OK;
    int64_t n_bytes = (cifar->first[k + 1] - cifar->first[k]) * RECORD;
    int fd;
    CRD_TRY(crd_file_open(&fd, NULL, cifar->paths[k], CRD_SOURCE_MAX_BYTES / MAX_FILES));
    CRD_TRY(
        crd_file_read(cifar->records + cifar->first[k] * RECORD, fd, n_bytes, 0, cifar->paths[k]));
    for (int64_t i = cifar->first[k]; i < cifar->first[k + 1]; i++) {
        int label = cifar->records[i * RECORD];
        CRD_REQUIRE(label < N_CLASSES, CRD_ERR_INPUT, "%s[%lld]: label %d; CIFAR-10 has 0 to %d",
                    cifar->paths[k], (long long)(i - cifar->first[k]), label, N_CLASSES - 1);
        cifar->source.labels[i] = label;
    }
cleanup:
    if (fd >= 0)
        close(fd);
    return status;
}

/* Cuts ":train" or ":test" off the folder. Without either it is the training set, as for
 * torchvision. */
static const char *const *choose_files(char *folder)
{
    char *colon = strrchr(folder, ':');
    if (colon == NULL || (strcmp(colon, ":train") != 0 && strcmp(colon, ":test") != 0))
        return train_files;
    *colon = '\0';
    return strcmp(colon + 1, "test") == 0 ? test_files : train_files;
}

crd_status crd_source_open_cifar10(crd_source **out, const char *path)
{
    crd_status status = CRD_OK;
    cifar_source *cifar = NULL;
    char *folder = NULL;
    *out = NULL;
    CRD_REQUIRE(strlen(path) < PATH_MAX, CRD_ERR_INPUT, "%s: this path is too long", path);
    CRD_ALLOC(&cifar, 1, "CIFAR-10 files");
    cifar->source.kind = &cifar_kind;
    CRD_TRY(crd_alloc_string(&folder, path));
    const char *const *files = choose_files(folder);
    CRD_TRY(measure(cifar, folder, files));
    cifar->source.n_images = cifar->first[cifar->n_files];
    cifar->source.size = (crd_image){.width = SIDE, .height = SIDE, .channels = PLANES};
    CRD_ALLOC(&cifar->records, cifar->source.n_images * RECORD, folder);
    CRD_ALLOC(&cifar->source.labels, cifar->source.n_images, "labels");
    for (int k = 0; k < cifar->n_files; k++)
        CRD_TRY(read_records(cifar, k));
    *out = &cifar->source;
    cifar = NULL;
cleanup:
    crd_free(folder);
    crd_source_close((crd_source *)cifar);
    return status;
}
