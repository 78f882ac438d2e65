/* From a list of views of storages to a table of float32. */
#include "import/tensor_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/log.h"
#include "import/pickle.h"

enum { PIECE_BYTES = 1 << 22 }; /* of a storage, held at a time; a multiple of every element size */

crd_status crd_tensor_list_init(crd_tensor_list *list, int64_t capacity)
{
    crd_status status;
    *list = (crd_tensor_list){.capacity = capacity};
    CRD_REQUIRE(capacity <= CRD_MAX_TENSORS, CRD_ERR_INPUT, "%lld tensors, at most %d are allowed",
                (long long)capacity, CRD_MAX_TENSORS);
    CRD_ALLOC(&list->tensors, capacity, "tensors of the state dict");
cleanup:
    return status;
}

void crd_tensor_list_clear(crd_tensor_list *list)
{
    for (int64_t i = 0; i < list->n_tensors; i++)
        crd_free(list->tensors[i].name);
    crd_free(list->tensors);
    *list = (crd_tensor_list){0};
}

crd_status crd_tensor_name_copy(char *out, int64_t size, const char *text, int64_t n_bytes,
                                const char *what)
{
    char shown[CRD_PRINTABLE_SIZE];
    if (n_bytes < 1 || n_bytes >= size)
        return CRD_FAIL(CRD_ERR_INPUT, "%s '%s' has %lld characters, allowed are 1 to %lld", what,
                        crd_pickle_printable(shown, text, n_bytes), (long long)n_bytes,
                        (long long)size - 1);
    for (int64_t i = 0; i < n_bytes; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return CRD_FAIL(CRD_ERR_INPUT, "%s '%s' has a character that is not printable ASCII",
                            what, crd_pickle_printable(shown, text, n_bytes));
    memcpy(out, text, (size_t)n_bytes);
    out[n_bytes] = '\0';
    return CRD_OK;
}

crd_status crd_tensor_list_add(crd_tensor_list *list, const crd_listed_tensor *tensor,
                               const char *name)
{
    crd_status status;
    crd_listed_tensor *added = &list->tensors[list->n_tensors];
    *added = *tensor;
    CRD_TRY(crd_alloc_string(&added->name, name));
    list->n_tensors++;
cleanup:
    return status;
}

/* AveragedModel's counter stands beside the names it has put "module." before. */
static int is_counter(const crd_listed_tensor *tensor)
{
    return !crd_torch_dtype_is_float(tensor->view.dtype) && strcmp(tensor->name, "n_averaged") == 0;
}

/* Is that before every name, and more after it? Counters do not count. */
static int all_begin_with(const crd_tensor_list *list, const char *start)
{
    size_t length = strlen(start);
    int64_t n = 0;
    for (int64_t i = 0; i < list->n_tensors; i++) {
        const char *name = list->tensors[i].name;
        if (is_counter(&list->tensors[i]))
            continue;
        if (strncmp(name, start, length) != 0 || name[length] == '\0')
            return 0;
        n++;
    }
    return n > 0;
}

static void cut(char *name, size_t n)
{
    memmove(name, name + n, strlen(name + n) + 1);
}

/* torch.compile names a module that it wraps _orig_mod; nobody else does. */
static int cut_compiled(char *name)
{
    static const char part[] = "_orig_mod.";
    int n_cuts = 0;
    for (char *at = name; (at = strstr(at, part)) != NULL;) {
        if ((at == name || at[-1] == '.') && at[sizeof part - 1] != '\0') {
            cut(at, sizeof part - 1);
            n_cuts++;
        } else {
            at++;
        }
    }
    return n_cuts;
}

static void strip_wrappers(crd_tensor_list *list)
{
    static const char parallel[] = "module.";
    int64_t n_compiled = 0, n_parallel = 0;
    for (int64_t i = 0; i < list->n_tensors; i++)
        n_compiled += cut_compiled(list->tensors[i].name) > 0;
    for (; all_begin_with(list, parallel); n_parallel++)
        for (int64_t i = 0; i < list->n_tensors; i++)
            if (!is_counter(&list->tensors[i]))
                cut(list->tensors[i].name, sizeof parallel - 1);
    if (n_compiled > 0)
        crd_log(CRD_LOG_INFO, "weights: '_orig_mod.' is taken off %lld names",
                (long long)n_compiled);
    if (n_parallel > 0)
        crd_log(CRD_LOG_INFO, "weights: '%s' is taken off all names%s", parallel,
                n_parallel > 1 ? ", more than once" : "");
}

/* What a module keeps beside its parameters, and a network makes by itself. Batch norm's counter is
 * an integer; half() on all tensors of a state dict makes it a float. Swin V2's coordinates are a
 * function of the size of its window. */
static int is_buffer(const char *name)
{
    static const char *const leaves[] = {"num_batches_tracked", "relative_coords_table"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        size_t n_leaf = strlen(leaves[i]);
        if (n >= n_leaf && strcmp(name + n - n_leaf, leaves[i]) == 0)
            return 1;
    }
    return 0;
}

/* Floating tensors become parameters; the others are remembered by name. */
static crd_status enter(crd_state_dict *out, crd_tensor_list *list)
{
    crd_status status = CRD_OK;
    CRD_ALLOC(&out->others, list->n_tensors, "names of other tensors");
    for (int64_t i = 0; i < list->n_tensors; i++) {
        crd_listed_tensor *tensor = &list->tensors[i];
        tensor->i_param = -1;
        if (crd_torch_dtype_is_float(tensor->view.dtype) && !is_buffer(tensor->name)) {
            CRD_TRY(
                crd_params_add(&tensor->i_param, &out->params, tensor->name, &tensor->view.shape));
        } else {
            crd_state_other *other = &out->others[out->n_others];
            CRD_TRY(crd_alloc_string(&other->name, tensor->name));
            other->type = crd_torch_dtype_name(tensor->view.dtype);
            out->n_others++;
        }
        crd_torch_view_simplify(&tensor->view);
    }
    CRD_REQUIRE(out->params.n_params > 0, CRD_ERR_INPUT,
                "the state dict has no floating-point tensor");
cleanup:
    return status;
}

static int compare_members(const void *a, const void *b)
{
    const crd_listed_tensor *one = a, *other = b;
    return (one->member > other->member) - (one->member < other->member);
}

/* Reads one storage piece by piece and gives all tensors on it their elements. */
static crd_status load_storage(crd_params *params, const crd_listed_tensor *tensors, int64_t n,
                               crd_storages *storages, char *piece)
{
    crd_status status;
    CRD_TRY(storages->kind->begin(storages, tensors[0].member));
    for (int64_t at = 0; at < tensors[0].member_bytes; at += PIECE_BYTES) {
        int64_t left = tensors[0].member_bytes - at,
                n_bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
        CRD_TRY(storages->kind->read(piece, storages, n_bytes));
        for (int64_t i = 0; i < n; i++) {
            int item = crd_torch_dtype_bytes(tensors[i].view.dtype);
            if (tensors[i].i_param >= 0)
                crd_torch_view_gather(crd_params_view(params, tensors[i].i_param), &tensors[i].view,
                                      piece, at / item, n_bytes / item);
        }
    }
    CRD_TRY(storages->kind->end(storages));
cleanup:
    return status;
}

crd_status crd_tensor_list_load(crd_state_dict *out, crd_tensor_list *list, crd_storages *storages,
                                int64_t max_bytes)
{
    crd_status status = CRD_OK;
    char *piece = NULL;
    int64_t piece_bytes = 0;
    strip_wrappers(list);
    CRD_TRY(enter(out, list));
    /* Views of one storage may say more than the file has: stride 0 makes 10^12 elements of one. */
    CRD_REQUIRE(
        out->params.n_floats <= max_bytes / (int64_t)sizeof(float), CRD_ERR_INPUT,
        "its tensors need %lld floats, more than %lld bytes, the most for a file of this size",
        (long long)out->params.n_floats, (long long)max_bytes);
    CRD_TRY(crd_params_allocate(&out->params));
    for (int64_t i = 0; i < list->n_tensors; i++)
        if (list->tensors[i].member_bytes > piece_bytes)
            piece_bytes = list->tensors[i].member_bytes;
    CRD_ALLOC(&piece, piece_bytes < PIECE_BYTES ? piece_bytes : PIECE_BYTES, "piece of a storage");
    qsort(list->tensors, (size_t)list->n_tensors, sizeof *list->tensors, compare_members);
    for (int64_t first = 0, end; first < list->n_tensors; first = end) {
        end = first + 1;
        while (end < list->n_tensors && list->tensors[end].member == list->tensors[first].member)
            end++;
        CRD_TRY(load_storage(&out->params, list->tensors + first, end - first, storages, piece));
    }
cleanup:
    crd_free(piece);
    return status;
}
