/* Distribution function, quantiles and scores of a mixture of normals in equal shares. */
#include "stats/normal_mixture.h"

#include <math.h>

#define LOG_TWO_PI 1.8378770664093454836
#define SQRT_TWO 1.4142135623730950488

double crd_normal_mixture_mean_quantile(const crd_normal_mixture *m, double p)
{
    double place = p * (double)(m->n - 1);
    int64_t below = (int64_t)floor(place);
    if (below >= m->n - 1)
        return m->sorted[m->n - 1];
    return m->sorted[below] + (place - (double)below) * (m->sorted[below + 1] - m->sorted[below]);
}

double crd_normal_below(double z)
{
    return 0.5 * erfc(-z / SQRT_TWO);
}

static double normal_density(double z)
{
    return exp(-0.5 * (z * z + LOG_TWO_PI));
}

double crd_normal_mixture_at(double *density, const crd_normal_mixture *m, double x)
{
    double below = 0;
    *density = 0;
    for (int64_t i = 0; i < m->n; i++) {
        double z = (x - m->mean[i]) / m->sd[i];
        below += crd_normal_below(z);
        *density += normal_density(z) / m->sd[i];
    }
    *density /= (double)m->n;
    return below / (double)m->n;
}

/* By Newton's steps, and by halves where these leave the bracket or shrink it too little. */
double crd_normal_mixture_quantile(const crd_normal_mixture *m, double p)
{
    enum { MOST_STEPS = 200 };
    double low = INFINITY, high = -INFINITY, density;
    for (int64_t i = 0; i < m->n; i++) {
        low = fmin(low, m->mean[i] - 9 * m->sd[i]);
        high = fmax(high, m->mean[i] + 9 * m->sd[i]);
    }
    double x = crd_normal_mixture_mean_quantile(m, p);
    for (int step = 0; step < MOST_STEPS && high - low > 1e-13 * (fabs(low) + fabs(high)); step++) {
        double width = high - low, gap = crd_normal_mixture_at(&density, m, x) - p;
        if (gap > 0)
            high = x;
        else
            low = x;
        double next = x - gap / density;
        if (fabs(next - x) <= 1e-14 * fabs(x))
            return next;
        int is_slow = step % 3 == 2 && high - low > 0.5 * width;
        x = next > low && next < high && !is_slow ? next : 0.5 * (low + high);
    }
    return x;
}

/* Of component i. */
static double log_density(const crd_normal_mixture *m, int64_t i, double x)
{
    double z = (x - m->mean[i]) / m->sd[i];
    return -0.5 * (z * z + LOG_TWO_PI) - log(m->sd[i]);
}

/* -log of the mean density, by a sum of exponentials that neither overflows nor vanishes. */
double crd_normal_mixture_nll(const crd_normal_mixture *m, double target)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < m->n; i++)
        largest = fmax(largest, log_density(m, i, target));
    for (int64_t i = 0; i < m->n; i++)
        sum += exp(log_density(m, i, target) - largest);
    return log((double)m->n) - largest - log(sum);
}

/* Mean of |x| for x ~ N(mean, sd^2). */
static double mean_distance(double mean, double sd)
{
    if (!(sd > 0))
        return fabs(mean);
    double z = mean / sd;
    return 2 * sd * normal_density(z) + mean * erf(z / SQRT_TWO);
}

double crd_normal_mixture_crps(const crd_normal_mixture *m, double target)
{
    double near = 0, apart = 0, n = (double)m->n;
    for (int64_t i = 0; i < m->n; i++)
        near += mean_distance(target - m->mean[i], m->sd[i]);
    for (int64_t i = 0; !m->has_noise && i < m->n; i++)
        apart += (double)(2 * i + 1 - m->n) * m->sorted[i];
    for (int64_t i = 0; m->has_noise && i < m->n; i++) {
        apart += mean_distance(0, SQRT_TWO * m->sd[i]) / 2;
        for (int64_t j = 0; j < i; j++)
            apart += mean_distance(m->mean[i] - m->mean[j], hypot(m->sd[i], m->sd[j]));
    }
    return near / n - apart / (n * n);
}

double crd_normal_mixture_covers(const crd_normal_mixture *m, double target, double probability)
{
    double density, tail = (1 - probability) / 2;
    if (m->n < 2 && !m->has_noise)
        return NAN;
    if (m->has_noise)
        return fabs(crd_normal_mixture_at(&density, m, target) - 0.5) <= probability / 2;
    return crd_normal_mixture_mean_quantile(m, tail) <= target &&
           target <= crd_normal_mixture_mean_quantile(m, 1 - tail);
}
