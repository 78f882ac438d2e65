/* The tables of commands and options as jobs/README.md has them, in markdown. */
#include <stdio.h>

#include "cli/help_text.h"

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

void crd_help_markdown(void)
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
