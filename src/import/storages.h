/** Where the bytes of a weight file's tensors lie. One kind a container; one storage is open at a
 * time. */
#ifndef CRD_IMPORT_STORAGES_H
#define CRD_IMPORT_STORAGES_H

#include <stdint.h>

#include "credence/status.h"

typedef struct crd_storages crd_storages;

typedef struct crd_storages_kind {
    const char *noun; /**< what stands before a key in messages */
    int id_items;     /**< items of a storage's persistent id */
    /** Number and bytes of the storage of that key. Errors: CRD_ERR_INPUT: there is none. */
    crd_status (*find)(int64_t *member, int64_t *n_bytes, crd_storages *storages, const char *key);
    /** Opens a storage for reading from its start. */
    crd_status (*begin)(crd_storages *storages, int64_t member);
    /** The next n bytes of the open storage, all of them. */
    crd_status (*read)(void *out, crd_storages *storages, int64_t n);
    /** Closes the open storage, which must end here and be sound. Until this has succeeded, what
     * was read may be damaged. */
    crd_status (*end)(crd_storages *storages);
    void (*close)(crd_storages *storages);
} crd_storages_kind;

/** The first member of every kind's struct. */
struct crd_storages {
    const crd_storages_kind *kind;
};

/** Closes all; NULL is allowed. */
void crd_storages_close(crd_storages *storages);

#endif
