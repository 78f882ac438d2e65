/** Finds ranks that have stopped getting on, and ends the job rather than let it wait for ever.
 * Room: comm. */
#ifndef CREDENCE_WATCH_H
#define CREDENCE_WATCH_H

#include "credence/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crd_watch crd_watch;
/** Gets one line: rank, host, for how long, doing what. Called once a node, in a thread of its
 * own. */
typedef void crd_watch_report(const char *line);

/** From now on a rank that tells nothing new for timeout_s (crd_comm_note, or any collective
 * function) while it is not waiting for others, and a node whose ranks have all waited twice as
 * long, end the job with CRD_ERR_HANG. 0: no watch, *out NULL. Collective: on comm; all ranks
 * fail together. One at a time for a communicator. */
crd_status crd_watch_start(crd_watch **out, crd_comm *comm, double timeout_s,
                           crd_watch_report *report);
/** Collective: on comm. NULL is allowed if it is NULL on all ranks. */
void crd_watch_stop(crd_watch *watch);

/** This rank does something new: `format` as for printf, a few words. Collective: no. Cost: one
 * line of text. */
void crd_comm_note(crd_comm *comm, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
