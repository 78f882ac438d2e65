/** Restricted unpickler: the bytes of a pickle become a tree of plain values, and nothing else
 * happens.
 *
 * A global that a fixed table has means what the table says. Any other one, and whatever would be
 * made by calling it, is an opaque node that keeps its name only; what only an attack would call is
 * refused. A call of a known global is a node that says what was to be called with which arguments.
 * What such a node means is the reader's business (torch_tree.c).
 */
#ifndef CRD_IMPORT_PICKLE_H
#define CRD_IMPORT_PICKLE_H

#include <stdint.h>

#include "credence/status.h"
#include "import/torch_dtype.h"

typedef enum crd_pickle_kind {
    CRD_PICKLE_NONE,
    CRD_PICKLE_BOOL,
    CRD_PICKLE_INT,
    CRD_PICKLE_FLOAT,
    CRD_PICKLE_STRING,
    CRD_PICKLE_TUPLE,
    CRD_PICKLE_LIST,
    CRD_PICKLE_DICT, /**< items are key, value, key, value ... in the order they were set */
    CRD_PICKLE_SET,
    CRD_PICKLE_GLOBAL,
    CRD_PICKLE_PERSISTENT, /**< a persistent id; items are those of its tuple */
    CRD_PICKLE_CALL,       /**< a call that was asked for and not made; items are its arguments */
    /** a class, function or object that is not in the table: its name, no more */
    CRD_PICKLE_OPAQUE
} crd_pickle_kind;

/** The globals that mean something. */
typedef enum crd_pickle_global {
    CRD_GLOBAL_NONE,
    CRD_GLOBAL_ORDERED_DICT,
    CRD_GLOBAL_SIZE,
    CRD_GLOBAL_STORAGE,         /**< typed storage class; value.dtype says which */
    CRD_GLOBAL_UNTYPED_STORAGE, /**< storage counted in bytes */
    CRD_GLOBAL_DTYPE,
    CRD_GLOBAL_TENSOR,    /**< _rebuild_tensor: storage, offset, size, stride */
    CRD_GLOBAL_TENSOR_V2, /**< the same, requires_grad, hooks */
    CRD_GLOBAL_TENSOR_V3, /**< the same, dtype */
    CRD_GLOBAL_PARAMETER  /**< tensor, requires_grad, hooks, and perhaps state */
} crd_pickle_global;

typedef struct crd_pickle_cell crd_pickle_cell;

/** One value. Borrowed from its crd_pickle; text from the bytes that were parsed. */
typedef struct crd_pickle_value {
    uint8_t kind;    /**< a crd_pickle_kind */
    uint8_t global;  /**< of a GLOBAL or CALL: a crd_pickle_global */
    uint8_t dtype;   /**< of a GLOBAL with one: a crd_torch_dtype */
    uint8_t depth;   /**< of a container: 1 + that of its deepest item when it was put in */
    uint8_t n_name;  /**< bytes of an opaque's name */
    int32_t n_items; /**< items of a container, bytes of a string, bytes of an opaque's module */
    union {
        int64_t integer; /**< of INT and BOOL */
        double real;
        const char *text; /**< [n_items], not terminated */
        struct {
            crd_pickle_cell *first, *last;
        } items;
        struct {
            const char *module, *name; /**< module[n_items]; neither is terminated */
        } opaque;
    } as;
} crd_pickle_value;

/** A link of a container's chain. */
struct crd_pickle_cell {
    crd_pickle_value *value;
    crd_pickle_cell *next;
};

/** A parsed pickle. */
typedef struct crd_pickle {
    crd_pickle_value *values;
    crd_pickle_cell *cells;
    int64_t n_values, n_cells;
    const crd_pickle_value *root;
} crd_pickle;

/** Parses the pickle (protocols 2 to 5) that starts at `bytes`. *n_used (may be NULL) is its
 * length; NULL: it must be all n_bytes. `bytes` must outlive `out`; release with
 * crd_pickle_clear. Errors: CRD_ERR_INPUT with the byte position and what is wrong there; `out`
 * is empty then. Cost: linear in n_bytes; at most 40 MB of memory, whatever the bytes are. */
crd_status crd_pickle_parse(crd_pickle *out, int64_t *n_used, const void *bytes, int64_t n_bytes);

/** Frees what crd_pickle_parse made. */
void crd_pickle_clear(crd_pickle *pickle);

/** Item `index` of a container, or NULL if it has none there. Cost: linear in `index`. */
const crd_pickle_value *crd_pickle_item(const crd_pickle_value *container, int index);

/** 1 if `value` is the string `text`, else 0. */
int crd_pickle_is_text(const crd_pickle_value *value, const char *text);

/** "tuple", "dict" ...: for messages. Static text. */
const char *crd_pickle_kind_name(const crd_pickle_value *value);

/** Bytes that crd_pickle_printable needs. */
#define CRD_PRINTABLE_SIZE 128
/** Makes text from outside safe to show: printable ASCII, cut to fit. Returns `out`. */
const char *crd_pickle_printable(char out[CRD_PRINTABLE_SIZE], const void *text, int64_t n_bytes);

/** "module.name" of an opaque value, safe to show. Returns `out`. */
const char *crd_pickle_opaque_name(char out[CRD_PRINTABLE_SIZE], const crd_pickle_value *value);

/** 1 if an opaque value's module is one of a network's code: then only Python can rebuild it. */
int crd_pickle_is_module(const crd_pickle_value *value);

/** Makes `out` the global `module`.`name`, neither of them terminated: one of the table, or an
 * opaque value that borrows both. Errors: CRD_ERR_INPUT naming the global if only an attack
 * would call it. */
crd_status crd_pickle_find_global(crd_pickle_value *out, const char *module, int64_t module_bytes,
                                  const char *name, int64_t name_bytes);

#endif
