/* Magic number, protocol, system, object, keys of the storages; then for each key its number of
 * elements in 8 bytes and their bytes. How large an element is stands with the tensors only. */
#include "import/torch_stacked.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "import/spans.h"
#include "import/tensor_list.h"

enum {
    PROTOCOL = 1001,
    MAX_SMALL = 4096, /* bytes of the pickles before the object; they have some hundred */
    MAX_STORAGES = 1 << 15
};

/* The pickles of a file, taken one after the other. */
typedef struct reader {
    const char *bytes;
    int64_t n_bytes, at;
} reader;

/* What the object says of a storage. */
typedef struct storage_fact {
    const char *key; /* [n_key] */
    int64_t n_key, n_elements;
    int item_bytes;
} storage_fact;

int crd_torch_stacked_fits(const uint8_t *bytes, int64_t n)
{
    /* LONG1 of 0x1950a86a20f9469cfc6c and STOP; protocol 4 puts a frame of 9 bytes before it. */
    static const char magic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    int64_t length = sizeof magic - 1;
    return n >= 11 + length && bytes[0] == 0x80 &&
           (memcmp(bytes + 2, magic, (size_t)length) == 0 ||
            memcmp(bytes + 11, magic, (size_t)length) == 0);
}

static crd_status take_pickle(crd_pickle *out, reader *from, int64_t max_bytes, const char *what)
{
    int64_t left = from->n_bytes - from->at, n_used = 0;
    crd_status status =
        crd_pickle_parse(out, &n_used, from->bytes + from->at, left < max_bytes ? left : max_bytes);
    if (status != CRD_OK)
        return CRD_FAIL(status, "%s, from byte %lld: %s", what, (long long)from->at,
                        crd_status_message());
    from->at += n_used;
    return CRD_OK;
}

static crd_status check_system(const crd_pickle_value *system)
{
    if (system->kind != CRD_PICKLE_DICT)
        return CRD_FAIL(CRD_ERR_INPUT, "its description of the system is no dict");
    for (const crd_pickle_cell *c = system->as.items.first; c != NULL; c = c->next->next)
        if (crd_pickle_is_text(c->value, "little_endian") &&
            !(c->next->value->kind == CRD_PICKLE_BOOL && c->next->value->as.integer == 1))
            return CRD_FAIL(CRD_ERR_INPUT,
                            "written on a big-endian machine; load and save it again "
                            "on a little-endian one");
    return CRD_OK;
}

/* The magic number, the protocol and the system. */
static crd_status check_head(reader *from)
{
    crd_status status;
    crd_pickle pickle = {0};
    CRD_TRY(take_pickle(&pickle, from, MAX_SMALL, "magic number"));
    crd_pickle_clear(&pickle);
    CRD_TRY(take_pickle(&pickle, from, MAX_SMALL, "protocol"));
    CRD_REQUIRE(pickle.root->kind == CRD_PICKLE_INT && pickle.root->as.integer == PROTOCOL,
                CRD_ERR_INPUT, "its protocol is not %d", PROTOCOL);
    crd_pickle_clear(&pickle);
    CRD_TRY(take_pickle(&pickle, from, MAX_SMALL, "system"));
    CRD_TRY(check_system(pickle.root));
cleanup:
    crd_pickle_clear(&pickle);
    return status;
}

static int by_key(const void *a, const void *b)
{
    const storage_fact *x = a, *y = b;
    int64_t n = x->n_key < y->n_key ? x->n_key : y->n_key;
    int order = memcmp(x->key, y->key, (size_t)n);
    return order != 0 ? order : (x->n_key > y->n_key) - (x->n_key < y->n_key);
}

/* ('storage', class, key, device, elements, view): 0 if it is anything else. */
static int read_fact(storage_fact *out, const crd_pickle_value *value)
{
    if (value->kind != CRD_PICKLE_PERSISTENT || value->n_items != 6)
        return 0;
    const crd_pickle_value *class = crd_pickle_item(value, 1), *key = crd_pickle_item(value, 2),
                           *count = crd_pickle_item(value, 4);
    if (class->kind != CRD_PICKLE_GLOBAL || class->global != CRD_GLOBAL_STORAGE ||
        key->kind != CRD_PICKLE_STRING || count->kind != CRD_PICKLE_INT)
        return 0;
    *out = (storage_fact){key->as.text, key->n_items, count->as.integer,
                          crd_torch_dtype_bytes((crd_torch_dtype) class->dtype)};
    return 1;
}

