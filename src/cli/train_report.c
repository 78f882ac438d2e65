#include "cli/train_report.h"

#include <math.h>
#include <stdio.h>

#include "cli/output.h"
#include "credence/log.h"

static json_t *epoch_to_json(const crd_epoch *e)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "epoch", (json_int_t)e->epoch, "step", (json_int_t)e->step, "loss",
                     crd_json_real(e->loss), "data_term", crd_json_real(e->data_term), "kl_sum",
                     crd_json_real(e->kl_sum), "kl_mean", crd_json_real(e->kl_mean), "temperature",
                     crd_json_real(e->temperature), "lr", crd_json_real(e->lr), "accuracy",
                     crd_json_real(e->accuracy), "seconds", crd_json_real(e->seconds),
                     "validation_accuracy", crd_json_real(e->validation[CRD_VALIDATION_ACCURACY]),
                     "validation_nll", crd_json_real(e->validation[CRD_VALIDATION_NLL]),
                     "validation_ece", crd_json_real(e->validation[CRD_VALIDATION_ECE]),
                     "validation_mse", crd_json_real(e->validation[CRD_VALIDATION_MSE]));
}

/** What the validation says; empty: there was none. */
static void validation_text(char *out, size_t size, const double v[CRD_N_VALIDATIONS])
{
    out[0] = '\0';
    if (!isnan(v[CRD_VALIDATION_ACCURACY]))
        snprintf(out, size, "; validation: accuracy %.2f %%, NLL %.4f, ECE %.4f",
                 100 * v[CRD_VALIDATION_ACCURACY], v[CRD_VALIDATION_NLL], v[CRD_VALIDATION_ECE]);
    else if (!isnan(v[CRD_VALIDATION_NLL]))
        snprintf(out, size, "; validation: NLL %.4f, MSE %.5g", v[CRD_VALIDATION_NLL],
                 v[CRD_VALIDATION_MSE]);
    else if (!isnan(v[CRD_VALIDATION_MSE]))
        snprintf(out, size, "; validation: MSE %.5g", v[CRD_VALIDATION_MSE]);
}

void crd_train_print_epoch(const crd_epoch *e, int64_t n_epochs, int as_json)
{
    char accuracy[48] = "", validation[128];
    if (!isnan(e->accuracy))
        snprintf(accuracy, sizeof accuracy, ", accuracy %.2f %%", 100 * e->accuracy);
    validation_text(validation, sizeof validation, e->validation);
    crd_log(CRD_LOG_INFO,
            "epoch %lld of %lld: loss %.5g (data %.5g, KL %.5g nats at temperature %.3g)%s%s; "
            "lr %.3g, %.1f s",
            (long long)e->epoch, (long long)n_epochs, e->loss, e->data_term, e->kl_sum,
            e->temperature, accuracy, validation, e->lr, e->seconds);
    /* An object that cannot be made is no reason to end a run. */
    if (as_json && crd_json_print_line(epoch_to_json(e)) != CRD_OK)
        crd_log(CRD_LOG_WARN, "%s", crd_status_message());
}

crd_status crd_train_print_end(const char *path, const crd_train_state *state,
                               const crd_train_report *report, int as_json)
{
    const crd_epoch *last = &state->history[state->epoch - 1];
    double n_steps = report->n_steps > 0 ? (double)report->n_steps : 1;
    double share_mean = report->comm_s_mean / report->wall_s;
    double share_max = report->comm_s_max / report->wall_s;
    if (as_json)
        return crd_json_print_line(json_pack(
            "{s:o, s:I, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "posterior",
            crd_json_text(path), "epochs", (json_int_t)state->epoch, "steps",
            (json_int_t)state->step, "loss", crd_json_real(last->loss), "kl_sum",
            crd_json_real(last->kl_sum), "temperature", crd_json_real(last->temperature), "ranks",
            (json_int_t)report->n_ranks, "wall_s", crd_json_real(report->wall_s), "step_s",
            crd_json_real(report->wall_s / n_steps), "comm_share_mean", crd_json_real(share_mean),
            "comm_share_max", crd_json_real(share_max), "comm_bytes_per_step_mean",
            crd_json_real((double)report->comm_bytes_mean / n_steps), "comm_bytes_per_step_max",
            crd_json_real((double)report->comm_bytes_max / n_steps)));
    crd_print_clean(path);
    printf(": %lld epochs, %lld steps, loss %.5g, KL %.6g nats at temperature %.3g\n",
           (long long)state->epoch, (long long)state->step, last->loss, last->kl_sum,
           last->temperature);
    printf("%lld steps in %.1f s on %lld rank%s; %.1f %% of a rank's time in communication and "
           "waiting (at most %.1f %%), %.3f MB a rank and step (at most %.3f)\n",
           (long long)report->n_steps, report->wall_s, (long long)report->n_ranks,
           report->n_ranks == 1 ? "" : "s", 100 * share_mean, 100 * share_max,
           1e-6 * (double)report->comm_bytes_mean / n_steps,
           1e-6 * (double)report->comm_bytes_max / n_steps);
    return CRD_OK;
}
