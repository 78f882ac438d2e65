/* Completion for bash and zsh: the words of the tables, in functions that need nothing but the
 * shell. Where a file or a number belongs, the shell's own completion of files is left to work. */
#include <string.h>

#include "cli/documents.h"

static void print_commands(FILE *out)
{
    for (int i = 0; crd_command_get(i) != NULL; i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", crd_command_get(i)->name);
}

static void print_choices(FILE *out, const crd_option *option)
{
    for (const char *const *choice = option->choices(); *choice != NULL; choice++)
        fprintf(out, "%s%s", choice == option->choices() ? "" : " ", *choice);
}

/** A branch for each command with its options. */
static void print_bash_options(FILE *out)
{
    for (int i = 0; crd_command_get(i) != NULL; i++) {
        unsigned command = crd_command_bit(crd_command_get(i));
        fprintf(out, "    %s) options=\"", crd_command_get(i)->name);
        for (int id = 0, n = 0; id < CRD_N_OPTIONS; id++)
            if (crd_option_table()[id].commands & command)
                fprintf(out, "%s--%s", n++ > 0 ? " " : "", crd_option_table()[id].name);
        fputs("\" ;;\n", out);
    }
}

/** A branch for each option that takes a value, with the words it may be; none: a file, a
 * number. */
static void print_bash_values(FILE *out)
{
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &crd_option_table()[id];
        if (option->commands == 0 || option->placeholder == NULL)
            continue;
        fputs("    ", out);
        for (int i = 0, n = 0; crd_command_get(i) != NULL; i++)
            if (option->commands & crd_command_bit(crd_command_get(i))) {
                fprintf(out, "%s%s:--%s", n++ > 0 ? " | " : "", crd_command_get(i)->name,
                        option->name);
                if (option->letter != 0)
                    fprintf(out, " | %s:-%c", crd_command_get(i)->name, option->letter);
            }
        fputs(") words=\"", out);
        if (option->choices != NULL)
            print_choices(out, option);
        fputs("\"; is_value=yes ;;\n", out);
    }
}

void crd_bash_completion_write(FILE *out)
{
    fputs("# bash completion for credence; made from its table of options.\n"
          "_credence()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command=${COMP_WORDS[1]} options= words= is_value=\n"
          "    COMPREPLY=()\n"
          "    # --name=value comes as three words.\n"
          "    if [ \"$word\" = = ]; then\n"
          "        word=\n"
          "    elif [ \"$before\" = = ]; then\n"
          "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    fi\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ] || [ \"$command:$before\" = help:help ]; then\n"
          "        COMPREPLY=($(compgen -W \"",
          out);
    print_commands(out);
    fputs("\" -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    case $command in\n",
          out);
    print_bash_options(out);
    fputs("    esac\n    case $command:$before in\n", out);
    print_bash_values(out);
    fputs("    esac\n"
          "    case $is_value:$word in\n"
          "    yes:*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
          "    :-*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
          "    esac\n"
          "}\n"
          "complete -o default -F _credence credence\n",
          out);
}

/** Within single quotes, in brackets, before colons: what zsh's _arguments takes for its own. */
static void print_zsh_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text) != NULL)
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void print_zsh_option(FILE *out, const crd_option *option)
{
    if (option->letter != 0)
        fprintf(out, "            {-%c,--%s}", option->letter, option->name);
    else
        fprintf(out, "            --%s", option->name);
    fprintf(out, "'%s[", option->placeholder != NULL && option->letter == 0 ? "=" : "");
    print_zsh_text(out, option->help);
    fputc(']', out);
    if (option->placeholder != NULL) {
        fputc(':', out);
        print_zsh_text(out, option->placeholder);
        fputs(option->choices != NULL ? ":(" : ":_files", out);
        if (option->choices != NULL)
            print_choices(out, option);
        fputs(option->choices != NULL ? ")" : "", out);
    }
    fputs("' \\\n", out);
}

void crd_zsh_completion_write(FILE *out)
{
    fputs("#compdef credence\n# zsh completion for credence; made from its table of options.\n"
          "local -a commands\ncommands=(\n",
          out);
    for (int i = 0; crd_command_get(i) != NULL; i++) {
        fprintf(out, "    '%s:", crd_command_get(i)->name);
        print_zsh_text(out, crd_command_get(i)->summary);
        fputs("'\n", out);
    }
    fputs(")\nif ((CURRENT == 2)) || [[ $words[2] == help && CURRENT -eq 3 ]]; then\n"
          "    _describe command commands\nelse\n    case $words[2] in\n",
          out);
    for (int i = 0; crd_command_get(i) != NULL; i++) {
        fprintf(out, "    %s)\n        _arguments \\\n", crd_command_get(i)->name);
        for (int id = 0; id < CRD_N_OPTIONS; id++)
            if (crd_option_table()[id].commands & crd_command_bit(crd_command_get(i)))
                print_zsh_option(out, &crd_option_table()[id]);
        fputs("            '*:file:_files'\n        ;;\n", out);
    }
    fputs("    esac\nfi\n", out);
}
