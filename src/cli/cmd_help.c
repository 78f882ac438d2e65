/* Help of the program and of each command, wrapped at the terminal's width, and the tables of
 * jobs/README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/help_text.h"

enum { USUAL_WIDTH = 80, LEAST_WIDTH = 40, MOST_WIDTH = 120 };

/** Columns of the terminal; COLUMNS wins, as in other programs. */
static int line_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    if (width <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width <= 0)
        width = USUAL_WIDTH;
    return (int)(width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width);
}

/** Prints text whose lines begin at column `indent`; the first one continues at `column`. */
static void print_wrapped(const char *text, int column, int indent, int width)
{
    int is_first = 1;
    for (; column < indent; column++)
        putchar(' ');
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (!is_first && column + 1 + length > width) {
            printf("\n%*s", indent, "");
            column = indent;
            is_first = 1;
        }
        column += printf("%s%.*s", is_first ? "" : " ", length, text);
        is_first = 0;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const crd_option *option, int width)
{
    char form[CRD_FORM_SIZE], text[CRD_TEXT_SIZE];
    crd_option_form(form, option);
    crd_help_text(text, option);
    int indent = width < USUAL_WIDTH ? 8 : 28;
    int column = printf("  %s%s", option->letter != 0 ? "" : "    ", form);
    if (column + 2 > indent) {
        putchar('\n');
        column = 0;
    }
    print_wrapped(text, column, indent, width);
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
        print_wrapped("You are root: Open MPI's mpirun then wants --allow-run-as-root, and with "
                      "more ranks than cores --oversubscribe.",
                      0, 0, width);
}

void crd_help_command(const crd_command *command)
{
    int width = line_width();
    char usage[256];
    snprintf(usage, sizeof usage, "credence %s%s%s [option...]", command->name,
             command->arguments[0] != '\0' ? " " : "", command->arguments);
    print_wrapped(usage, printf("usage: "), 7, width);
    putchar('\n');
    print_wrapped(command->summary, 0, 0, width);
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
    int width = line_width();
    puts("usage: credence COMMAND [argument...] [option...]\n\n"
         "Monte Carlo over Bayesian neural networks on HPC clusters\n");
    for (int i = 0; crd_command_get(i) != NULL; i++)
        print_wrapped(crd_command_get(i)->summary, printf("  %s", crd_command_get(i)->name), 15,
                      width);
    putchar('\n');
    print_wrapped("`credence COMMAND -h` shows a command's options, `credence version` versions. "
                  "On several cores: `mpirun -n N credence COMMAND`.",
                  0, 0, width);
    print_root_note(width);
    print_wrapped("Exit codes: " CRD_EXIT_CODES ".", 0, 0, width);
}

/** Prints text for a cell of a markdown table: only the bar has a meaning there. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++)
        printf(*text == '|' ? "\\|" : "%c", *text);
}

/** The commands that take the option; "all" if only those do not whose own matter it cannot be. */
static void print_commands(const crd_option *option)
{
    int n = 0;
    if ((option->commands | CRD_HELP) == CRD_EVERY) {
        printf("all");
        return;
    }
    for (int i = 0; crd_command_get(i) != NULL; i++)
        if (option->commands & crd_command_bit(crd_command_get(i)))
            printf("%s%s", n++ > 0 ? ", " : "", crd_command_get(i)->name);
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
        if (option->commands == 0 || option->commands == CRD_HELP)
            continue;
        char form[CRD_FORM_SIZE], text[CRD_TEXT_SIZE];
        crd_option_form(form, option);
        crd_help_text(text, option);
        printf("| `%s` | ", form);
        print_commands(option);
        printf(" | ");
        print_cell(text);
        puts(" |");
    }
}

crd_status crd_cmd_help(const crd_cli *cli)
{
    const crd_options *options = cli->options;
    const crd_command *command;
    if (crd_opt_flag(options, CRD_OPT_MARKDOWN)) {
        print_markdown();
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
