/** What the program says: results on stdout, log and progress on stderr. Only rank 0 speaks.
 */
#ifndef CRD_CLI_OUTPUT_H
#define CRD_CLI_OUTPUT_H

#include <jansson.h>
#include <stdint.h>

#include "credence/predictive.h"

/** Sends the library's log to stderr: warnings, and unless `quiet` what a user wants to know. */
void crd_output_set_log(int quiet);

/** Progress on stderr: one line that renews itself on a terminal (unless NO_COLOR is set or TERM is
 * dumb), else a line every ten seconds, as launchers and batch systems collect them. */
typedef struct crd_progress {
    const char *what; /**< "draws" */
    int is_shown, is_terminal, has_line;
    double start_s, last_s;
} crd_progress;
crd_progress crd_progress_start(const char *what, int is_shown);
void crd_progress_update(crd_progress *progress, int64_t done, int64_t total);
/** Wipes the renewing line. */
void crd_progress_end(crd_progress *progress);

/** Prints text with control characters replaced: names from outside must not drive a terminal. */
void crd_print_clean(const char *text);
/** Prints text and fills up with blanks to `width` characters (UTF-8 counted by characters). */
void crd_print_padded(const char *text, int width);
/** Characters of a UTF-8 text. */
int crd_text_width(const char *text);
/** 11689512 as "11,689,512". */
const char *crd_grouped(char out[32], int64_t number);

/** A number, or null where it is not finite: JSON has no NaN. */
json_t *crd_json_real(double value);
/** Prints one JSON object on stdout and frees it. Errors: CRD_ERR_INTERNAL if it is NULL. */
crd_status crd_json_print(json_t *object);

/** What a prediction's output shows besides its summary. All borrowed. */
typedef struct crd_prediction_view {
    const crd_summary *summary;
    const char *const *image_names;
    const char *const *class_names; /**< NULL: numbers */
    const char *posterior;          /**< its path */
    const char *estimator;          /**< "mean" for the deterministic network */
    int is_mean;                    /**< 1: no draws were made: there is no error to show */
    int list_classes;               /**< 1: list the top classes even of several images */
    uint64_t seed;
    int n_ranks;
    double seconds;
} crd_prediction_view;

/** One image: the notebook's list with errors. Several: one line each, or lists if asked for. */
void crd_prediction_print(const crd_prediction_view *view);
/** The same and all per-image figures as one JSON object. */
crd_status crd_prediction_print_json(const crd_prediction_view *view);
/** Top class of one draw: "draw 0: 868, tray 13.47 %". `name` NULL: the class has no name. */
void crd_draw_print(const char *image, int64_t draw, int64_t class_index, const char *name,
                    double probability);

#endif
