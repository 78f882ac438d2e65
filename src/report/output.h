/** Results on stdout, as text and as JSON. Only rank 0 speaks. */
#ifndef CRD_REPORT_OUTPUT_H
#define CRD_REPORT_OUTPUT_H

#include <jansson.h>
#include <stdint.h>

#include "credence/predict.h"
#include "credence/predictive.h"

/** Prints text with control characters replaced: names from outside must not drive a terminal. */
void crd_print_clean(const char *text);
/** Prints text and fills up with blanks to `width` characters (UTF-8 counted by characters). */
void crd_print_padded(const char *text, int width);
/** Characters of a UTF-8 text. */
int crd_text_width(const char *text);
/** 11689512 as "11,689,512". */
const char *crd_grouped(char out[32], int64_t number);

/** An entropy or mutual information as it is printed: from 0 to the logarithm of the number of
 * classes, between which the truth lies. A debiased estimate may lie outside; files and JSON
 * hold it as it is. */
double crd_printed_nats(double nats, int64_t n_classes);
/** Says of how little worth a standard error over few things is: "2 draws". Nothing from 10 on. */
void crd_remark_few(int64_t n, const char *what);

/** A number, or null where it is not finite: JSON has no NaN. */
json_t *crd_json_real(double value);
/** A text; bytes that are no UTF-8 (file names may hold any) become "?". */
json_t *crd_json_text(const char *text);
/** Prints one JSON object on stdout and frees it. Errors: CRD_ERR_INTERNAL if it is NULL. */
crd_status crd_json_print(json_t *object);

/** The same in one line. */
crd_status crd_json_print_line(json_t *object);

/** What a prediction's output shows besides its summaries. All borrowed. */
typedef struct crd_prediction_view {
    const char *const *image_names; /**< [n_images] */
    const crd_reduction *reduction;
    int64_t n_images, n_draws;
    const char *const *output_names; /**< of classes, values; NULL: numbers */
    const char *posterior;           /**< its path */
    const char *estimator;           /**< "mean" for the deterministic network */
    const char *precision;
    int list_classes;     /**< 1: list the top classes even of several images */
    double confidence;    /**< of the half-widths */
    int show_half_widths; /**< 1: text has them too; JSON always has */
    int is_adaptive;      /**< 1: n_draws is the most; an image's own number is shown */
    int64_t least_draws,
        most_draws; /**< of the images so far: crd_prediction_view_add; begin at n_draws, 0 */
    int n_ranks;
    uint64_t seed;
    /* Set by crd_prediction_view_measure. */
    size_t folder;                /**< length of the folders that all names have in common */
    int name_width, output_width; /**< of a line for each image */
} crd_prediction_view;

/** Name of an output, or its number written to `number`. */
const char *crd_output_name(char number[24], const crd_prediction_view *view, int64_t k);

/** Measures names and classes, once for all that is printed. */
void crd_prediction_view_measure(crd_prediction_view *view);

/** Takes the numbers of draws of these images into account. */
void crd_prediction_view_add(crd_prediction_view *view, const crd_summary *summary);
/** The head of the lines that several images get. */
void crd_prediction_print_head(const crd_prediction_view *view);
/** One image: the notebook's list with errors. Several: a line each, or lists if asked for. The
 * rows of `summary` are images [first_image, + summary->n_images). */
void crd_prediction_print(const crd_prediction_view *view, const crd_summary *summary,
                          int64_t first_image, double seconds);
/** The last line, for several images. */
void crd_prediction_print_end(const crd_prediction_view *view, double seconds);
/** Appends the images of `summary` to a JSON array: all figures of an image, and its top
 * classes. */
void crd_prediction_append_json(json_t *images, const crd_prediction_view *view,
                                const crd_summary *summary, int64_t first_image);
/** The whole as one JSON object on stdout. Takes `images` over. */
crd_status crd_prediction_print_json(const crd_prediction_view *view, json_t *images,
                                     double seconds, const crd_predict_report *report);
/** What one draw says of an image, from its outputs: "draw 0: 868, tray 13.47 %", or its values.
 * `room` holds a draw field. */
void crd_draw_print(const crd_prediction_view *view, int64_t image, int64_t draw,
                    const float *outputs, float *room);

#endif
