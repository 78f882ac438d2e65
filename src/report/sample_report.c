/* What a run of chains says: what it is going to do, and at the end a line for each chain and how
 * far they have mixed, or an object with the same. */
#include "report/sample_report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "credence/log.h"
#include "report/output.h"

void crd_sample_print_start(const crd_sampling_info *info, const crd_sample_files_options *options)
{
    const crd_sample_options *o = &options->sample;
    char n_images[32], n_weights[32], n_steps[32];
    crd_log(CRD_LOG_INFO, "%s images, %s weights; %lld chain%s of %s steps, %lld draw%s each",
            crd_grouped(n_images, info->n_images), crd_grouped(n_weights, info->n_weights),
            (long long)o->n_chains, o->n_chains == 1 ? "" : "s",
            crd_grouped(n_steps, info->n_steps), (long long)o->chain.n_draws,
            o->chain.n_draws == 1 ? "" : "s");
    crd_log(CRD_LOG_INFO, "%s.draws: %.1f MB", info->checkpoint, 1e-6 * (double)info->draws_bytes);
}

/** Of one chain: last step size, mean acceptance, steps undone, first and last log posterior. */
static json_t *chain_facts(const double *figures, int64_t n_draws)
{
    const double *last = figures + (n_draws - 1) * CRD_DRAW_FIGURES;
    double acceptance = 0, diverging = 0;
    for (int64_t d = 0; d < n_draws; d++) {
        acceptance += figures[d * CRD_DRAW_FIGURES + CRD_DRAW_ACCEPTANCE] / (double)n_draws;
        diverging += figures[d * CRD_DRAW_FIGURES + CRD_DRAW_DIVERGING];
    }
    return json_pack("{s:o, s:o, s:I, s:o, s:o}", "step_size",
                     crd_json_real(last[CRD_DRAW_STEP_SIZE]), "acceptance_rate",
                     crd_json_real(acceptance), "diverging", (json_int_t)diverging, "first_lp",
                     crd_json_real(figures[CRD_DRAW_LP]), "last_lp",
                     crd_json_real(last[CRD_DRAW_LP]));
}

static double real_of(const json_t *facts, const char *key)
{
    return json_number_value(json_object_get(facts, key));
}

/** The worst of the weights that were chosen. */
typedef struct worst {
    double rhat, bulk, tail; /* NaN where there is none */
} worst;

static worst find_worst(const crd_chain_report *r)
{
    worst w = {NAN, NAN, NAN};
    for (int64_t k = 1; k <= r->n_weights; k++) {
        w.rhat = fmax(w.rhat, r->diagnostics[k].rhat);
        w.bulk = fmin(w.bulk, r->diagnostics[k].ess_bulk);
        w.tail = fmin(w.tail, r->diagnostics[k].ess_tail);
    }
    return w;
}

static json_t *convergence(const crd_chain_report *r)
{
    const crd_chain_diagnostics *lp = r->diagnostics;
    const worst w = find_worst(r);
    return json_pack("{s:{s:o, s:o, s:o, s:o, s:o}, s:{s:I, s:o, s:o, s:o}}", "lp", "rhat",
                     crd_json_real(lp->rhat), "ess_bulk", crd_json_real(lp->ess_bulk), "ess_tail",
                     crd_json_real(lp->ess_tail), "mean", crd_json_real(lp->mean.value),
                     "mcse_mean", crd_json_real(lp->mean.se), "weights", "n",
                     (json_int_t)r->n_weights, "largest_rhat", crd_json_real(w.rhat),
                     "smallest_ess_bulk", crd_json_real(w.bulk), "smallest_ess_tail",
                     crd_json_real(w.tail));
}

/** What there is of R-hat, which one chain has not, and of effective sample sizes. */
static void print_convergence(const crd_chain_report *r)
{
    const crd_chain_diagnostics *lp = r->diagnostics;
    const worst w = find_worst(r);
    if (!isfinite(lp->ess_bulk)) /* too few draws */
        return;
    printf("  log posterior %.6g ± %.2g, effective draws %.0f (tails %.0f)", lp->mean.value,
           lp->mean.se, lp->ess_bulk, lp->ess_tail);
    if (!isnan(lp->rhat))
        printf(", R-hat %.3f", lp->rhat);
    printf("\n  %lld weights at random: effective draws from %.0f on", (long long)r->n_weights,
           w.bulk);
    if (!isnan(w.rhat))
        printf(", R-hat up to %.3f", w.rhat);
    putchar('\n');
    if (fmax(w.rhat, lp->rhat) > 1.01)
        crd_log(CRD_LOG_INFO, "R-hat above 1.01: the chains have not mixed, or are too short");
}

crd_status crd_sample_print_end(const crd_sample_files_options *options,
                                const crd_posterior *chains, const crd_chain_report *report,
                                int as_json)
{
    const double *figures = report->figures;
    int64_t n_draws = report->n_draws;
    json_t *list = json_array();
    for (int64_t c = 0; c < chains->n_chains; c++)
        json_array_append_new(list, chain_facts(figures + c * n_draws * CRD_DRAW_FIGURES, n_draws));
    if (as_json)
        return crd_json_print(
            json_pack("{s:o, s:s, s:s, s:I, s:I, s:o, s:o}", "output",
                      crd_json_text(options->output), "sampler", options->sample.chain.name, "arch",
                      chains->network->arch, "n_chains", (json_int_t)chains->n_chains, "n_draws",
                      (json_int_t)n_draws, "chains", list, "convergence", convergence(report)));
    crd_print_clean(options->output);
    printf(": %s, %lld draws of each of %lld chains by %s\n", chains->network->arch,
           (long long)n_draws, (long long)chains->n_chains, options->sample.chain.name);
    for (size_t c = 0; c < json_array_size(list); c++) {
        const json_t *f = json_array_get(list, c);
        printf("  chain %-3zu  step size %.3g, accepted %.1f %%, %.0f steps undone; log posterior "
               "%.6g to %.6g\n",
               c, real_of(f, "step_size"), 100 * real_of(f, "acceptance_rate"),
               real_of(f, "diverging"), real_of(f, "first_lp"), real_of(f, "last_lp"));
    }
    json_decref(list);
    print_convergence(report);
    return CRD_OK;
}
