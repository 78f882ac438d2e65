/** Of many images the most uncertain ones, and means over all, taken from the rows as they come. */
#ifndef CRD_APP_UNCERTAIN_H
#define CRD_APP_UNCERTAIN_H

#include "credence/predictive.h"

/** Up to so many images each are worth a line of their own. */
#define CRD_UNCERTAIN_FROM 100
/** So many of more are kept. */
#define CRD_UNCERTAIN_LISTED 20
/** So many of the most frequent classes are told. */
#define CRD_UNCERTAIN_CLASSES 5

typedef struct crd_uncertain {
    crd_summary rows; /**< of the listed images, in no order */
    int64_t images[CRD_UNCERTAIN_LISTED];
    double scores[CRD_UNCERTAIN_LISTED]; /**< crd_summary_doubt */
    int64_t n_listed;
    int64_t *votes; /**< of classes: [n_classes] images whose top class it is */
    int64_t n_done; /**< images without the skipped ones */
    double probability, entropy, aleatoric, epistemic; /**< sums over them */
} crd_uncertain;

/** What they say together. */
typedef struct crd_uncertain_facts {
    int64_t order[CRD_UNCERTAIN_LISTED]; /**< [n_listed] rows, the most uncertain first */
    int64_t n_listed, n_done;
    /** Means over images, of classes only. */
    double probability, entropy, aleatoric, epistemic;
    /** The most frequent top classes, and of how many images they are. */
    int64_t classes[CRD_UNCERTAIN_CLASSES], counts[CRD_UNCERTAIN_CLASSES];
    int n_classes;
} crd_uncertain_facts;

crd_status crd_uncertain_init(crd_uncertain *uncertain, const crd_reduction *reduction);
void crd_uncertain_clear(crd_uncertain *uncertain);
/** Takes images [first_image, + summary->n_images). The same images in any order give the same
 * list. */
void crd_uncertain_add(crd_uncertain *uncertain, const crd_summary *summary, int64_t first_image);
void crd_uncertain_finish(crd_uncertain_facts *out, const crd_uncertain *uncertain);

#endif
