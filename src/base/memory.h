/** How much memory there is. */
#ifndef CRD_BASE_MEMORY_H
#define CRD_BASE_MEMORY_H

#include <stdint.h>

/** Bytes that the control groups of this process leave it now; INT64_MAX without a limit. Others
 * of the group take from the same. Cost: reads a few small files. */
int64_t crd_memory_left(void);
/** Bytes that this process could have: the least of the machine's memory, of what the control
 * groups leave, and of what its limit of address space allows (ulimit -v). */
int64_t crd_memory_most(void);

#endif
