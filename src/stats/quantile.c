/* Inverses of distribution functions: Halley's steps on erfc for the normal one; Newton's within a
 * bracket for the beta one, whose function is a continued fraction (Abramowitz and Stegun 26.2.23,
 * 26.5.8; evaluated by Lentz' method). */
#include "stats/quantile.h"

#include <float.h>
#include <math.h>

#include "base/integers.h"
#include "stats/normal_mixture.h"

static const double two_pi = 6.283185307179586;

double crd_normal_quantile(double p)
{
    /* In the lower tail, where probabilities keep their digits. */
    const double tail = fmin(p, 1 - p), t = sqrt(-2 * log(tail));
    double x = (2.515517 + t * (0.802853 + t * 0.010328)) /
                   (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) -
               t;
    if (p == 0.5)
        return 0;
    for (int i = 0; i < 3; i++) {
        double step = (crd_normal_below(x) - tail) * sqrt(two_pi) * exp(x * x / 2);
        x -= step / (1 + x * step / 2);
    }
    return p < 0.5 ? x : -x;
}

/* The logarithm of x^a (1 - x)^b / B(a, b). */
static double log_power(double x, double a, double b)
{
    return lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x);
}

/* 1 / (1 + d1 / (1 + d2 / (1 + ...))) with the terms of the incomplete beta function. */
static double beta_fraction(double x, double a, double b)
{
    enum { MAX_TERMS = 100000 };
    double value = 1, numerator = 1, denominator = 0;
    for (int k = 0; k < MAX_TERMS; k++) {
        double m = floor(k / 2.0), d = 1;
        if (k > 0)
            d = k % 2 == 0 ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                           : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        denominator = 1 + d * denominator;
        numerator = 1 + d / numerator;
        denominator = 1 / (fabs(denominator) < DBL_MIN ? DBL_MIN : denominator);
        numerator = fabs(numerator) < DBL_MIN ? DBL_MIN : numerator;
        double factor = numerator * denominator;
        value *= factor;
        if (k > 0 && fabs(factor - 1) < DBL_EPSILON)
            break;
    }
    return value - 1;
}

double crd_beta_below(double x, double a, double b)
{
    if (x <= 0 || x >= 1)
        return x > 0;
    /* The fraction converges fast on the mean's lower side; on the other one it is 1 less that of
     * 1 - x. */
    if (x > (a + 1) / (a + b + 2))
        return 1 - crd_beta_below(1 - x, b, a);
    return exp(log_power(x, a, b)) * beta_fraction(x, a, b) / a;
}

double crd_beta_quantile(double p, double a, double b)
{
    double low = 0, high = 1, x = a / (a + b);
    for (int i = 0; i < 200 && high - low > DBL_EPSILON * high; i++) {
        double apart = crd_beta_below(x, a, b) - p;
        *(apart < 0 ? &low : &high) = x;
        double next = x - apart * exp(-log_power(x, a, b)) * x * (1 - x);
        if (!(next > low && next < high))
            next = (low + high) / 2;
        if (fabs(next - x) <= DBL_EPSILON * x)
            return next;
        x = next;
    }
    return x;
}

double crd_sorted_quantile(const double *sorted, int64_t n, double p)
{
    if (n == 1)
        return sorted[0];
    const double place = (double)n * p + (1 + p * -1);
    const double clipped = fmin(fmax(place, 1), (double)(n - 1));
    const int64_t k = (int64_t)floor(clipped);
    const double share = fmin(fmax(place - (double)k, 0), 1);
    return (1 - share) * sorted[k - 1] + share * sorted[k];
}
