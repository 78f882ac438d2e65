/* `credence bench`: crd_bench_posterior with the options of the command line; benchmark_report.c
 * prints draws per second, the share of the cores' peak, and with -v a line for every op. */
#include "cli/command.h"
#include "report/benchmark_report.h"
#include "report/output.h"

static crd_bench_options make_options(const crd_options *given)
{
    const crd_option_value *globs = &given->values[CRD_OPT_BAYESIAN];
    const crd_option_value *batches = &given->values[CRD_OPT_BENCH_BATCH];
    return (crd_bench_options){
        .posterior = given->n_arguments > 0 ? given->arguments[0] : NULL,
        .arch = crd_opt_text(given, CRD_OPT_BENCH_ARCH),
        .bayesian = globs->texts,
        .n_bayesian = globs->given ? (int)globs->n_texts : -1,
        .sampler = {.estimator = crd_opt_text(given, CRD_OPT_ESTIMATOR),
                    .seed = (uint64_t)crd_opt_int(given, CRD_OPT_SEED),
                    .precision = (crd_precision)crd_opt_choice(given, CRD_OPT_PRECISION),
                    .draw_block = crd_opt_int(given, CRD_OPT_DRAW_BLOCK)},
        .batches = batches->numbers,
        .n_batches = batches->n_numbers,
        .n_draws = crd_opt_int(given, CRD_OPT_BENCH_DRAWS),
        .n_repeats = crd_opt_int(given, CRD_OPT_REPEATS),
        .by_op = crd_opt_flag(given, CRD_OPT_VERBOSE)};
}

crd_status crd_cmd_bench(const crd_cli *cli)
{
    crd_status status = CRD_OK;
    const crd_options *given = cli->options;
    const crd_bench_options options = make_options(given);
    int as_json = crd_opt_flag(given, CRD_OPT_JSON);
    int has_arch = crd_opt_given(given, CRD_OPT_BENCH_ARCH);
    crd_bench_hooks hooks = as_json ? crd_bench_json : crd_bench_text;
    json_t *root = as_json ? json_object() : NULL;
    CRD_REQUIRE(given->n_arguments == 0 || !(has_arch || crd_opt_given(given, CRD_OPT_BAYESIAN)),
                CRD_ERR_USAGE, "a posterior file or --%s, not both",
                has_arch ? "arch" : "bayesian");
    hooks.payload = root;
    CRD_TRY(crd_bench_posterior(cli->comm, &options, &hooks));
    if (as_json && crd_comm_rank(cli->comm) == 0) {
        status = crd_json_print(root);
        root = NULL;
    }
cleanup:
    json_decref(root);
    return status;
}
