/* The figures of `compare` as text and as JSON. They are computed elsewhere. */
#include "report/comparison.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/output.h"
#include "report/output_estimates.h"

static const char *const sides[2] = {"A", "B"};

static void print_value(const crd_mc_estimate *e, int is_share)
{
    char text[64];
    int n = is_share ? snprintf(text, sizeof text, "%.2f ± %.2f %%", 100 * e->value, 100 * e->se)
                     : snprintf(text, sizeof text, "%.4g ± %.2g", e->value, e->se);
    printf("%-*s", 19 + (n > 0), text); /* ± is two bytes wide */
}

static void print_figure(const crd_compared *f)
{
    const int is_share = f->units != NULL && strcmp(f->units, "%") == 0;
    const double scale = is_share ? 100 : 1;
    printf("  %-13s", f->title);
    print_value(&f->of[0], is_share);
    print_value(&f->of[1], is_share);
    printf(is_share ? "%+.2f [%+.2f, %+.2f] %%" : "%+.4g [%+.4g, %+.4g]",
           scale * f->difference.value, scale * f->low, scale * f->high);
    printf(f->better >= 0 ? "  %s is better\n" : "\n", f->better >= 0 ? sides[f->better] : "");
}

static void print_text(const crd_comparison *c, const crd_compare_files_options *options,
                       int n_ranks)
{
    for (int i = 0; i < 2; i++) {
        printf("%s: ", sides[i]);
        crd_print_clean(options->posteriors[i]);
        printf(", %lld draw%s\n", (long long)c->n_draws[i], c->n_draws[i] == 1 ? "" : "s");
    }
    printf(
        "%lld images, %d rank%s, %.1f s; ± is one standard error over images, [] a %g %% interval "
        "of the paired difference\n",
        (long long)c->n_images, n_ranks, n_ranks == 1 ? "" : "s", c->seconds,
        100 * options->confidence);
    printf("  %-13s%-18s%-18s%s\n", "", sides[0], sides[1], "A - B");
    for (int i = 0; i < c->n_figures; i++)
        print_figure(&c->figures[i]);
    if (c->n_classes == 0)
        return;
    printf("A and B%s\n",
           isnan(c->agreement.agreement.mcse) ? "" : " (± over images ± of the draws)");
    crd_print_agreement(&c->agreement);
}

static json_t *to_json(const crd_comparison *c, const crd_compare_files_options *options,
                       int n_ranks)
{
    const crd_sampler_options *sampler = &options->predict.sampler;
    json_t *figures = json_object();
    json_t *root = json_pack(
        "{s:s, s:I, s:I, s:i, s:f, s:f}", "precision", crd_precision_names()[sampler->precision],
        "seed", (json_int_t)sampler->seed, "n_images", (json_int_t)c->n_images, "n_ranks", n_ranks,
        "seconds", c->seconds, "confidence", options->confidence);
    for (int i = 0; i < 2; i++)
        json_object_set_new(root, sides[i],
                            json_pack("{s:o, s:s, s:I}", "posterior",
                                      crd_json_text(options->posteriors[i]), "estimator",
                                      sampler->mean ? "mean" : c->estimators[i], "n_draws",
                                      (json_int_t)c->n_draws[i]));
    for (int i = 0; i < c->n_figures; i++) {
        const crd_compared *f = &c->figures[i];
        json_t *difference = crd_json_estimate(&f->difference);
        json_object_set_new(difference, "low", crd_json_real(f->low));
        json_object_set_new(difference, "high", crd_json_real(f->high));
        json_object_set_new(
            figures, f->key,
            json_pack("{s:o, s:o, s:o, s:o}", sides[0], crd_json_estimate(&f->of[0]), sides[1],
                      crd_json_estimate(&f->of[1]), "difference", difference, "better",
                      f->better >= 0 ? json_string(sides[f->better]) : json_null()));
    }
    json_object_set_new(root, "figures", figures);
    if (c->n_classes > 0)
        json_object_set_new(root, "agreement", crd_json_agreement(&c->agreement));
    return root;
}

crd_status crd_comparison_print(const crd_comparison *comparison,
                                const crd_compare_files_options *options, int n_ranks, int as_json)
{
    if (as_json)
        return crd_json_print(to_json(comparison, options, n_ranks));
    print_text(comparison, options, n_ranks);
    crd_remark_few(comparison->n_images, "images");
    return CRD_OK;
}
