/** The log and the progress of the program, on stderr. Only rank 0 speaks. */
#ifndef CRD_REPORT_PROGRESS_H
#define CRD_REPORT_PROGRESS_H

#include <stdint.h>

/** Sends the library's log to stderr: warnings, and unless `quiet` what a user wants to know. */
void crd_output_set_log(int quiet);

/** Progress on stderr: one line that renews itself on a terminal (unless NO_COLOR is set or TERM is
 * dumb), else a line every ten seconds, as launchers and batch systems collect them. */
typedef struct crd_progress {
    const char *what; /**< "draws" */
    int is_shown, is_terminal, has_line;
    int64_t first; /**< done before this run: for the time left */
    double start_s, last_s;
} crd_progress;
crd_progress crd_progress_start(const char *what, int is_shown);
void crd_progress_update(crd_progress *progress, int64_t done, int64_t total);
/** Wipes the renewing line. */
void crd_progress_end(crd_progress *progress);

#endif
