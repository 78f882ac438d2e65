/* First fit: small, and for the graphs of networks within a few percent of the largest sum of live
 * buffers. Cost: the square of the number of live ones. */
#include "graph/arena.h"

#include "base/alloc.h"

crd_status crd_arena_init(crd_arena *arena, int64_t capacity)
{
    crd_status status = CRD_OK;
    *arena = (crd_arena){.capacity = capacity};
    CRD_ALLOC(&arena->buffers, capacity, "memory plan");
    CRD_ALLOC(&arena->live, capacity, "memory plan");
cleanup:
    if (status != CRD_OK)
        crd_arena_clear(arena);
    return status;
}

void crd_arena_clear(crd_arena *arena)
{
    crd_free(arena->live);
    crd_free(arena->buffers);
    *arena = (crd_arena){0};
}

int64_t crd_arena_place(crd_arena *arena, int64_t n_floats, int64_t last_use)
{
    const int64_t align = CRD_ALIGNMENT / (int64_t)sizeof(float);
    int64_t size = (n_floats + align - 1) / align * align, offset = 0, at = 0;
    for (; at < arena->n_live; at++) {
        const crd_arena_buffer *next = &arena->buffers[arena->live[at]];
        if (next->offset - offset >= size)
            break;
        offset = next->end;
    }
    for (int64_t i = arena->n_live; i > at; i--)
        arena->live[i] = arena->live[i - 1];
    arena->live[at] = arena->n_buffers;
    arena->n_live++;
    arena->buffers[arena->n_buffers] = (crd_arena_buffer){offset, offset + size, last_use};
    if (arena->n_floats < offset + size)
        arena->n_floats = offset + size;
    return arena->n_buffers++;
}

void crd_arena_advance(crd_arena *arena, int64_t now)
{
    int64_t n = 0;
    for (int64_t i = 0; i < arena->n_live; i++)
        if (arena->buffers[arena->live[i]].last_use > now)
            arena->live[n++] = arena->live[i];
    arena->n_live = n;
}
