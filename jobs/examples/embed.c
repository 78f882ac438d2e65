/* A Bayesian network in a program of one's own, without MPI: a JPEG in memory, from standard input,
 * and what the network says of it.
 *
 *   cc embed.c -o embed $(pkg-config --cflags --libs credence)
 *   ./embed resnet18.h5 < dog.jpg */
#include <credence/credence.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_BYTES = 16 << 20 };

static crd_status predict(crd_predictor *predictor, const uint8_t *bytes, size_t n_bytes)
{
    crd_status status = CRD_OK;
    const crd_posterior *posterior = crd_predictor_posterior(predictor);
    const crd_preprocessing *p = &posterior->preprocessing;
    float *tensor = malloc((size_t)(p->channels * p->crop * p->crop) * sizeof *tensor);
    const crd_summary *rows;
    crd_image image = {0};
    CRD_REQUIRE(tensor != NULL, CRD_ERR_INTERNAL, "out of memory");
    CRD_TRY(crd_image_decode(&image, bytes, n_bytes, p->channels, "standard input"));
    CRD_TRY(crd_image_to_tensor(tensor, &image, p));
    CRD_TRY(crd_predictor_run(&rows, predictor, tensor, 1));
    crd_class_rows r = crd_class_rows_view(rows);
    for (int64_t i = 0; i < r.n_top; i++) {
        int64_t k = r.top_class[i];
        printf("class %lld, %s, probability %.4f +- %.4f\n", (long long)k,
               posterior->classes != NULL ? posterior->classes[k] : "?", (double)r.probs_mean[k],
               (double)r.probs_mcse[k]);
    }
    printf("entropy %.4f +- %.4f nats\n", r.predictive_entropy_debiased[0],
           r.predictive_entropy_mcse[0]);
cleanup:
    crd_image_clear(&image);
    free(tensor);
    return status;
}

int main(int argc, char **argv)
{
    static uint8_t bytes[MOST_BYTES];
    crd_comm *comm = NULL;
    crd_predictor *predictor = NULL;
    crd_predict_options options;
    crd_status status = CRD_OK;
    CRD_REQUIRE(argc == 2, CRD_ERR_USAGE, "usage: embed POSTERIOR.h5 < IMAGE.jpg");
    CRD_TRY(crd_comm_create_self(&comm)); /* this process alone: MPI is not started */
    crd_predict_options_init(&options);
    options.n_draws = 200;
    CRD_TRY(crd_predictor_create(&predictor, comm, argv[1], &options));
    /* It may now be used for any number of images. */
    CRD_TRY(predict(predictor, bytes, fread(bytes, 1, sizeof bytes, stdin)));
cleanup:
    if (status != CRD_OK)
        fprintf(stderr, "embed: %s\n", crd_status_message());
    crd_predictor_destroy(predictor);
    crd_comm_destroy(comm);
    return (int)status;
}
