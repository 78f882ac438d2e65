/** What a command is and what it gets. To add one: a file cmd_<name>.c with its function, its name
 * in CRD_EACH_COMMAND (options.h), a row in the table of commands.c, and its bit in the options it
 * takes. */
#ifndef CRD_CLI_COMMAND_H
#define CRD_CLI_COMMAND_H

#include "cli/options.h"
#include "credence/comm.h"

/** What a command runs with; all borrowed. */
typedef struct crd_cli {
    const struct crd_command *command;
    const crd_options *options;
    crd_comm *comm;
    const char *command_line; /**< for provenance */
} crd_cli;

typedef struct crd_command {
    const char *name;
    crd_status (*run)(const crd_cli *cli);
    int is_parallel; /**< 1: runs on all ranks; 0: on rank 0, the others wait for its status */
    const char *arguments; /**< as usage shows them */
    int min_arguments, max_arguments;
    const char *summary; /**< what it does, one line, no final period */
    const char *example; /**< one command line that works, or NULL */
} crd_command;

/** The i-th command, or NULL after the last. Static. */
const crd_command *crd_command_get(int i);
/** By name. Errors: CRD_ERR_USAGE, with the nearest name. */
crd_status crd_command_find(const crd_command **out, const char *name);
/** Its bit in crd_option.commands. */
unsigned crd_command_bit(const crd_command *command);

/* cmd_<name>.c */
crd_status crd_cmd_convert(const crd_cli *cli);
crd_status crd_cmd_predict(const crd_cli *cli);
crd_status crd_cmd_train(const crd_cli *cli);
crd_status crd_cmd_sample(const crd_cli *cli);
crd_status crd_cmd_evaluate(const crd_cli *cli);
crd_status crd_cmd_compare(const crd_cli *cli);
crd_status crd_cmd_export(const crd_cli *cli);
crd_status crd_cmd_ensemble(const crd_cli *cli);
crd_status crd_cmd_laplace(const crd_cli *cli);
crd_status crd_cmd_merge(const crd_cli *cli);
crd_status crd_cmd_plan(const crd_cli *cli);
crd_status crd_cmd_plan_sample(const crd_cli *cli);
crd_status crd_cmd_preprocess(const crd_cli *cli);
crd_status crd_cmd_refresh(const crd_cli *cli);
crd_status crd_cmd_inspect(const crd_cli *cli);
crd_status crd_cmd_models(const crd_cli *cli);
crd_status crd_cmd_bench(const crd_cli *cli);
crd_status crd_cmd_selftest(const crd_cli *cli);
crd_status crd_cmd_version(const crd_cli *cli);
crd_status crd_cmd_help(const crd_cli *cli);

/** Help of one command, and of the program, on stdout, wrapped at the terminal's width. */
void crd_help_command(const crd_command *command);
void crd_help_program(void);

#endif
