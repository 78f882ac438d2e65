/** The words of an option's help, as help, man pages and the tables of jobs/README.md show them. */
#ifndef CRD_CLI_HELP_TEXT_H
#define CRD_CLI_HELP_TEXT_H

#include "cli/command.h"

/** What every exit code means, for help and man pages. */
#define CRD_EXIT_CODES                                                                             \
    "0 done, 1 internal, 2 wrong usage, 3 bad input file, 4 I/O, 5 not a number, 6 a checkpoint "  \
    "of another run, 7 a rank hangs, 75 stopped with a checkpoint: run again with --resume"

#define CRD_TEXT_SIZE 1024

/** What the option needs, its help, its choices, its default. */
void crd_help_text(char out[CRD_TEXT_SIZE], const crd_option *option);

/** Where there is no terminal to ask. */
enum { CRD_HELP_WIDTH = 80 };
/** Columns of the terminal, from 40 to 120; COLUMNS wins, as in other programs. */
int crd_help_width(void);
/** Prints text whose lines begin at column `indent`; the first one continues at `column`. */
void crd_help_wrap(const char *text, int column, int indent, int width);
/** Prints the tables of commands and options for jobs/README.md. */
void crd_help_markdown(void);

#endif
