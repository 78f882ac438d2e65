/* The figures of `evaluate` as text, each with its error. They are computed elsewhere. */
#include "report/evaluation.h"

#include <stdio.h>
#include <string.h>

#include "report/output.h"
#include "report/output_estimates.h"

static const char *const score_titles[CRD_N_SCORES] = {"confidence", "predictive entropy",
                                                       "epistemic part"};

int crd_evaluation_n_scores(const crd_evaluation *e)
{
    return e->n_draws > 1 ? CRD_N_SCORES : CRD_SCORE_INFORMATION;
}

static void print_percent(const char *what, double value, double se)
{
    printf("  %-14s %6.2f %% ± %.2f\n", what, 100 * value, 100 * se);
}

static void print_entropies(const crd_evaluation *e)
{
    printf("  entropy        %.4f ± %.4f nats", crd_printed_nats(e->entropy.value, e->n_classes),
           e->entropy.se);
    if (e->n_draws > 1)
        printf(" = aleatoric %.4f ± %.4f + epistemic %.4f ± %.4f",
               crd_printed_nats(e->aleatoric.value, e->n_classes), e->aleatoric.se,
               crd_printed_nats(e->epistemic.value, e->n_classes), e->epistemic.se);
    putchar('\n');
}

/** Those that the reducer can tell of these outputs. */
static void print_figures(const crd_evaluation *e)
{
    for (int i = 0; i < e->n_figures; i++) {
        const crd_figure *f = &e->figures[i];
        if (f->value != f->value)
            continue;
        if (f->units != NULL && strcmp(f->units, "%") == 0)
            print_percent(f->title, f->value, f->se);
        else
            printf("  %-14s %.4g ± %.2g%s%s\n", f->title, f->value, f->se,
                   f->units != NULL ? " " : "", f->units != NULL ? f->units : "");
    }
}

/** Against another method's probabilities. */
static void print_reference(const crd_evaluation *e, const char *path)
{
    printf("against ");
    crd_print_clean(path);
    printf(e->n_draws > 1 ? " (± over images ± of the draws)\n" : "\n");
    crd_print_agreement(&e->reference);
}

static void print_text(const crd_evaluation *e, const crd_evaluate_files_options *options,
                       int n_ranks)
{
    const crd_metrics *m = &e->metrics;
    const crd_selection *s = &e->selection;
    crd_print_clean(options->posterior);
    printf(": %lld images, %lld draw%s, %d rank%s, %.1f s; ± is one standard error over images\n",
           (long long)e->n_images, (long long)e->n_draws, e->n_draws == 1 ? "" : "s", n_ranks,
           n_ranks == 1 ? "" : "s", e->seconds);
    if (e->n_figures > 0) {
        print_figures(e);
        return;
    }
    print_percent("accuracy", m->accuracy, m->accuracy_se);
    printf("  %-14s %.4f ± %.4f nats\n", "NLL", m->nll, m->nll_se);
    printf("  %-14s %.4f ± %.4f\n", "Brier score", m->brier, m->brier_se);
    print_percent("ECE", m->ece, m->ece_se);
    print_entropies(e);
    printf("  %-14s %.4f ± %.4f (accuracy versus uncertainty, mean over thresholds)\n", "AvU",
           e->avu.value, e->avu.se);
    printf(
        "  %-14s %.4f ± %.4f; %.2f %% ± %.2f wrong among the surest 80 %%; %.1f %% ± %.1f can be "
        "answered with 5 %% wrong\n",
        "AURC", s->aurc.value, s->aurc.se, 100 * s->risk_at_80.value, 100 * s->risk_at_80.se,
        100 * s->coverage_at_5.value, 100 * s->coverage_at_5.se);
    if (options->reference != NULL)
        print_reference(e, options->reference);
    if (e->n_unknown == 0)
        return;
    printf("%lld images of the other data set told from these by\n", (long long)e->n_unknown);
    printf("  %-20s %-18s %-18s %s\n", "", "AUROC", "AUPR", "FPR95");
    for (int k = 0; k < crd_evaluation_n_scores(e); k++) {
        const crd_detection *d = &e->ood[k];
        printf("  %-20s %.4f ± %.4f    %.4f ± %.4f    %.4f ± %.4f\n", score_titles[k],
               d->auroc.value, d->auroc.se, d->aupr.value, d->aupr.se, d->fpr95.value, d->fpr95.se);
    }
}

crd_status crd_evaluation_print(const crd_evaluation *evaluation,
                                const crd_evaluate_files_options *options, int n_ranks, int as_json)
{
    if (as_json)
        return crd_json_print(crd_evaluation_to_json(evaluation, options, n_ranks));
    print_text(evaluation, options, n_ranks);
    crd_remark_few(evaluation->n_images, "images");
    return CRD_OK;
}
