/* Epochs and the end of a training, as a line for the log, a table, or JSON. It prints what the
 * state holds, and computes nothing. */
#include "report/train_report.h"

#include <math.h>
#include <stdio.h>

#include "base/integers.h"
#include "credence/log.h"
#include "report/output.h"

void crd_train_print_start(const crd_training_info *info, const crd_train_files_options *options)
{
    const crd_train_options *o = &options->train;
    int64_t kept = options->n_checkpoints;
    char n_images[32], n_validation[32];
    crd_log(CRD_LOG_INFO, "%s image%s, %lld epoch%s of %lld step%s",
            crd_grouped(n_images, info->n_images), info->n_images == 1 ? "" : "s",
            (long long)o->n_epochs, o->n_epochs == 1 ? "" : "s",
            (long long)crd_divide_up(info->n_images, o->batch_size),
            info->n_images <= o->batch_size ? "" : "s");
    if (info->n_validation > 0)
        crd_log(CRD_LOG_INFO,
                "validation every %lld epoch%s: %s image%s, each with %lld draws "
                "(--validate-every, --validate-draws)",
                (long long)o->validate_every, o->validate_every == 1 ? "" : "s",
                crd_grouped(n_validation, info->n_validation), info->n_validation == 1 ? "" : "s",
                (long long)(o->gradient.mean ? 1 : options->validate_draws));
    if (kept == 0)
        crd_log(CRD_LOG_INFO, "no checkpoints: this run cannot be resumed");
    else
        crd_log(CRD_LOG_INFO, "%s%s: %.1f MB%s (--checkpoints)", info->checkpoint,
                kept == 2 ? " and .prev" : "", 1e-6 * (double)info->checkpoint_bytes,
                kept == 2 ? " each" : "");
}

json_t *crd_train_epoch_to_json(const crd_epoch *e)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "epoch", (json_int_t)e->epoch, "step", (json_int_t)e->step, "loss",
                     crd_json_real(e->loss), "data_term", crd_json_real(e->data_term), "kl_sum",
                     crd_json_real(e->kl_sum), "kl_mean", crd_json_real(e->kl_mean), "temperature",
                     crd_json_real(e->temperature), "lr", crd_json_real(e->lr), "accuracy",
                     crd_json_real(e->accuracy), "seconds", crd_json_real(e->seconds),
                     "validation_accuracy", crd_json_real(e->validation[CRD_VALIDATION_ACCURACY]),
                     "validation_nll", crd_json_real(e->validation[CRD_VALIDATION_NLL]),
                     "validation_ece", crd_json_real(e->validation[CRD_VALIDATION_ECE]),
                     "validation_mse", crd_json_real(e->validation[CRD_VALIDATION_MSE]),
                     "validation_seconds", crd_json_real(e->validation_seconds));
}

enum { FIGURES_SIZE = 128 };

/** What the validation says; empty: there was none. */
static const char *validation_text(char out[FIGURES_SIZE], const double v[CRD_N_VALIDATIONS])
{
    out[0] = '\0';
    if (!isnan(v[CRD_VALIDATION_ACCURACY]))
        snprintf(out, FIGURES_SIZE, "accuracy %.2f %%, NLL %.4f, ECE %.4f",
                 100 * v[CRD_VALIDATION_ACCURACY], v[CRD_VALIDATION_NLL], v[CRD_VALIDATION_ECE]);
    else if (!isnan(v[CRD_VALIDATION_NLL]))
        snprintf(out, FIGURES_SIZE, "NLL %.4f, MSE %.5g", v[CRD_VALIDATION_NLL],
                 v[CRD_VALIDATION_MSE]);
    else if (!isnan(v[CRD_VALIDATION_MSE]))
        snprintf(out, FIGURES_SIZE, "MSE %.5g", v[CRD_VALIDATION_MSE]);
    return out;
}

/** The loss, and its parts where the KL divergence is one. */
static const char *loss_text(char out[FIGURES_SIZE], const crd_epoch *e)
{
    if (isnan(e->kl_sum))
        snprintf(out, FIGURES_SIZE, "loss %.5g", e->loss);
    else
        snprintf(out, FIGURES_SIZE, "loss %.5g (data %.5g, KL %.6g nats at temperature %.3g)",
                 e->loss, e->data_term, e->kl_sum, e->temperature);
    return out;
}

void crd_train_print_epoch(const crd_epoch *e, int64_t n_epochs, int as_json)
{
    char loss[FIGURES_SIZE], figures[FIGURES_SIZE], accuracy[48] = "",
                                                    validation[FIGURES_SIZE + 48] = "";
    if (!isnan(e->accuracy))
        snprintf(accuracy, sizeof accuracy, ", accuracy %.2f %%", 100 * e->accuracy);
    if (!isnan(e->validation_seconds))
        snprintf(validation, sizeof validation, "; validation: %s, %.1f s",
                 validation_text(figures, e->validation), e->validation_seconds);
    crd_log(CRD_LOG_INFO, "epoch %lld of %lld: %s%s; lr %.3g, %.1f s%s", (long long)e->epoch,
            (long long)n_epochs, loss_text(loss, e), accuracy, e->lr, e->seconds, validation);
    /* An object that cannot be made is no reason to end a run. */
    if (as_json && crd_json_print_line(crd_train_epoch_to_json(e)) != CRD_OK)
        crd_log(CRD_LOG_WARN, "%s", crd_status_message());
}

