/** How estimates with two errors, over images and of the draws, are said. */
#ifndef CRD_REPORT_OUTPUT_ESTIMATES_H
#define CRD_REPORT_OUTPUT_ESTIMATES_H

#include <jansson.h>

#include "credence/agreement.h"

/** "93.10 ± 0.25 ± 0.12"; without the second error where it is NaN. `scale` 100: in percent. */
void crd_print_estimate(const crd_mc_estimate *estimate, double scale, int n_digits);
/** {"value", "se", "mcse"} */
json_t *crd_json_estimate(const crd_mc_estimate *estimate);

/** Three lines. */
void crd_print_agreement(const crd_agreement *agreement);
json_t *crd_json_agreement(const crd_agreement *agreement);

#endif
