/** What is said of a Laplace approximation, by `laplace` and by `inspect`. */
#ifndef CRD_REPORT_LAPLACE_REPORT_H
#define CRD_REPORT_LAPLACE_REPORT_H

#include <jansson.h>

#include "credence/laplace.h"

/** To the end of a line, and two more. */
void crd_laplace_print(const crd_laplace *laplace);
json_t *crd_laplace_to_json(const crd_laplace *laplace);

#endif
