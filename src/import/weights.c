/* Which container a file is, by its first bytes; then its reader. */
#include "credence/weights.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "import/pickle.h"
#include "import/safetensors.h"
#include "import/torch_stacked.h"
#include "import/torch_tree.h"
#include "import/torch_zip.h"

enum {
    HEAD_BYTES = 512, /* enough to tell every container below */
    MAX_PICKLE_BYTES = 64 << 20,
    SPARE_BYTES =
        32 << 20 /* memory beyond twice the file, for files whose tensors share storages */
};

/* An open file of weights. */
typedef struct source {
    const char *path, *key;
    int fd;
    int64_t n_bytes;
    uint8_t head[HEAD_BYTES];
    int64_t n_head;
} source;

/* What a reader finds; the storages may need the source's file. */
typedef struct content {
    crd_tensor_list list;
    crd_storages *storages;
} content;

static int has_at(const source *s, int64_t at, const char *magic, size_t n)
{
    return s->n_head >= at + (int64_t)n && memcmp(s->head + at, magic, n) == 0;
}

static int is_zip(const source *s)
{
    return has_at(s, 0, "PK\3\4", 4) || has_at(s, 0, "PK\5\6", 4);
}

static int is_stacked(const source *s)
{
    return crd_torch_stacked_fits(s->head, s->n_head);
}

static int is_safetensors(const source *s)
{
    return crd_safetensors_fits(s->head, s->n_head, s->n_bytes);
}

static int is_tar(const source *s)
{
    return has_at(s, 257, "ustar", 5);
}

static int is_bare_pickle(const source *s)
{
    return has_at(s, 0, "\x80", 1) && s->n_head >= 2 && s->head[1] >= 2 && s->head[1] <= 5;
}

static int is_hdf5(const source *s)
{
    return has_at(s, 0, "\x89HDF\r\n\x1a\n", 8);
}

/* ONNX, protobuf: field 1 is ir_version (up to 127), then comes field 2 or 7, producer or graph. */
static int is_onnx(const source *s)
{
    return has_at(s, 0, "\x08", 1) && s->head[1] < 128 &&
           (has_at(s, 2, "\x12", 1) || has_at(s, 2, "\x3a", 1));
}

static crd_status read_zip(content *out, const source *s)
{
    crd_status status;
    char *bytes = NULL;
    int64_t n_bytes;
    crd_pickle pickle = {0};
    CRD_TRY(crd_torch_zip_open(&out->storages, s->fd, s->n_bytes));
    CRD_TRY(crd_torch_zip_load_pickle(&bytes, &n_bytes, out->storages, MAX_PICKLE_BYTES));
    status = crd_pickle_parse(&pickle, NULL, bytes, n_bytes);
    if (status != CRD_OK) {
        CRD_FAIL(status, "data.pkl, %s", crd_status_message());
        goto cleanup;
    }
    CRD_TRY(crd_torch_tree_list(&out->list, &pickle, out->storages, s->key));
cleanup:
    crd_pickle_clear(&pickle);
    crd_free(bytes);
    return status;
}

static crd_status read_stacked(content *out, const source *s)
{
    crd_status status;
    char *bytes = NULL;
    int64_t n = s->n_bytes < MAX_PICKLE_BYTES ? s->n_bytes : MAX_PICKLE_BYTES;
    crd_pickle pickle = {0};
    CRD_ALLOC(&bytes, n, "pickles");
    CRD_TRY(crd_file_read(bytes, s->fd, n, 0, s->path));
    CRD_TRY(crd_torch_stacked_parse(&pickle, &out->storages, bytes, n, s->n_bytes, s->fd, s->path));
    CRD_TRY(crd_torch_tree_list(&out->list, &pickle, out->storages, s->key));
cleanup:
    crd_pickle_clear(&pickle);
    crd_free(bytes);
    return status;
}

