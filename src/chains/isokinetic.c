/* The parts of a microcanonical step. Sums over weights are in their order, in double. */
#include "chains/isokinetic.h"

#include <math.h>

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

void crd_isokinetic_normalize(float *u, int64_t n)
{
    double norm = sqrt(dot(u, u, n));
    for (int64_t i = 0; norm > 0 && i < n; i++)
        u[i] = (float)((double)u[i] / norm);
}

/* With e = -g / |g|, d = n - 1, delta = time |g| / d and z = exp(-delta):
 * u <- (1 - z) (1 + z + (e u) (1 - z)) e + 2 z u, made of length 1 again. */
double crd_isokinetic_turn(float *u, const float *g, int64_t n, double time, double inverse_t)
{
    const double norm = sqrt(dot(g, g, n)), d = (double)(n - 1);
    if (norm == 0)
        return 0;
    const double cosine = -dot(u, g, n) / norm, delta = time * norm * inverse_t / d;
    const double z = exp(-delta);
    const double along = (1 - z) * (1 + z + cosine * (1 - z));
    for (int64_t i = 0; i < n; i++)
        u[i] = (float)(2 * z * (double)u[i] - along * (double)g[i] / norm);
    crd_isokinetic_normalize(u, n);
    return d * (delta + log(0.5 * (1 + cosine + (1 - cosine) * z * z)));
}

void crd_isokinetic_drift(float *position, const float *u, int64_t n, double time)
{
    for (int64_t i = 0; i < n; i++)
        position[i] = (float)((double)position[i] + time * (double)u[i]);
}
