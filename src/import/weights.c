#include "credence/weights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "import/pickle.h"
#include "import/state_dict.h"
#include "import/torch_zip.h"

enum {
    HEAD_BYTES = 512, /* enough to tell every container below */
    MAX_PICKLE_BYTES = 64 << 20,
    SPARE_BYTES =
        32 << 20 /* memory beyond twice the file, for files whose tensors share storages */
};

typedef struct head {
    uint8_t bytes[HEAD_BYTES];
    size_t n_bytes;
    int64_t file_bytes;
} head;

static int has_at(const head *h, size_t at, const char *magic, size_t n)
{
    return h->n_bytes >= at + n && memcmp(h->bytes + at, magic, n) == 0;
}

static int is_zip(const head *h)
{
    return has_at(h, 0, "PK\3\4", 4) || has_at(h, 0, "PK\5\6", 4);
}

/* The first of the stacked pickles is torch's magic number; protocol 4 puts a frame before it. */
static int is_stacked(const head *h)
{
    static const char magic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    return has_at(h, 0, "\x80", 1) &&
           (has_at(h, 2, magic, sizeof magic - 1) || has_at(h, 11, magic, sizeof magic - 1));
}

static int is_tar(const head *h)
{
    return has_at(h, 257, "ustar", 5);
}

static int is_bare_pickle(const head *h)
{
    return has_at(h, 0, "\x80", 1) && h->n_bytes >= 2 && h->bytes[1] >= 2 && h->bytes[1] <= 5;
}

static int is_hdf5(const head *h)
{
    return has_at(h, 0, "\x89HDF\r\n\x1a\n", 8);
}

/* safetensors: the length of a JSON header in 8 bytes, then the header. */
static int is_safetensors(const head *h)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)h->bytes[i] << (8 * i);
    return has_at(h, 8, "{", 1) && n <= (uint64_t)h->file_bytes - 8;
}

/* ONNX, protobuf: field 1 is ir_version (up to 127), then comes field 2 or 7, producer or graph. */
static int is_onnx(const head *h)
{
    return has_at(h, 0, "\x08", 1) && h->bytes[1] < 128 &&
           (has_at(h, 2, "\x12", 1) || has_at(h, 2, "\x3a", 1));
}

/* The containers that are told from each other; the first that fits counts. Readers of further ones
 * take their place here. */
static const struct {
    int (*fits)(const head *);
    const char *advice;
} containers_not_read[] = {
    {is_stacked,
     "the form of torch before 1.6 (stacked pickles); save it again with "
     "torch.save(torch.load(file, map_location='cpu'), new_file) in torch 1.6 or later"},
    {is_tar, "the tar form of torch before 0.1.10; save it again with "
             "torch.save(torch.load(file, map_location='cpu'), new_file) in torch 1.6 to 2.5"},
    {is_bare_pickle, "a bare pickle; save the state dict with torch.save"},
    {is_hdf5, "an HDF5 file; expected is a torch .pth file, as torch.save(model.state_dict(), "
              "file) writes"},
    {is_safetensors, "a safetensors file; expected is a torch .pth file: "
                     "torch.save(safetensors.torch.load_file(file), new_file)"},
    {is_onnx,
     "an ONNX file; expected is a torch .pth file, as torch.save(model.state_dict(), file) "
     "writes"},
};

static crd_status read_head(head *out, const char *path)
{
    crd_status status = CRD_OK;
    struct stat info;
    *out = (head){0};
    FILE *file = NULL;
    /* Asked before it is opened: opening a pipe would wait for its writer. */
    CRD_REQUIRE(stat(path, &info) == 0, CRD_ERR_INPUT, "cannot be opened: %s", strerror(errno));
    CRD_REQUIRE(S_ISREG(info.st_mode), CRD_ERR_INPUT, "is not a file");
    file = fopen(path, "rb");
    CRD_REQUIRE(file != NULL, CRD_ERR_INPUT, "cannot be opened: %s", strerror(errno));
    out->file_bytes = info.st_size;
    out->n_bytes = fread(out->bytes, 1, HEAD_BYTES, file);
    CRD_REQUIRE(!ferror(file), CRD_ERR_IO, "cannot be read: %s", strerror(errno));
    CRD_REQUIRE(out->n_bytes > 0, CRD_ERR_INPUT, "is empty");
cleanup:
    if (file != NULL)
        fclose(file);
    return status;
}

static crd_status read_torch_zip(crd_params *out, const char *path, int64_t file_bytes)
{
    crd_status status;
    crd_torch_zip *archive = NULL;
    char *bytes = NULL;
    int64_t n_bytes;
    crd_pickle pickle = {0};
    crd_state_dict dict = {0};
    CRD_TRY(crd_torch_zip_open(&archive, path, file_bytes));
    CRD_TRY(crd_torch_zip_load_pickle(&bytes, &n_bytes, archive, MAX_PICKLE_BYTES));
    status = crd_pickle_parse(&pickle, bytes, n_bytes);
    if (status != CRD_OK) {
        CRD_FAIL(status, "data.pkl, %s", crd_status_message());
        goto cleanup;
    }
    CRD_TRY(crd_state_dict_init(&dict, &pickle, archive));
    crd_pickle_clear(&pickle); /* before the floats are allocated: the two never add up */
    crd_free(bytes);
    bytes = NULL;
    CRD_TRY(crd_state_dict_load(&dict, archive, 2 * file_bytes + SPARE_BYTES));
    *out = dict.params;
    crd_params_init(&dict.params);
cleanup:
    crd_state_dict_clear(&dict);
    crd_pickle_clear(&pickle);
    crd_free(bytes);
    crd_torch_zip_close(archive);
    return status;
}

static crd_status read_container(crd_params *out, const char *path)
{
    crd_status status;
    head h;
    CRD_TRY(read_head(&h, path));
    if (is_zip(&h))
        return read_torch_zip(out, path, h.file_bytes);
    for (size_t i = 0; i < sizeof containers_not_read / sizeof *containers_not_read; i++)
        CRD_REQUIRE(!containers_not_read[i].fits(&h), CRD_ERR_INPUT, "%s",
                    containers_not_read[i].advice);
    status =
        CRD_FAIL(CRD_ERR_INPUT, "not a zip file, as torch.save(model.state_dict(), file) writes");
cleanup:
    return status;
}

crd_status crd_weights_read(crd_params *out, const char *path)
{
    crd_params_init(out);
    crd_status status = read_container(out, path);
    if (status != CRD_OK)
        CRD_FAIL(status, "%s: %s", path, crd_status_message());
    return status;
}
