/* Predicts images with a Bayesian network, on all ranks:
 *
 *   cc predict.c -o predict $(pkg-config --cflags --libs credence)
 *   mpirun -n 4 ./predict resnet18.h5 photos/
 *
 * A line an image: its class, how probable it is, with the Monte Carlo error, and the entropy. */
#include <credence/credence.h>
#include <stdio.h>

/* Called on rank 0 with the rows of images that are done. */
static crd_status print(const crd_summary *rows, int64_t first_image,
                        const crd_prediction_info *info, void *payload)
{
    crd_class_rows r = crd_class_rows_view(rows);
    (void)payload;
    for (int64_t i = 0; i < r.n_images; i++) {
        int64_t top = r.top_class[i * r.n_top], at = i * r.n_classes + top;
        printf("%s: class %lld", info->image_names[first_image + i], (long long)top);
        if (info->posterior->classes != NULL)
            printf(", %s", info->posterior->classes[top]);
        printf(", probability %.4f +- %.4f, entropy %.4f +- %.4f nats\n", (double)r.probs_mean[at],
               (double)r.probs_mcse[at], r.predictive_entropy_debiased[i],
               r.predictive_entropy_mcse[i]);
    }
    return CRD_OK;
}

int main(int argc, char **argv)
{
    crd_comm *comm = NULL;
    crd_predict_files_options options;
    const crd_predict_files_hooks hooks = {.rows = print};
    if (argc < 3) {
        fprintf(stderr, "usage: predict POSTERIOR.h5 FOLDER...\n");
        return CRD_ERR_USAGE;
    }
    crd_files_start(); /* before MPI starts */
    crd_status status = crd_comm_create_world(&comm);
    if (status == CRD_OK) {
        crd_predict_files_options_init(&options);
        options.posterior = argv[1];
        options.inputs = (const char *const *)argv + 2;
        options.n_inputs = argc - 2;
        options.predict.n_draws = 200;
        status = crd_predict_files(NULL, comm, &options, &hooks);
    }
    if (status != CRD_OK && (comm == NULL || crd_comm_rank(comm) == 0))
        fprintf(stderr, "predict: %s\n", crd_status_message());
    crd_comm_destroy(comm);
    return (int)status;
}
