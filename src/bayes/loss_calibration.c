/* Calibration terms. All three have one form. An image (or a value) has a quality Q and a
 * certainty C in [0, 1], and belongs to one of four groups by two hard masks: good or bad, certain
 * or not. It counts
 *   w = (good ? Q : 1 - Q) (certain ? C : 1 - C)
 * and is consistent if it is good and certain, or bad and uncertain:
 *   A = sum of the consistent w / (sum of all w + eps),  loss = -beta log(A + eps).
 *
 *          Q, good if                 C, certain if
 *   avuc   confidence, if correct     1 - tanh(u), if u <= threshold
 *   eau    1 - tanh(e), if e <= th.   1 - tanh(u), if u <= threshold
 *   eac    1 - tanh(e), if e <= th.   confidence, if confidence > threshold
 *
 * The masks have no gradient. Source: Krishnan and Tickoo, "Improving model calibration with
 * accuracy versus uncertainty optimization", NeurIPS 2020 (avuc); Kose et al., "Reliable
 * multimodal trajectory prediction via error aligned uncertainty optimization", ECCV workshops
 * 2022 (eau). */
#include <math.h>
#include <string.h>

#include "base/names.h"
#include "base/softmax.h"
#include "credence/loss.h"

static const double eps = 1e-10;

typedef enum term { AVUC, EAU, EAC } term;

/* Both measures of an image or value. `error` is no distance where there is a label: 1 -
 * probability of that class. */
typedef struct measures {
    double error, uncertainty, confidence;
    int correct;
} measures;

typedef struct thresholds {
    term term;
    double uncertainty, error;
} thresholds;

/* w and its derivatives by the measures. */
typedef struct weight {
    double w, derror, duncertainty, dconfidence;
    int consistent;
} weight;

static weight weigh(const measures *m, const thresholds *t)
{
    double tanh_error = tanh(m->error), tanh_uncertainty = tanh(m->uncertainty);
    int good = t->term == AVUC ? m->correct : m->error <= t->error;
    int certain =
        t->term == EAC ? m->confidence > t->uncertainty : m->uncertainty <= t->uncertainty;
    double q = t->term == AVUC ? m->confidence : 1 - tanh_error;
    double c = t->term == EAC ? m->confidence : 1 - tanh_uncertainty;
    double quality = good ? q : 1 - q, certainty = certain ? c : 1 - c;
    double dq = (good ? 1 : -1) * certainty, dc = (certain ? 1 : -1) * quality;
    weight out = {.w = quality * certainty, .consistent = good == certain};
    if (t->term == AVUC)
        out.dconfidence += dq;
    else
        out.derror -= dq * (1 - tanh_error * tanh_error);
    if (t->term == EAC)
        out.dconfidence += dc;
    else
        out.duncertainty -= dc * (1 - tanh_uncertainty * tanh_uncertainty);
    return out;
}

/* Logits of one image as probabilities: exp(logit - log_total). */
typedef struct softmax {
    double log_total;
    int64_t top;
} softmax;

static softmax softmax_of(const float *row, int64_t n_outputs)
{
    crd_softmax_law law = crd_softmax_law_of(row, n_outputs);
    return (softmax){law.largest + log(law.total), law.top};
}

static measures of_image(const softmax *s, const float *row, int64_t label, int64_t n_outputs)
{
    measures m = {.error = 1 - exp((double)row[label] - s->log_total),
                  .confidence = exp((double)row[s->top] - s->log_total),
                  .correct = s->top == label};
    for (int64_t c = 0; c < n_outputs; c++) {
        double p = exp((double)row[c] - s->log_total);
        m.uncertainty -= p * log(p + eps);
    }
    return m;
}

/* Derivative by the probability of class c, from those by the measures. */
static double dprob(double p, int64_t c, int64_t top, int64_t label, const weight *w)
{
    return -w->duncertainty * (log(p + eps) + p / (p + eps)) + (c == top ? w->dconfidence : 0) -
           (c == label ? w->derror : 0);
}

static void image_backward(float *drow, const float *row, const softmax *s, int64_t label,
                           const weight *w, double scale, int64_t n_outputs)
{
    double mean = 0;
    for (int64_t c = 0; c < n_outputs; c++) {
        double p = exp((double)row[c] - s->log_total);
        mean += p * dprob(p, c, s->top, label, w);
    }
    for (int64_t c = 0; c < n_outputs; c++) {
        double p = exp((double)row[c] - s->log_total);
        drow[c] = (float)(scale * p * (dprob(p, c, s->top, label, w) - mean));
    }
}

/* A predicted normal distribution: the distance of its mean, its standard deviation, and a
 * confidence that falls from 1 to 0 as that grows. */
