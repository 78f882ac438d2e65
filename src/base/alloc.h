/** Aligned, counted memory. All heap memory of the library that can be large comes from here. */
#ifndef CRD_BASE_ALLOC_H
#define CRD_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "credence/status.h"

/** Alignment of every block in bytes: one cache line, one AVX-512 register. */
#define CRD_ALIGNMENT 64

/** Allocates count * size bytes, zeroed. `out` takes any pointer's address; `what` names it in the
 * error. count or size 0 gives a valid block. Errors: CRD_ERR_INTERNAL on overflow or lack of
 * memory, *out NULL. Free with crd_free. Collective: no. */
crd_status crd_alloc_zeroed(void **out, int64_t count, size_t size, const char *what);

/** Typed form: CRD_ALLOC(&pointer, count, "what") within a function that has CRD_TRY's label. */
#define CRD_ALLOC(out, count, what)                                                                \
    CRD_TRY(crd_alloc_zeroed((void **)(out), (int64_t)(count), sizeof **(out), (what)))

/** Are so many bytes to be had? Asked for, and given back, before a library takes them that does
 * not survive a refusal. Errors: CRD_ERR_INTERNAL: `what` names it. Collective: no. */
crd_status crd_alloc_probe(int64_t bytes, const char *what);

/** Grows *block from `old_count` to `new_count` elements; new elements are zero. On error *block is
 * kept. */
crd_status crd_alloc_grow(void **block, int64_t old_count, int64_t new_count, size_t size,
                          const char *what);

/** Copies a string. Free with crd_free. */
crd_status crd_alloc_string(char **out, const char *text);

/** Frees a block of this file's functions; NULL is allowed. */
void crd_free(void *block);

/** Number of allocations made so far in this process; a test holds it constant over a draw. */
int64_t crd_alloc_count(void);
/** Bytes now allocated, and the most that ever were. */
int64_t crd_alloc_bytes(void);
int64_t crd_alloc_peak_bytes(void);

#endif
