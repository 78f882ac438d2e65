/* What `convert` made: how many numbers are random, what they start from, how far that is from the
 * prior. */
#include <stdio.h>

#include "report/inspection.h"
#include "report/output.h"

static void print_start(const crd_conversion *c)
{
    if (c->initial == CRD_INITIAL_MOPED)
        printf("  start      MOPED: mu = weight, sigma = %g |weight|\n", c->moped_delta);
    else if (c->initial == CRD_INITIAL_IMPORTED)
        puts("  start      mu and rho as bayesian-torch has them");
    else
        printf("  start      random: mu ~ N(%g, 0.1^2), rho ~ N(%g, 0.1^2)\n", c->posterior_mu_init,
               c->posterior_rho_init);
}

static json_t *to_json(const crd_posterior *posterior, const crd_posterior_facts *facts,
                       const char *path)
{
    return json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "posterior",
                     crd_json_text(path), "arch", posterior->network->arch, "initial_values",
                     crd_initial_kind_names()[posterior->conversion.initial], "n_classes",
                     (json_int_t)posterior->n_classes, "n_bayesian", (json_int_t)facts->n_bayesian,
                     "n_bayesian_tensors", (json_int_t)facts->n_bayesian_tensors, "n_fixed",
                     (json_int_t)facts->n_fixed, "kl_sum", crd_json_real(facts->kl_sum), "kl_mean",
                     crd_json_real(facts->kl_mean));
}

crd_status crd_conversion_print(const crd_posterior *posterior, const char *path, int as_json)
{
    crd_posterior_facts facts;
    char bayesian[32], fixed[32];
    crd_posterior_facts_fill(&facts, posterior);
    if (as_json)
        return crd_json_print(to_json(posterior, &facts, path));
    crd_print_clean(path);
    printf(": %s, %lld classes\n", posterior->network->arch, (long long)posterior->n_classes);
    printf("  Bayesian   %s numbers in %lld tensors, %s\n", crd_grouped(bayesian, facts.n_bayesian),
           (long long)facts.n_bayesian_tensors, posterior->conversion.type);
    print_start(&posterior->conversion);
    printf("  fixed      %s numbers (batch norm statistics included)\n",
           crd_grouped(fixed, facts.n_fixed));
    printf("  KL         %.6g nats to the prior; %.6g as the sum of each tensor's mean\n",
           facts.kl_sum, facts.kl_mean);
    return CRD_OK;
}
