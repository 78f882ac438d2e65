/* `credence help`, also -h: help of the program and of each command, wrapped at the terminal's
 * width. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/help_text.h"

static void print_option(const crd_option *option, int width)
{
    char form[CRD_FORM_SIZE], text[CRD_TEXT_SIZE];
    crd_option_form(form, option);
    crd_help_text(text, option);
    int indent = width < CRD_HELP_WIDTH ? 8 : 28;
    int column = printf("  %s%s", option->letter != 0 ? "" : "    ", form);
    if (column + 2 > indent) {
        putchar('\n');
        column = 0;
    }
    crd_help_wrap(text, column, indent, width);
}

static void print_group(crd_option_group group, unsigned command, int width)
{
    int n = 0;
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &crd_option_table()[id];
        if (option->group != group || !(option->commands & command))
            continue;
        if (n++ == 0)
            printf("\n%s:\n", crd_option_group_title(group));
        print_option(option, width);
    }
}

/** Open MPI refuses root unless it is told; only the one who starts it can say so. */
static void print_root_note(int width)
{
    if (geteuid() == 0)
        crd_help_wrap("You are root: Open MPI's mpirun then wants --allow-run-as-root, and with "
                      "more ranks than cores --oversubscribe.",
                      0, 0, width);
}

void crd_help_command(const crd_command *command)
{
    int width = crd_help_width();
    char usage[256];
    snprintf(usage, sizeof usage, "credence %s%s%s [option...]", command->name,
             command->arguments[0] != '\0' ? " " : "", command->arguments);
    crd_help_wrap(usage, printf("usage: "), 7, width);
    putchar('\n');
    crd_help_wrap(command->summary, 0, 0, width);
    for (int group = 0; group < CRD_N_GROUPS; group++)
        print_group((crd_option_group)group, crd_command_bit(command), width);
    if (command->example != NULL) {
        printf("\nexample: %s\n", command->example);
        if (strncmp(command->example, "mpirun", strlen("mpirun")) == 0)
            print_root_note(width);
    }
}

void crd_help_program(void)
{
    int width = crd_help_width();
    puts("usage: credence COMMAND [argument...] [option...]\n\n"
         "Monte Carlo over Bayesian neural networks on HPC clusters\n");
    for (int i = 0; crd_command_get(i) != NULL; i++)
        crd_help_wrap(crd_command_get(i)->summary, printf("  %s", crd_command_get(i)->name), 15,
                      width);
    putchar('\n');
    crd_help_wrap("`credence COMMAND -h` shows a command's options, `credence version` versions. "
                  "On several cores: `mpirun -n N credence COMMAND`.",
                  0, 0, width);
    print_root_note(width);
    crd_help_wrap("Exit codes: " CRD_EXIT_CODES ".", 0, 0, width);
}

crd_status crd_cmd_help(const crd_cli *cli)
{
    const crd_options *options = cli->options;
    const crd_command *command;
    if (crd_opt_flag(options, CRD_OPT_MARKDOWN)) {
        crd_help_markdown();
        return CRD_OK;
    }
    if (options->n_arguments == 0) {
        crd_help_program();
        return CRD_OK;
    }
    crd_status status = crd_command_find(&command, options->arguments[0]);
    if (status == CRD_OK)
        crd_help_command(command);
    return status;
}
