/** Man pages and completion, made of the tables of commands and options. */
#ifndef CRD_CLI_DOCUMENTS_H
#define CRD_CLI_DOCUMENTS_H

#include <stdio.h>

#include "cli/command.h"

/** The man page credence-<command>(1), or credence(1) if `command` is NULL, in man(7)'s macros. */
void crd_man_write(FILE *out, const crd_command *command);
/** Completion of commands, options and choices for bash, and for zsh. Files are the shell's own. */
void crd_bash_completion_write(FILE *out);
void crd_zsh_completion_write(FILE *out);

#endif
