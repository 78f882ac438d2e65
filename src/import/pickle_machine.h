/** The stack machine that a pickle is a program for: stack, marks, memo and arena of values.
 *
 * It knows containers, not what pickles mean. All arrays have their full size from the start, so
 * values never move; every operation checks that what it takes is there. All functions fail with
 * CRD_ERR_INPUT and one line on what the pickle did wrong.
 */
#ifndef CRD_IMPORT_PICKLE_MACHINE_H
#define CRD_IMPORT_PICKLE_MACHINE_H

#include "import/pickle.h"

/** Levels of containers, and MARKs open at a time; a state dict needs 8. */
#define CRD_MACHINE_MAX_NESTING 100

typedef struct crd_machine {
    const uint8_t *bytes;
    int64_t n_bytes, at; /**< the next byte */
    crd_pickle *out;
    int64_t max_values, max_stack; /**< max_values bounds items and memo entries as well */
    crd_pickle_value **stack, **memo;
    int64_t n_stack, n_memo;
    int64_t marks[CRD_MACHINE_MAX_NESTING]; /**< heights of the stack at the open MARKs */
    int n_marks;
} crd_machine;

/** Starts at the first byte; fills `out`, which the caller owns. Call crd_machine_clear even after
 * an error. */
crd_status crd_machine_init(crd_machine *m, crd_pickle *out, const void *bytes, int64_t n_bytes);
void crd_machine_clear(crd_machine *m);

/** The next n bytes, borrowed. */
crd_status crd_machine_take(const uint8_t **out, crd_machine *m, int64_t n);
/** The next n bytes, at most 8, as an unsigned little-endian number. */
crd_status crd_machine_take_uint(uint64_t *out, crd_machine *m, int n);

crd_status crd_machine_push(crd_machine *m, crd_pickle_value *value);
/** Makes an empty value and pushes it. */
crd_status crd_machine_push_new(crd_pickle_value **out, crd_machine *m, crd_pickle_kind kind);
/** The value on top, left there. Below an open MARK nothing can be reached. */
crd_status crd_machine_peek(crd_pickle_value **out, const crd_machine *m);
crd_status crd_machine_pop(crd_pickle_value **out, crd_machine *m);
crd_status crd_machine_open_mark(crd_machine *m);

/** Replaces the last n values by a tuple of them. */
crd_status crd_machine_make_tuple(crd_machine *m, int n);
/** Replaces all values above the innermost MARK by a tuple of them. */
crd_status crd_machine_make_tuple_from_mark(crd_machine *m);
/** Drops all values above the innermost MARK, and the MARK. */
crd_status crd_machine_drop_from_mark(crd_machine *m);
/** Moves the last n values into the container below them, which must be a `kind`: keys and
 * values of a dict, items of a list or set; an opaque value swallows them. `operation` names it
 * in errors. */
crd_status crd_machine_extend_by(crd_machine *m, int n, crd_pickle_kind kind,
                                 const char *operation);
/** The same with all values above the innermost MARK. */
crd_status crd_machine_extend_from_mark(crd_machine *m, crd_pickle_kind kind,
                                        const char *operation);

/** Remembers the value on top under `index`. */
crd_status crd_machine_memo_put(crd_machine *m, uint64_t index);
/** The same; the index is the next index_bytes bytes. */
crd_status crd_machine_memo_put_at(crd_machine *m, int index_bytes);
/** Pushes the value remembered under the index in the next index_bytes bytes. */
crd_status crd_machine_memo_get(crd_machine *m, int index_bytes);

#endif
