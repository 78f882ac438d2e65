/* The map between rho, which an optimizer may move freely, and sigma, which must be positive. */
#include <math.h>

#include "credence/posterior.h"

double crd_sigma_of_rho(double rho)
{
    return fmax(rho, 0) + log1p(exp(-fabs(rho)));
}

double crd_rho_of_sigma(double sigma)
{
    /* log(e^s - 1) = s + log(1 - e^-s): expm1 overflows at 710 in double and at 88.7 in the float32
     * of bayesian-torch, whose rho is infinite then. 1e-20 is below the rounding on this side. */
    if (sigma > 1)
        return sigma + log1p(-exp(-sigma));
    return log(expm1(sigma) + 1e-20);
}
