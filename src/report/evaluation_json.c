/* The figures of `evaluate` as JSON, each with its error. */
#include "report/evaluation.h"
#include "report/output.h"
#include "report/output_estimates.h"

static const char *const score_keys[CRD_N_SCORES] = {"confidence", "predictive_entropy",
                                                     "mutual_information"};
static void set_estimate(json_t *object, const char *key, double value, double se)
{
    json_object_set_new(
        object, key,
        json_pack("{s:o, s:o}", "value", crd_json_real(value), "se", crd_json_real(se)));
}

static json_t *bins_to_json(const crd_metrics_bin bins[CRD_METRICS_N_BINS])
{
    json_t *array = json_array();
    for (int b = 0; b < CRD_METRICS_N_BINS; b++)
        json_array_append_new(array,
                              json_pack("{s:I, s:o, s:o}", "n_images", (json_int_t)bins[b].n_images,
                                        "confidence", crd_json_real(bins[b].confidence), "accuracy",
                                        crd_json_real(bins[b].accuracy)));
    return array;
}

static json_t *ood_to_json(const crd_evaluation *e)
{
    json_t *object = json_pack("{s:I}", "n_images", (json_int_t)e->n_unknown);
    for (int k = 0; k < crd_evaluation_n_scores(e); k++) {
        json_t *score = json_object();
        set_estimate(score, "auroc", e->ood[k].auroc.value, e->ood[k].auroc.se);
        set_estimate(score, "aupr", e->ood[k].aupr.value, e->ood[k].aupr.se);
        set_estimate(score, "fpr95", e->ood[k].fpr95.value, e->ood[k].fpr95.se);
        json_object_set_new(object, score_keys[k], score);
    }
    return object;
}

json_t *crd_evaluation_to_json(const crd_evaluation *e, const crd_evaluate_files_options *options,
                               int n_ranks)
{
    const crd_metrics *m = &e->metrics;
    const crd_sampler_options *sampler = &options->predict.sampler;
    json_t *root = json_pack(
        "{s:o, s:s, s:s, s:I, s:I, s:I, s:i, s:f}", "posterior", crd_json_text(options->posterior),
        "estimator", sampler->mean ? "mean" : e->estimator, "precision",
        crd_precision_names()[sampler->precision], "seed", (json_int_t)sampler->seed, "n_draws",
        (json_int_t)e->n_draws, "n_images", (json_int_t)e->n_images, "n_ranks", n_ranks, "seconds",
        e->seconds);
    for (int i = 0; i < e->n_figures; i++)
        set_estimate(root, e->figures[i].key, e->figures[i].value, e->figures[i].se);
    if (e->n_figures > 0)
        return root;
    set_estimate(root, "accuracy", m->accuracy, m->accuracy_se);
    set_estimate(root, "nll", m->nll, m->nll_se);
    set_estimate(root, "brier", m->brier, m->brier_se);
    set_estimate(root, "ece", m->ece, m->ece_se);
    set_estimate(root, "predictive_entropy", e->entropy.value, e->entropy.se);
    set_estimate(root, "expected_entropy", e->aleatoric.value, e->aleatoric.se);
    set_estimate(root, "mutual_information", e->epistemic.value, e->epistemic.se);
    set_estimate(root, "avu", e->avu.value, e->avu.se);
    set_estimate(root, "aurc", e->selection.aurc.value, e->selection.aurc.se);
    set_estimate(root, "risk_at_80", e->selection.risk_at_80.value, e->selection.risk_at_80.se);
    set_estimate(root, "coverage_at_5", e->selection.coverage_at_5.value,
                 e->selection.coverage_at_5.se);
    json_object_set_new(root, "reliability", bins_to_json(e->bins));
    if (options->reference != NULL)
        json_object_set_new(root, "reference", crd_json_agreement(&e->reference));
    if (e->n_unknown > 0)
        json_object_set_new(root, "ood", ood_to_json(e));
    return root;
}