static measures of_value(double mean, double log_variance, double value)
{
    double sd = exp(0.5 * log_variance);
    return (measures){.error = fabs(mean - value), .uncertainty = sd, .confidence = exp(-sd)};
}

static void value_backward(float *dmean, float *dlog_variance, double mean, double value,
                           const measures *m, const weight *w, double scale)
{
    double sd = m->uncertainty;
    double side = mean > value ? 1 : mean < value ? -1 : 0;
    *dmean = (float)(scale * side * w->derror);
    *dlog_variance = (float)(scale * 0.5 * sd * (w->duncertainty - m->confidence * w->dconfidence));
}

typedef struct sums {
    double consistent, all;
} sums;

static void add(sums *s, const weight *w)
{
    s->all += w->w;
    s->consistent += w->consistent ? w->w : 0;
}

/* Derivative of the loss by the w of one image or value. */
static double dloss(const sums *s, double beta, int consistent)
{
    double all = s->all + eps, agreement = s->consistent / all;
    return -beta / (agreement + eps) * (consistent - agreement) / all;
}

static sums over_images(float *dlogits, const float *logits, const int64_t *labels,
                        const thresholds *t, double beta, int64_t n, int64_t n_outputs)
{
    sums s = {0};
    for (int pass = 0; pass < (dlogits == NULL ? 1 : 2); pass++) {
        for (int64_t i = 0; i < n; i++) {
            const float *row = logits + i * n_outputs;
            softmax probs = softmax_of(row, n_outputs);
            measures m = of_image(&probs, row, labels[i], n_outputs);
            weight w = weigh(&m, t);
            if (pass == 0)
                add(&s, &w);
            else
                image_backward(dlogits + i * n_outputs, row, &probs, labels[i], &w,
                               dloss(&s, beta, w.consistent), n_outputs);
        }
    }
    return s;
}

static sums over_values(float *dlogits, const float *logits, const float *values,
                        const thresholds *t, double beta, int64_t n, int64_t n_outputs)
{
    const int64_t width = n_outputs / 2;
    sums s = {0};
    for (int pass = 0; pass < (dlogits == NULL ? 1 : 2); pass++) {
        for (int64_t i = 0; i < n * width; i++) {
            int64_t at = i / width * n_outputs + i % width;
            double mean = (double)logits[at], value = (double)values[i];
            measures m = of_value(mean, (double)logits[at + width], value);
            weight w = weigh(&m, t);
            if (pass == 0)
                add(&s, &w);
            else
                value_backward(dlogits + at, dlogits + at + width, mean, value, &m, &w,
                               dloss(&s, beta, w.consistent));
        }
    }
    return s;
}

static const char *const names[] = {[AVUC] = "avuc", [EAU] = "eau", [EAC] = "eac", NULL};

const char *const *crd_calibration_loss_names(void)
{
    return names;
}

static crd_status find(term *out, const char *name)
{
    int i;
    crd_status status = crd_names_require(&i, names, name, "calibration", CRD_ERR_USAGE);
    *out = (term)i;
    return status;
}

crd_status crd_calibration_loss_check(const char *name, const crd_loss *loss)
{
    crd_status status = CRD_OK;
    const crd_loss *labels, *normals;
    term found;
    CRD_TRY(find(&found, name));
    CRD_TRY(crd_loss_find(&labels, "cross-entropy"));
    CRD_TRY(crd_loss_find(&normals, "gaussian-nll"));
    CRD_REQUIRE(loss == labels || (loss == normals && found != AVUC), CRD_ERR_USAGE,
                "calibration: %s goes with --loss cross-entropy%s only", name,
                found == AVUC ? "" : " or gaussian-nll");
cleanup:
    return status;
}

crd_status crd_calibration_loss_eval(double *value, float *dlogits, const char *name,
                                     const float *logits, const int64_t *labels,
                                     const float *values, int64_t n, int64_t n_outputs, double beta,
                                     double uncertainty_threshold, double error_threshold)
{
    crd_status status = CRD_OK;
    thresholds t = {.uncertainty = uncertainty_threshold, .error = error_threshold};
    CRD_TRY(find(&t.term, name));
    CRD_REQUIRE(labels != NULL || t.term != AVUC, CRD_ERR_USAGE, "calibration: avuc needs labels");
    sums s = labels != NULL ? over_images(dlogits, logits, labels, &t, beta, n, n_outputs)
                            : over_values(dlogits, logits, values, &t, beta, n, n_outputs);
    *value = -beta * log(s.consistent / (s.all + eps) + eps);
cleanup:
    return status;
}