/* What the object says of its storages, sorted by key. */
static crd_status collect_facts(storage_fact **out, int64_t *n, const crd_pickle *object)
{
    crd_status status;
    int64_t n_ids = 0;
    storage_fact fact;
    *n = 0;
    for (int64_t i = 0; i < object->n_values; i++)
        n_ids += read_fact(&fact, &object->values[i]);
    CRD_ALLOC(out, n_ids, "storages");
    for (int64_t i = 0; i < object->n_values; i++)
        *n += read_fact(*out + *n, &object->values[i]);
    qsort(*out, (size_t)*n, sizeof **out, by_key);
cleanup:
    return status;
}

static int64_t load_count(const unsigned char bytes[8])
{
    uint64_t n = 0;
    int64_t count;
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)bytes[i] << (8 * i);
    memcpy(&count, &n, sizeof count);
    return count;
}

/* Where the file is read, and up to where. */
typedef struct place {
    int fd;
    const char *path;
    int64_t at, end;
} place;

/* The storage of that key, which starts at where->at. */
static crd_status add_storage(crd_storages *storages, place *where, const crd_pickle_value *key,
                              const storage_fact *facts, int64_t n_facts)
{
    crd_status status;
    char name[CRD_SPAN_KEY_SIZE];
    unsigned char count[8];
    CRD_REQUIRE(key->kind == CRD_PICKLE_STRING, CRD_ERR_INPUT, "a storage key is a %s",
                crd_pickle_kind_name(key));
    CRD_TRY(crd_tensor_name_copy(name, sizeof name, key->as.text, key->n_items, "storage key"));
    storage_fact wanted = {.key = key->as.text, .n_key = key->n_items};
    const storage_fact *fact = bsearch(&wanted, facts, (size_t)n_facts, sizeof *facts, by_key);
    CRD_REQUIRE(fact != NULL, CRD_ERR_INPUT, "storage %s belongs to no tensor", name);
    CRD_REQUIRE(where->end - where->at >= 8, CRD_ERR_INPUT,
                "truncated: it ends before storage %s does", name);
    CRD_TRY(crd_file_read(count, where->fd, 8, where->at, where->path));
    int64_t n_elements = load_count(count), left = where->end - where->at - 8;
    CRD_REQUIRE(n_elements == fact->n_elements && n_elements >= 0, CRD_ERR_INPUT,
                "storage %s has %lld elements in one place and %lld in another", name,
                (long long)n_elements, (long long)fact->n_elements);
    CRD_REQUIRE(n_elements <= left / fact->item_bytes, CRD_ERR_INPUT,
                "truncated: it ends before storage %s does", name);
    crd_spans_add(storages, name, where->at + 8, n_elements * fact->item_bytes);
    where->at += 8 + n_elements * fact->item_bytes;
cleanup:
    return status;
}

/* Finds the storages that the keys name, one after the other up to the end of the file. */
static crd_status find_storages(crd_storages **out, const crd_pickle_value *keys,
                                const crd_pickle *object, place *where)
{
    crd_status status;
    storage_fact *facts = NULL;
    int64_t n_facts;
    *out = NULL;
    CRD_REQUIRE(keys->kind == CRD_PICKLE_LIST && keys->n_items <= MAX_STORAGES, CRD_ERR_INPUT,
                "its storage keys are no list of at most %d", MAX_STORAGES);
    CRD_TRY(collect_facts(&facts, &n_facts, object));
    CRD_TRY(crd_spans_create(out, where->fd, where->path, keys->n_items));
    for (const crd_pickle_cell *c = keys->as.items.first; c != NULL; c = c->next)
        CRD_TRY(add_storage(*out, where, c->value, facts, n_facts));
    CRD_REQUIRE(where->at == where->end, CRD_ERR_INPUT, "%lld bytes follow its last storage",
                (long long)(where->end - where->at));
cleanup:
    crd_free(facts);
    if (status != CRD_OK) {
        crd_storages_close(*out);
        *out = NULL;
    }
    return status;
}

crd_status crd_torch_stacked_parse(crd_pickle *out, crd_storages **storages, const char *bytes,
                                   int64_t n, int64_t file_bytes, int fd, const char *path)
{
    crd_status status;
    reader from = {bytes, n, 0};
    crd_pickle keys = {0};
    *out = (crd_pickle){0};
    *storages = NULL;
    CRD_TRY(check_head(&from));
    CRD_TRY(take_pickle(out, &from, INT64_MAX, "object"));
    CRD_TRY(take_pickle(&keys, &from, INT64_MAX, "storage keys"));
    place where = {fd, path, from.at, file_bytes};
    CRD_TRY(find_storages(storages, keys.root, out, &where));
cleanup:
    crd_pickle_clear(&keys);
    if (status != CRD_OK)
        crd_pickle_clear(out);
    return status;
}
