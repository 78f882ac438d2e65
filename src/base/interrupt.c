/* Requests from outside, one word for the process. A stop outranks a checkpoint, and serving one
 * clears what it covers. Nothing is done here: a run looks between two units of work. */
#include "credence/interrupt.h"

#include <stdatomic.h>

/* Lock-free, so that a signal handler may touch it (C11 7.14.1.1). */
static _Atomic int waiting;

void crd_interrupt_post(crd_interrupt request)
{
    int now = atomic_load(&waiting);
    while (now < (int)request && !atomic_compare_exchange_weak(&waiting, &now, (int)request)) {
    }
}

crd_interrupt crd_interrupt_get(void)
{
    return (crd_interrupt)atomic_load(&waiting);
}

void crd_interrupt_clear(crd_interrupt served)
{
    int now = atomic_load(&waiting);
    while (now != 0 && now <= (int)served && !atomic_compare_exchange_weak(&waiting, &now, 0)) {
    }
}
