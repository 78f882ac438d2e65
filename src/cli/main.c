/* The program: starts MPI, finds the command, and is the only place that ends the process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/batch_job.h"
#include "base/alloc.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/process.h"
#include "cli/signals.h"
#include "credence/files.h"
#include "credence/log.h"
#include "credence/watchdog.h"
#include "kernels/kernels.h"
#include "report/progress.h"

static crd_status join_words(char **out, int argc, char *const *argv)
{
    size_t size = 1;
    for (int i = 0; i < argc; i++)
        size += strlen(argv[i]) + 1;
    crd_status status = crd_alloc_zeroed((void **)out, (int64_t)size, 1, "command line");
    size_t used = 0;
    for (int i = 0; status == CRD_OK && i < argc; i++)
        used += (size_t)snprintf(*out + used, size - used, "%s%s", i > 0 ? " " : "", argv[i]);
    return status;
}

/** A parallel command, under a watchdog if it has that option: else the timeout is 0. */
static crd_status run_watched(const crd_cli *cli)
{
    crd_watchdog *watchdog = NULL;
    crd_status status = crd_watchdog_start(
        &watchdog, cli->comm, crd_opt_number(cli->options, CRD_OPT_HANG_TIMEOUT), crd_report_hang);
    if (status == CRD_OK)
        status = cli->command->run(cli);
    crd_watchdog_stop(watchdog);
    return status;
}

/** Runs the command with parsed options. All ranks come to the same status. */
static crd_status run_command(crd_cli *cli)
{
    const crd_command *command = cli->command;
    const crd_options *options = cli->options;
    int is_first = crd_comm_rank(cli->comm) == 0;
    if (options->values[CRD_OPT_HELP].integer) {
        if (is_first)
            crd_help_command(command);
        return CRD_OK;
    }
    if (options->n_arguments < command->min_arguments ||
        options->n_arguments > command->max_arguments)
        return CRD_FAIL(CRD_ERR_USAGE, "%d arguments are too %s; usage: credence %s %s",
                        options->n_arguments,
                        options->n_arguments < command->min_arguments ? "few" : "many",
                        command->name, command->arguments);
    crd_status status =
        crd_comm_agree(cli->comm, is_first ? crd_arguments_check(options, command) : CRD_OK);
    if (status != CRD_OK)
        return status;
    if (!command->is_parallel)
        return crd_comm_agree(cli->comm, is_first ? command->run(cli) : CRD_OK);
    status = crd_comm_agree(cli->comm, crd_gemm_init());
    if (status == CRD_OK)
        status = crd_comm_ask_long_slices(cli->comm);
    if (status == CRD_OK)
        status = crd_batch_job_check(cli->comm);
    return status == CRD_OK ? run_watched(cli) : status;
}

/** Has all that was printed arrived? A full disk shows only when the last of it is written. To a
 * stdout that was closed from the start nothing need be printed where there is an output. */
static crd_status end_printing(const crd_process *process, const crd_option_value *output)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || (process->has_no_stdout && output->given))
        return CRD_OK;
    if (!output->given)
        return CRD_FAIL(CRD_ERR_IO, "standard output: cannot be written");
    return CRD_FAIL(CRD_ERR_IO, "standard output: cannot be written; %s is complete", output->text);
}

static crd_status run_program(crd_comm *comm, const crd_process *process, int argc,
                              char *const *argv)
{
    crd_status status = CRD_OK;
    crd_options options = {0};
    char *command_line = NULL;
    int is_first = crd_comm_rank(comm) == 0;
    const char *word = argc > 1 ? argv[1] : "";
    const crd_command *command = NULL;
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
        if (is_first)
            crd_help_program();
        return crd_comm_agree(comm, end_printing(process, &(crd_option_value){0}));
    }
    CRD_REQUIRE(*word != '\0', CRD_ERR_USAGE, "a command is missing (see credence -h)");
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        word = "version";
    CRD_TRY(crd_command_find(&command, word));
    /* What can be wrong on all ranks alike is found before anything is said between them. */
    CRD_TRY(crd_options_parse(&options, crd_command_bit(command), argc - 2, argv + 2));
    if (!crd_opt_flag(&options, CRD_OPT_HELP))
        CRD_TRY(crd_options_check(&options, crd_command_bit(command)));
    CRD_TRY(crd_comm_agree(comm, crd_kernels_check())); /* nodes may have other processors */
    CRD_TRY(crd_comm_agree(comm, join_words(&command_line, argc, argv)));
    if (is_first)
        crd_output_set_log(crd_opt_flag(&options, CRD_OPT_QUIET));
    CRD_TRY(run_command(&(crd_cli){command, &options, comm, command_line}));
    CRD_TRY(crd_comm_agree(comm, end_printing(process, &options.values[CRD_OPT_OUTPUT])));
    if (is_first && crd_opt_given(&options, CRD_OPT_OUTPUT) &&
        !crd_opt_flag(&options, CRD_OPT_HELP))
        crd_log(CRD_LOG_INFO, "written to %s", crd_opt_text(&options, CRD_OPT_OUTPUT));
cleanup:
    crd_free(command_line);
    crd_options_clear(&options);
    return status;
}

int main(int argc, char **argv)
{
    crd_comm *comm = NULL;
    crd_process process;
    crd_status status = crd_process_begin(&process);
    if (status == CRD_OK) {
        crd_files_start(); /* before MPI has memory, threads and sockets */
        status = crd_comm_create_world(&comm);
    }
    crd_signals_clean_up();
    int is_first = comm == NULL || crd_comm_rank(comm) == 0;
    if (status == CRD_OK)
        status = run_program(comm, &process, argc, argv);
    if (status != CRD_OK && is_first)
        fprintf(stderr, "credence: %s\n", crd_status_message());
    crd_comm_destroy(comm);
    crd_files_stop();
    exit((int)status);
}