static crd_status read_safetensors(content *out, const source *s)
{
    if (s->key != NULL)
        return CRD_FAIL(CRD_ERR_INPUT,
                        "a safetensors file holds one state dict: there is no key '%s'", s->key);
    return crd_safetensors_list(&out->list, &out->storages, s->fd, s->n_bytes, s->path);
}

/* The containers that are told from each other; the first that fits counts. Without a reader:
 * what to do. */
static const struct {
    int (*fits)(const source *);
    crd_status (*read)(content *, const source *);
    const char *advice;
} containers[] = {
    {is_zip, read_zip, NULL},
    {is_stacked, read_stacked, NULL},
    {is_safetensors, read_safetensors, NULL},
    {is_tar, NULL,
     "the tar form of torch before 0.1.10; save it again with "
     "torch.save(torch.load(file, map_location='cpu'), new_file) in torch 1.6 to 2.5"},
    {is_bare_pickle, NULL, "a bare pickle; save the state dict with torch.save"},
    {is_hdf5, NULL,
     "an HDF5 file; expected is a torch .pth file, as torch.save(model.state_dict(), file) writes, "
     "or "
     "a safetensors file"},
    {is_onnx, NULL, "an ONNX file, which is no state dict: crd_onnx_model_read"},
};

static crd_status read_content(content *out, const source *s)
{
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
        if (!containers[i].fits(s))
            continue;
        if (containers[i].read == NULL)
            return CRD_FAIL(CRD_ERR_INPUT, "%s", containers[i].advice);
        return containers[i].read(out, s);
    }
    return CRD_FAIL(CRD_ERR_INPUT,
                    "neither a zip file, as torch.save(model.state_dict(), file) writes, "
                    "nor a safetensors file");
}

static crd_status read_source(crd_state_dict *out, source *s)
{
    crd_status status;
    content found = {0};
    s->n_head = s->n_bytes < HEAD_BYTES ? s->n_bytes : HEAD_BYTES;
    CRD_REQUIRE(s->n_head > 0, CRD_ERR_INPUT, "is empty");
    CRD_TRY(crd_file_read(s->head, s->fd, s->n_head, 0, s->path));
    CRD_TRY(read_content(&found, s));
    /* What was parsed is released by now: it and the floats never add up. */
    CRD_TRY(crd_tensor_list_load(out, &found.list, found.storages, 2 * s->n_bytes + SPARE_BYTES));
cleanup:
    crd_tensor_list_clear(&found.list);
    crd_storages_close(found.storages);
    return status;
}

void crd_state_dict_clear(crd_state_dict *dict)
{
    for (int64_t i = 0; i < dict->n_others; i++)
        crd_free(dict->others[i].name);
    crd_free(dict->others);
    crd_params_clear(&dict->params);
    *dict = (crd_state_dict){0};
}

/* torchvision's DenseNet files are from when a module's name could hold a dot: denselayer1.norm.1
 * is denselayer1.norm1 today, as torchvision too reads it. */
static void modernize_names(crd_params *params)
{
    static const char *const old[] = {".norm.1.", ".norm.2.", ".conv.1.", ".conv.2."};
    for (int64_t i = 0; i < params->n_params; i++) {
        char *layer = strstr(params->entries[i].name, ".denselayer");
        for (size_t k = 0; layer != NULL && k < sizeof old / sizeof *old; k++) {
            char *module = strstr(layer, old[k]);
            if (module != NULL) {
                char *dot = module + strlen(".norm");
                memmove(dot, dot + 1, strlen(dot + 1) + 1);
            }
        }
    }
}

crd_status crd_state_dict_read(crd_state_dict *out, const char *path, const char *key)
{
    source s = {.path = path, .key = key};
    *out = (crd_state_dict){0};
    crd_status status = crd_file_open(&s.fd, &s.n_bytes, path, INT64_MAX / 4);
    if (status != CRD_OK)
        return status;
    status = read_source(out, &s);
    close(s.fd);
    if (status == CRD_OK) {
        modernize_names(&out->params);
        return CRD_OK;
    }
    crd_state_dict_clear(out);
    return CRD_FAIL(status, "%s: %s", path, crd_status_message());
}