/** A row of the history; figures that the run has not are left out. */
static void print_row(const crd_epoch *e, int is_best)
{
    char loss[FIGURES_SIZE], figures[FIGURES_SIZE];
    printf("  %6lld  %s", (long long)e->epoch, loss_text(loss, e));
    if (!isnan(e->accuracy))
        printf(", accuracy %.2f %%", 100 * e->accuracy);
    printf("; lr %.3g", e->lr);
    if (!isnan(e->seconds))
        printf(", %.1f s", e->seconds);
    if (!isnan(crd_epoch_score(e)))
        printf("; validation: %s%s", validation_text(figures, e->validation),
               is_best ? "; the best" : "");
    putchar('\n');
}

void crd_train_print_history(const crd_epoch *epochs, int64_t n)
{
    enum { MOST_ROWS = 20 };
    const crd_epoch *best = crd_epoch_best(epochs, n);
    int64_t every = (n + MOST_ROWS - 1) / MOST_ROWS;
    printf("history of %lld epoch%s\n", (long long)n, n == 1 ? "" : "s");
    for (int64_t i = 0; i < n; i++)
        if (i % every == 0 || i == n - 1 || &epochs[i] == best)
            print_row(&epochs[i], &epochs[i] == best);
    if (every > 1)
        printf("  (every %lldth, the best and the last; all with --json)\n", (long long)every);
}

/** NULL where no best posterior was written. */
static json_t *best_to_json(const crd_epoch *best, const char *path)
{
    if (best == NULL)
        return json_null();
    json_t *object = crd_train_epoch_to_json(best);
    json_object_set_new(object, "posterior", crd_json_text(path));
    return object;
}

static void print_end(const char *path, const crd_train_state *state,
                      const crd_train_report *report)
{
    char loss[FIGURES_SIZE];
    double n_steps = report->n_steps > 0 ? (double)report->n_steps : 1;
    crd_print_clean(path);
    printf(": %lld epoch%s, %lld step%s, %s\n", (long long)state->epoch,
           state->epoch == 1 ? "" : "s", (long long)state->step, state->step == 1 ? "" : "s",
           loss_text(loss, &state->history[state->epoch - 1]));
    printf("%lld steps in %.1f s on %lld rank%s; %.1f %% of a rank's time in communication and "
           "waiting (at most %.1f %%), %.3f MB a rank and step (at most %.3f)\n",
           (long long)report->n_steps, report->wall_s, (long long)report->n_ranks,
           report->n_ranks == 1 ? "" : "s", 100 * report->comm_s_mean / report->wall_s,
           100 * report->comm_s_max / report->wall_s,
           1e-6 * (double)report->comm_bytes_mean / n_steps,
           1e-6 * (double)report->comm_bytes_max / n_steps);
}

crd_status crd_train_print_end(const char *path, const char *best_path,
                               const crd_train_state *state, const crd_train_report *report,
                               int as_json)
{
    char figures[FIGURES_SIZE];
    const crd_epoch *last = &state->history[state->epoch - 1];
    const crd_epoch *best = best_path != NULL ? crd_epoch_best(state->history, state->epoch) : NULL;
    double n_steps = report->n_steps > 0 ? (double)report->n_steps : 1;
    if (as_json)
        return crd_json_print_line(json_pack(
            "{s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "posterior",
            crd_json_text(path), "epochs", (json_int_t)state->epoch, "steps",
            (json_int_t)state->step, "loss", crd_json_real(last->loss), "kl_sum",
            crd_json_real(last->kl_sum), "temperature", crd_json_real(last->temperature), "best",
            best_to_json(best, best_path), "ranks", (json_int_t)report->n_ranks, "wall_s",
            crd_json_real(report->wall_s), "step_s", crd_json_real(report->wall_s / n_steps),
            "comm_share_mean", crd_json_real(report->comm_s_mean / report->wall_s),
            "comm_share_max", crd_json_real(report->comm_s_max / report->wall_s),
            "comm_bytes_per_step_mean", crd_json_real((double)report->comm_bytes_mean / n_steps),
            "comm_bytes_per_step_max", crd_json_real((double)report->comm_bytes_max / n_steps)));
    print_end(path, state, report);
    if (best == NULL)
        return CRD_OK;
    crd_print_clean(best_path);
    printf(": epoch %lld, the best on the validation images: %s\n", (long long)best->epoch,
           validation_text(figures, best->validation));
    return CRD_OK;
}
