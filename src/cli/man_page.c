/* Man pages in man(7)'s macros. All text goes through print_roff, which escapes what roff would
 * take for its own. */
#include <string.h>

#include "cli/documents.h"
#include "cli/help_text.h"
#include "credence/version.h"

/** Text within a line: a backslash, and a hyphen that must stay one. */
static void print_roff(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\'')
            fputs("\\(aq", out);
        else if (*text == '`') /* a command of ours: `credence merge` */
            fputs("\\(dq", out);
        else
            fputc(*text, out);
    }
}

/** A line of its own. A full stop at its start would begin a macro. */
static void print_line(FILE *out, const char *text)
{
    if (*text == '.')
        fputs("\\&", out);
    print_roff(out, text);
    fputc('\n', out);
}

static void print_option(FILE *out, const crd_option *option)
{
    char text[CRD_TEXT_SIZE];
    fputs(".TP\n", out);
    if (option->letter != 0)
        fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", out);
    print_roff(out, option->name);
    fputs("\\fR", out);
    if (option->placeholder != NULL) {
        fputs(" \\fI", out);
        print_roff(out, option->placeholder);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    crd_help_text(text, option);
    print_line(out, text);
}

static void print_options(FILE *out, unsigned command)
{
    fputs(".SH OPTIONS\n", out);
    for (int group = 0; group < CRD_N_GROUPS; group++) {
        int n = 0;
        for (int id = 0; id < CRD_N_OPTIONS; id++) {
            const crd_option *option = &crd_option_table()[id];
            if ((int)option->group != group || !(option->commands & command))
                continue;
            if (n++ == 0)
                fprintf(out, ".SS %s\n", crd_option_group_title((crd_option_group)group));
            print_option(out, option);
        }
    }
}

static void print_head(FILE *out, const char *name, const char *upper, const char *summary)
{
    fprintf(out, ".TH %s 1 \"\" \"credence %s\" \"Credence\"\n.nh\n.ad l\n.SH NAME\n", upper,
            CREDENCE_VERSION);
    print_roff(out, name);
    fputs(" \\- ", out);
    print_line(out, summary);
}

static void print_end(FILE *out, const char *others)
{
    fputs(".SH EXIT STATUS\nThe same on all ranks: ", out);
    print_line(out, CRD_EXIT_CODES ".");
    fprintf(out, ".SH SEE ALSO\n%s\n", others);
}

static void write_program(FILE *out)
{
    print_head(out, "credence", "CREDENCE",
               "Monte Carlo over Bayesian neural networks on HPC clusters");
    fputs(
        ".SH SYNOPSIS\n\\fBcredence\\fR \\fICOMMAND\\fR [\\fIargument\\fR...] [\\fIoption\\fR...]\n"
        ".br\n\\fBmpirun\\fR \\-n \\fIN\\fR \\fBcredence\\fR \\fICOMMAND\\fR ...\n"
        ".SH DESCRIPTION\n"
        "Draws networks from the posterior of a Bayesian neural network, runs them on images over\n"
        "MPI ranks, and says for every image which classes it may be, how sure each probability "
        "is,\n"
        "and how much of the doubt is the model\\(aqs own. The answer does not depend on the "
        "number\n"
        "of ranks. Each command has a page of its own.\n"
        ".SH COMMANDS\n",
        out);
    for (int i = 0; crd_command_get(i) != NULL; i++) {
        fprintf(out, ".TP\n\\fB%s\\fR\n", crd_command_get(i)->name);
        print_line(out, crd_command_get(i)->summary);
    }
    fputs(".SH ENVIRONMENT\n.TP\n\\fBCREDENCE_KERNELS\\fR\n"
          "forces the kernels of an instruction set: ref, avx2, avx512, avx512_bf16, neon\n"
          ".SH FILES\nAll files are HDF5; FORMATS.md in the documentation describes them.\n",
          out);
    print_end(out, ".BR mpirun (1)");
}

void crd_man_write(FILE *out, const crd_command *command)
{
    if (command == NULL) {
        write_program(out);
        return;
    }
    char name[64], upper[64];
    snprintf(name, sizeof name, "credence-%s", command->name);
    snprintf(upper, sizeof upper, "%s", name);
    for (char *c = upper; *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    print_head(out, name, upper, command->summary);
    fprintf(out, ".SH SYNOPSIS\n\\fBcredence %s\\fR ", command->name);
    print_roff(out, command->arguments);
    fputs(" [\\fIoption\\fR...]\n", out);
    print_options(out, crd_command_bit(command));
    if (command->example != NULL) {
        fputs(".SH EXAMPLE\n.EX\n", out);
        print_line(out, command->example);
        fputs(".EE\n", out);
    }
    print_end(out, ".BR credence (1)");
}
