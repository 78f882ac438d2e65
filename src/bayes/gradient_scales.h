/** The scales that a gradient is at, for who changes rho in place. For engine too. */
#ifndef CRD_BAYES_GRADIENT_SCALES_H
#define CRD_BAYES_GRADIENT_SCALES_H

#include "bayes/gradient.h"

/** sigma and its slope dsigma/drho, by the network's offsets, as the kernels' `scales` makes them
 * of the rho that was set; 0 where there is no posterior. Whoever changes that rho or mu in place
 * keeps them up to date instead of setting all again. */
void crd_gradient_scales(float **sigma, float **slope, crd_gradient *gradient);

#endif
