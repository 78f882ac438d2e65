/** Finds ranks that make no progress, and ends the job rather than let it wait for ever.
 * Room: comm. */
#ifndef CREDENCE_WATCHDOG_H
#define CREDENCE_WATCHDOG_H

#include "credence/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_watchdog crd_watchdog;
/** Gets one line: rank, host, for how long, doing what. Called once a node, in a thread of its
 * own. */
typedef void crd_watchdog_report(const char *line);

/** From now on a rank that tells nothing new for timeout_s (crd_comm_heartbeat, or any collective
 * function) while it is not waiting for others, and a node whose ranks have all waited twice as
 * long, end the job with CRD_ERR_HANG. 0: no watchdog, *out NULL. Collective: on comm; all ranks
 * fail together. One at a time for a communicator. */
crd_status crd_watchdog_start(crd_watchdog **out, crd_comm *comm, double timeout_s,
                              crd_watchdog_report *report);
/** Collective: on comm. NULL is allowed if it is NULL on all ranks. */
void crd_watchdog_stop(crd_watchdog *watchdog);

/** This rank does something new: `format` as for printf, a few words. Collective: no. Cost: one
 * line of text. */
void crd_comm_heartbeat(crd_comm *comm, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
