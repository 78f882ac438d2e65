/* A Laplace approximation in three lines, or as JSON. */
#include "report/laplace_report.h"

#include <stdio.h>

#include "report/output.h"

void crd_laplace_print(const crd_laplace *l)
{
    char n_images[32];
    printf("Laplace approximation of the last layer (%s Hessian)\n",
           crd_hessian_names()[l->hessian]);
    printf("  prior precision %.6g, %s; %s images determine %.6g weights\n", l->prior_precision,
           l->is_optimized ? "of the largest marginal likelihood" : "as given",
           crd_grouped(n_images, l->n_images), l->n_effective);
    printf("  log likelihood %.8g, log marginal likelihood %.8g\n", l->log_likelihood,
           l->log_marginal_likelihood);
}

json_t *crd_laplace_to_json(const crd_laplace *l)
{
    return json_pack("{s:s, s:I, s:o, s:b, s:o, s:o, s:o}", "hessian",
                     crd_hessian_names()[l->hessian], "n_images", (json_int_t)l->n_images,
                     "prior_precision", crd_json_real(l->prior_precision), "is_optimized",
                     (int)l->is_optimized, "log_likelihood", crd_json_real(l->log_likelihood),
                     "log_marginal_likelihood", crd_json_real(l->log_marginal_likelihood),
                     "n_effective", crd_json_real(l->n_effective));
}
