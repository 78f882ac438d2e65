/* Priors: a normal distribution or a scale mixture of two, of one width or of one for each
 * layer. */
#include "bayes/prior.h"

#include <math.h>

#include "graph/graph.h"

static const double pi = 3.14159265358979323846;
static const char *const kinds[] = {
    [CRD_PRIOR_NORMAL] = "normal", [CRD_PRIOR_MIXTURE] = "mixture", NULL};
static const char *const scales[] = {[CRD_PRIOR_SCALE_FIXED] = "fixed",
                                     [CRD_PRIOR_SCALE_FAN_IN] = "fan-in",
                                     [CRD_PRIOR_SCALE_HE] = "he",
                                     NULL};

static const char *const initials[] = {[CRD_INITIAL_RANDOM] = "random",
                                       [CRD_INITIAL_DISCARDED] = "discarded",
                                       [CRD_INITIAL_MOPED] = "moped",
                                       [CRD_INITIAL_IMPORTED] = "imported",
                                       NULL};

const char *const *crd_initial_kind_names(void)
{
    return initials;
}

const char *const *crd_prior_kind_names(void)
{
    return kinds;
}

const char *const *crd_prior_scale_names(void)
{
    return scales;
}

crd_status crd_prior_check(const crd_conversion *c, crd_status code)
{
    crd_status status = CRD_OK;
    CRD_REQUIRE(isfinite(c->prior_mu), code, "prior_mu: %g is not finite", c->prior_mu);
    CRD_REQUIRE(isfinite(c->prior_sigma) && c->prior_sigma > 0, code,
                "prior_sigma: %g is not a positive number", c->prior_sigma);
    if (c->prior_kind == CRD_PRIOR_MIXTURE) {
        CRD_REQUIRE(c->prior_pi > 0 && c->prior_pi < 1, code,
                    "prior_pi: %g is not between 0 and 1, both excluded", c->prior_pi);
        CRD_REQUIRE(isfinite(c->prior_sigma2) && c->prior_sigma2 > 0, code,
                    "prior_sigma2: %g is not a positive number", c->prior_sigma2);
    }
cleanup:
    return status;
}

static double layer_scale(const crd_posterior *posterior, int64_t index)
{
    crd_prior_scale scale = posterior->conversion.prior_scale;
    if (scale == CRD_PRIOR_SCALE_FIXED)
        return 1;
    return sqrt((scale == CRD_PRIOR_SCALE_HE ? 2 : 1) /
                crd_network_fan_in(posterior->network, index));
}

crd_prior crd_prior_of(const crd_posterior *posterior, int64_t index)
{
    const crd_conversion *c = &posterior->conversion;
    const crd_param *param = &posterior->network->params.entries[index];
    const double scale = layer_scale(posterior, index);
    crd_prior out = {.mean = c->prior_mu, .sigma = scale * c->prior_sigma};
    out.offset = log(out.sigma);
    if (posterior->prior_mu != NULL)
        out.means = posterior->prior_mu + param->offset;
    if (c->prior_kind == CRD_PRIOR_MIXTURE) {
        int first_is_wide = c->prior_sigma >= c->prior_sigma2;
        double wide = scale * fmax(c->prior_sigma, c->prior_sigma2);
        double narrow = scale * fmin(c->prior_sigma, c->prior_sigma2);
        double share = first_is_wide ? c->prior_pi : 1 - c->prior_pi;
        out.is_mixture = 1;
        out.sigma = wide;
        out.offset = log(wide) - log(share);
        out.bump_log = log1p(-share) - log(share) + log(wide / narrow);
        out.bump_rate = 0.5 * (1 / (narrow * narrow) - 1 / (wide * wide));
    }
    return out;
}

double crd_posterior_prior_sigma(const crd_posterior *posterior, int64_t index)
{
    const crd_conversion *c = &posterior->conversion;
    return c->prior_sigma * layer_scale(posterior, index);
}

/* E[log(1 + exp(log - rate x^2))] for x ~ N(distance, sigma^2), what the narrow component adds.
 * The integrand vanishes with all its derivatives at both ends of the interval where bump and
 * density overlap, so the trapezoidal rule converges exponentially; with these nodes it is
 * exact to 1e-6 nats for width ratios up to e^8. Equal steps also mean that exponentials of a
 * quadratic follow from one node to the next by two multiplications. */
static crd_cross_entropy bump(const crd_prior *prior, double distance, double sigma)
{
    /* In what is left out the density is below e^-32, or the bump below e^-20. */
    const int n_nodes = 48;
    const double reach = 8, negligible = 20;
    const double height = prior->bump_log, rate = prior->bump_rate;
    crd_cross_entropy out = {0};
    if (height + negligible <= 0)
        return out;
    /* x = distance + sigma z. A sigma of zero is allowed: x is distance then, wherever z is. */
    double radius = sqrt((height + negligible) / rate);
    double z = fmax(-reach, (-radius - distance) / sigma);
    double z_end = fmin(reach, (radius - distance) / sigma);
    if (z >= z_end)
        return out;
    double step = (z_end - z) / (n_nodes - 1), dx = sigma * step, x = distance + sigma * z;
    double density = step / sqrt(2 * pi) * exp(-0.5 * z * z);
    double density_factor = exp(-step * (z + 0.5 * step)), density_change = exp(-step * step);
    double odds = exp(height - rate * x * x);
    double odds_factor = exp(-rate * dx * (2 * x + dx)), odds_change = exp(-2 * rate * dx * dx);
    for (int i = 0; i < n_nodes; i++) {
        double slope = -2 * rate * x * odds / (1 + odds);
        out.value += density * log1p(odds);
        out.dmu += density * slope;
        out.dsigma += density * slope * z;
        z += step;
        x += dx;
        density *= density_factor;
        density_factor *= density_change;
        odds *= odds_factor;
        odds_factor *= odds_change;
    }
    return out;
}

crd_cross_entropy crd_prior_cross_entropy(const crd_prior *prior, double distance, double sigma)
{
    double precision = 1 / (prior->sigma * prior->sigma);
    crd_cross_entropy out = {
        .value = prior->offset + 0.5 * precision * (sigma * sigma + distance * distance),
        .dmu = precision * distance,
        .dsigma = precision * sigma,
    };
    if (prior->is_mixture) {
        crd_cross_entropy less = bump(prior, distance, sigma);
        out.value -= less.value;
        out.dmu -= less.dmu;
        out.dsigma -= less.dsigma;
    }
    return out;
}
