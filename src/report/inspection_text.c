/* A posterior or checkpoint as people read it: settings, preprocessing, history, graph, and a line
 * for each Bayesian tensor. */
#include <stdio.h>

#include "report/inspection.h"
#include "report/laplace_report.h"
#include "report/output.h"
#include "report/train_report.h"

const char *crd_weight_shape_text(char out[CRD_SHAPE_TEXT_SIZE], const crd_network *network,
                                  int64_t op)
{
    int64_t weight = crd_network_op_param(network, op);
    return weight < 0 ? "" : crd_shape_text(out, &network->params.entries[weight].shape);
}

static void print_progress(const crd_train_state *state)
{
    printf("training\n  %lld steps: %lld epochs and %lld batches of the next\n",
           (long long)state->step, (long long)state->epoch, (long long)state->batch);
}

/** "posterior", and the line that all kinds of posterior begin with, unfinished. */
static void print_head(const crd_posterior *posterior)
{
    printf("posterior\n  %s, %lld classes%s, %s", posterior->network->arch,
           (long long)posterior->n_classes, posterior->classes != NULL ? " with names" : "",
           posterior->conversion.type);
}

/** Of another family than the normal one: without prior and initial values, which an ensemble's
 * components had of their own. */
static void print_family(const crd_posterior *e)
{
    print_head(e);
    printf(": %s of %lld %s", crd_family_name(e->family), (long long)e->n_components,
           crd_family_title(e->family));
    if (crd_family_has_deviations(e->family))
        printf(", rank %lld", (long long)e->rank);
    putchar('\n');
    if (e->n_chains > 0)
        printf("  %lld draws of each of %lld chains\n", (long long)(e->n_components / e->n_chains),
               (long long)e->n_chains);
    for (int64_t c = 0; e->origins != NULL && e->n_chains == 0 && c < e->n_components; c++) {
        printf("  component %-4lld %s  ", (long long)c, e->origins[c].digest);
        crd_print_clean(e->origins[c].file);
        putchar('\n');
    }
}

static void print_initial(const crd_conversion *c)
{
    if (c->initial == CRD_INITIAL_IMPORTED)
        puts("mu and rho taken as they were from a state dict of bayesian-torch");
    else if (c->initial == CRD_INITIAL_MOPED)
        printf("MOPED, sigma = %g |weight|, at least %g\n", c->moped_delta, c->sigma_min);
    else
        printf("initial mu ~ N(%g, 0.1^2), rho ~ N(%g, 0.1^2)\n", c->posterior_mu_init,
               c->posterior_rho_init);
    if (c->initial == CRD_INITIAL_DISCARDED)
        puts("  the weights that convert was given for its Bayesian layers were not used "
             "(--no-moped): before training it is a random network");
}

static void print_settings(const crd_posterior *posterior, const crd_posterior_facts *facts)
{
    const crd_conversion *c = &posterior->conversion;
    print_head(posterior);
    printf("\n  prior N(%g, %g^2)%s", c->prior_mu, c->prior_sigma,
           posterior->prior_mu != NULL ? " with the weights as means" : "");
    if (c->prior_kind == CRD_PRIOR_MIXTURE)
        printf(" in a share of %g, else sd %g", c->prior_pi, c->prior_sigma2);
    printf(", scale %s; ", crd_prior_scale_names()[c->prior_scale]);
    if (posterior->laplace.n_images > 0)
        crd_laplace_print(&posterior->laplace);
    else
        print_initial(c);
    printf("  KL %.6g nats to the prior; %.6g as the sum of each tensor's mean\n", facts->kl_sum,
           facts->kl_mean);
}

static void print_preprocessing(const crd_preprocessing *p)
{
    printf("preprocessing\n  %s; resize %lld (%s), crop %lld", p->channels == 1 ? "grey" : "RGB",
           (long long)p->resize, crd_interpolation_names()[p->interpolation], (long long)p->crop);
    if (crd_preprocessing_width(p) != p->crop)
        printf(" x %lld", (long long)p->crop_width);
    printf("; mean");
    for (int64_t k = 0; k < p->channels; k++)
        printf(" %g", (double)p->mean[k]);
    printf(", sd");
    for (int64_t k = 0; k < p->channels; k++)
        printf(" %g", (double)p->sd[k]);
    putchar('\n');
}

static void print_graph(const crd_inspection *inspection)
{
    const crd_network *network = inspection->posterior->network;
    printf("graph\n  %-30s %-18s %-18s %-16s %s\n", "op", "kind", "output", "weight", "Bayesian");
    for (int64_t i = 0; i < network->n_ops; i++) {
        char output[CRD_SHAPE_TEXT_SIZE], weight[CRD_SHAPE_TEXT_SIZE];
        printf("  %-30s %-18s %-18s %-16s %s\n", crd_network_op_name(network, i),
               crd_network_op_kind(network, i),
               crd_shape_text(output, crd_network_op_shape(network, i)),
               crd_weight_shape_text(weight, network, i),
               crd_inspection_is_bayesian(inspection, i) ? "yes" : "");
    }
}

static void print_tensors(const crd_inspection *inspection)
{
    const crd_params *params = &inspection->posterior->network->params;
    printf("Bayesian tensors          %36s %29s\n  %-32s %9s %9s %9s  %9s %9s %9s  %11s\n", "sigma",
           "|mu| / sigma", "name", "min", "median", "max", "5 %", "median", "95 %", "KL, nats");
    for (int64_t i = 0; i < inspection->n_tensors; i++) {
        const crd_tensor_facts *f = &inspection->tensors[i];
        printf("  %-32s %9.3g %9.3g %9.3g  %9.3g %9.3g %9.3g  %11.5g\n",
               params->entries[f->param].name, f->sigma_min, f->sigma_median, f->sigma_max,
               f->snr_5, f->snr_50, f->snr_95, f->kl);
    }
}

void crd_inspection_print(const crd_inspection *inspection)
{
    const crd_posterior *posterior = inspection->posterior;
    if (inspection->kind == CRD_FILE_CHECKPOINT)
        print_progress(&inspection->state);
    if (inspection->is_normal)
        print_settings(posterior, &inspection->facts);
    else
        print_family(posterior);
    print_preprocessing(&posterior->preprocessing);
    if (inspection->n_epochs > 0)
        crd_train_print_history(inspection->history, inspection->n_epochs);
    print_graph(inspection);
    if (inspection->is_normal)
        print_tensors(inspection);
}
