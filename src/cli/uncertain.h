/** What is said of many images instead of a line each: the most uncertain ones, and a summary of
 * all. */
#ifndef CRD_CLI_UNCERTAIN_H
#define CRD_CLI_UNCERTAIN_H

#include "cli/output.h"

/** Up to so many images each has its line. */
#define CRD_UNCERTAIN_FROM 100
/** So many of more are listed. */
#define CRD_UNCERTAIN_LISTED 20

typedef struct crd_uncertain {
    crd_summary rows;  /**< of the listed images, in no order */
    crd_summary shown; /**< the one that is printed */
    int64_t images[CRD_UNCERTAIN_LISTED];
    double scores[CRD_UNCERTAIN_LISTED]; /**< crd_summary_doubt */
    int64_t n_listed;
    int64_t *votes; /**< of classes: [n_classes] images whose top class it is */
    int64_t n_done; /**< images without the skipped ones */
    double probability, entropy, aleatoric, epistemic; /**< sums over them */
} crd_uncertain;

crd_status crd_uncertain_init(crd_uncertain *uncertain, const crd_reduction *reduction);
void crd_uncertain_clear(crd_uncertain *uncertain);
/** Takes images [first_image, + summary->n_images). The same images in any order give the same
 * list. */
void crd_uncertain_add(crd_uncertain *uncertain, const crd_summary *summary, int64_t first_image);
/** Prints the list, the most uncertain first, and the summary. */
void crd_uncertain_print(crd_uncertain *uncertain, const crd_prediction_view *view);

#endif
