/** What a batch system (Slurm) says of the job that this is, and what is wrong with how it was
 * started. */
#ifndef CRD_APP_BATCH_JOB_H
#define CRD_APP_BATCH_JOB_H

#include "credence/comm.h"

/** Number of the job, or NULL outside of one. Static. */
const char *crd_batch_job_id(void);

/** Within a job: warns of a node whose ranks share cores, and of cores that were asked for and
 * stay idle. Elsewhere more ranks than cores are the user's choice. Collective: on comm. */
crd_status crd_batch_job_check(crd_comm *comm);

#endif
