/* Estimates with two errors as text and as JSON. */
#include "report/output_estimates.h"

#include <math.h>
#include <stdio.h>

#include "report/output.h"

void crd_print_estimate(const crd_mc_estimate *e, double scale, int n_digits)
{
    printf("%.*f ± %.*f", n_digits, scale * e->value, n_digits, scale * e->se);
    if (!isnan(e->mcse))
        printf(" ± %.*f", n_digits, scale * e->mcse);
}

json_t *crd_json_estimate(const crd_mc_estimate *e)
{
    return json_pack("{s:o, s:o, s:o}", "value", crd_json_real(e->value), "se",
                     crd_json_real(e->se), "mcse", crd_json_real(e->mcse));
}

void crd_print_agreement(const crd_agreement *a)
{
    printf("  %-15s ", "agreement");
    crd_print_estimate(&a->agreement, 100, 2);
    printf(" %% of the images have the same most probable class\n  %-15s ", "total variation");
    crd_print_estimate(&a->total_variation, 1, 4);
    printf("\n  %-15s ", "KL divergence");
    crd_print_estimate(&a->kl, 1, 4);
    printf(" nats\n");
}

json_t *crd_json_agreement(const crd_agreement *a)
{
    return json_pack("{s:o, s:o, s:o}", "agreement", crd_json_estimate(&a->agreement),
                     "total_variation", crd_json_estimate(&a->total_variation), "kl",
                     crd_json_estimate(&a->kl));
}
