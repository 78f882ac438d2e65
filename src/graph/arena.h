/** The planner of memory: buffers with a lifetime get places in one arena, which later ones use
 * again. Time is a number that the caller advances: the index of an op on the way forward, or back.
 */
#ifndef CRD_GRAPH_ARENA_H
#define CRD_GRAPH_ARENA_H

#include "credence/status.h"

#include <stdint.h>

/** Most floats of one buffer: keeps sums over all ops within int64. */
#define CRD_ARENA_MAX_FLOATS (INT64_C(1) << 48)
/** A last use that never comes. */
#define CRD_ARENA_FOREVER INT64_MAX

typedef struct crd_arena_buffer {
    int64_t offset, end; /**< floats */
    int64_t last_use;    /**< time from which on nobody needs it */
} crd_arena_buffer;

typedef struct crd_arena {
    crd_arena_buffer *buffers; /**< in the order of their creation */
    int64_t *live;             /**< indices of live ones by ascending offset */
    int64_t n_buffers, n_live, capacity;
    int64_t n_floats; /**< length of the arena */
} crd_arena;

/** Room for the plan of `capacity` buffers. */
crd_status crd_arena_init(crd_arena *arena, int64_t capacity);
void crd_arena_clear(crd_arena *arena);

/** Puts a buffer into the first gap between live ones that is large enough. Returns its index.
 * Places are whole cache lines. */
int64_t crd_arena_place(crd_arena *arena, int64_t n_floats, int64_t last_use);

/** Gives what no longer is used at time `now` back. */
void crd_arena_advance(crd_arena *arena, int64_t now);

#endif
