#include <stdio.h>

#include "cli/command.h"

/** "--draws N" with the short form in front where there is one. */
static void option_form(char out[64], const crd_option *option)
{
    char letter[8] = "    ";
    if (option->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(out, 64, "%s--%s%s%s", letter, option->name, option->placeholder != NULL ? " " : "",
             option->placeholder != NULL ? option->placeholder : "");
}

/** The help line with choices and default behind it. */
static void option_text(char out[512], const crd_option *option)
{
    int used = snprintf(out, 512, "%s", option->help);
    if (option->choices != NULL) {
        used += snprintf(out + used, (size_t)(512 - used), ": ");
        for (const char *const *choice = option->choices(); *choice != NULL; choice++)
            used += snprintf(out + used, (size_t)(512 - used), "%s%s", *choice,
                             choice[1] != NULL ? ", " : "");
    }
    const char *usual = option->default_text != NULL ? option->default_text : option->default_note;
    if (usual != NULL)
        snprintf(out + used, (size_t)(512 - used), " (default: %s)", usual);
}

void crd_help_command(const crd_command *command)
{
    printf("usage: credence %s%s%s [option...]\n\n%s\n\n", command->name,
           command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary);
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &crd_option_table()[id];
        if (!(option->commands & command->bit))
            continue;
        char form[64], text[512];
        option_form(form, option);
        option_text(text, option);
        printf("  %-29s %s\n", form, text);
    }
    if (command->example != NULL)
        printf("\nexample: %s\n", command->example);
}

void crd_help_program(void)
{
    puts("usage: credence COMMAND [argument...] [option...]\n\n"
         "Monte Carlo over Bayesian neural networks on HPC clusters\n");
    for (int i = 0; crd_command_get(i) != NULL; i++)
        printf("  %-12s %s\n", crd_command_get(i)->name, crd_command_get(i)->summary);
    puts("\n`credence COMMAND -h` shows a command's options, `credence --version` versions.\n"
         "Exit codes: 0 done, 1 internal, 2 wrong usage, 3 bad input file, 4 I/O, 5 not a number,\n"
         "6 a checkpoint of another run, 75 stopped with a checkpoint: run again with --resume.");
}

/** Prints text for a cell of a markdown table: only the bar has a meaning there. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++)
        printf(*text == '|' ? "\\|" : "%c", *text);
}

static void print_markdown(void)
{
    puts("| command | does |\n|---|---|");
    for (int i = 0; crd_command_get(i) != NULL; i++) {
        const crd_command *command = crd_command_get(i);
        printf("| `%s%s%s` | ", command->name, command->arguments[0] != '\0' ? " " : "",
               command->arguments);
        print_cell(command->summary);
        puts(" |");
    }
    puts("\n| option | commands | meaning |\n|---|---|---|");
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &crd_option_table()[id];
        if (option->commands == CRD_HELP)
            continue;
        char form[64], text[512];
        option_form(form, option);
        option_text(text, option);
        printf("| `%s` | ", option->letter != 0 ? form : form + 4);
        int all = (option->commands | CRD_HELP) == CRD_EVERY, first = 1;
        for (int i = 0; !all && crd_command_get(i) != NULL; i++)
            if (option->commands & crd_command_get(i)->bit) {
                printf("%s%s", first ? "" : ", ", crd_command_get(i)->name);
                first = 0;
            }
        printf("%s | ", all ? "all" : "");
        print_cell(text);
        puts(" |");
    }
}

crd_status crd_cmd_help(const crd_cli *cli)
{
    const crd_options *options = cli->options;
    if (options->values[CRD_OPT_MARKDOWN].integer) {
        print_markdown();
        return CRD_OK;
    }
    if (options->n_arguments == 0) {
        crd_help_program();
        return CRD_OK;
    }
    const crd_command *command = crd_command_find(options->arguments[0]);
    if (command == NULL)
        return CRD_FAIL(CRD_ERR_USAGE, "'%s' is no command (see credence help)",
                        options->arguments[0]);
    crd_help_command(command);
    return CRD_OK;
}
