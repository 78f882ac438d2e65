/** What a run writes is none of its inputs, and no other run's output. Rank 0 only. Private to this
 * room. */
#ifndef CRD_APP_OUTPUT_CLAIM_H
#define CRD_APP_OUTPUT_CLAIM_H

#include "io/output_lock.h"

/** What a run reads: a posterior or weights, data[n_data] as credence/dataset.h has them, and one
 * more. All borrowed; NULL: none. */
typedef struct crd_output_inputs {
    const char *posterior;
    const char *const *data;
    int n_data;
    const char *other;
} crd_output_inputs;

/** Fails if a file written as `path` would replace one that is read, or a file of a data set among
 * them (idx:, cifar10:, a JPEG below a folder). Errors: CRD_ERR_USAGE. */
crd_status crd_output_check(const char *path, const crd_output_inputs *inputs);
/** The same, and takes the lock of all that is written as `path` (io/output_lock.h). path NULL:
 * there is no output, and *out is NULL. Errors: also CRD_ERR_IO: another run is writing it. Release
 * it when all is in its place. */
crd_status crd_output_claim(crd_output_lock **out, const char *path,
                            const crd_output_inputs *inputs);

#endif
