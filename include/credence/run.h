/** What a run says of itself: its command and settings, for the provenance of its files and the key
 * of its checkpoints.
 *
 * An output, of every function that writes one (..._files.h), is none of the run's inputs, else
 * the function fails with CRD_ERR_USAGE; and one run's at a time: while it is being written another
 * run, of whatever process, fails with CRD_ERR_IO, which names the process and its host. The lock
 * is a file ".NAME.lock" beside the output, and ends with its process; where the file system has no
 * locks there is none. Room: app.
 */
#ifndef CREDENCE_RUN_H
#define CREDENCE_RUN_H

#include <stdint.h>

#include "credence/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One setting of a run as text. All borrowed. */
typedef struct crd_setting {
    const char *name; /**< as an option is called, without dashes before it: "draw-block" */
    const char *text; /**< what files record; NULL: nothing */
    /** For a setting that changes the result: equal values have equal texts. A run continues
     * only from a checkpoint with the same. NULL: does not change the result. */
    const char *exact;
} crd_setting;

/** A program that has settings of its own fills this in; all zero: the functions that take it
 * write down the options that they were given. All borrowed. */
typedef struct crd_record {
    const char *command;         /**< the command line; NULL: "libcredence" */
    const crd_setting *settings; /**< [n_settings]; with any, these and no others are recorded */
    int n_settings;
} crd_record;

#ifdef __cplusplus
}
#endif
#endif
