/* The line for sbatch that a plan ends with: the job's size, then the words of the run. */
#include "cli/plan_line.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"

/** Appends a word: what a shell might take for more than a word gets quotes. */
static size_t append_word(char *out, size_t used, const char *word)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:,+=@-";
    const size_t size = CRD_PLAN_LINE_SIZE;
    const char *quote = word[strspn(word, plain)] == '\0' ? "" : "'";
    if (used < size)
        used += (size_t)snprintf(out + used, size - used, " %s", quote);
    for (const char *c = word; *c != '\0' && used < size; c++)
        used += (size_t)snprintf(out + used, size - used, *c == '\'' ? "'\\''" : "%c", *c);
    if (used < size)
        used += (size_t)snprintf(out + used, size - used, "%s", quote);
    return used < size ? used : size;
}

void crd_plan_line(char out[CRD_PLAN_LINE_SIZE], const crd_options *given, crd_command_id command,
                   const crd_plan_job *job, const char *output)
{
    size_t used = (size_t)snprintf(
        out, CRD_PLAN_LINE_SIZE,
        "sbatch --ntasks=%lld --mem-per-cpu=%lldM --time=%lld:%02lld:00 jobs/%s.sbatch",
        (long long)job->n_ranks, (long long)job->mib_per_rank, (long long)(job->minutes / 60),
        (long long)(job->minutes % 60), crd_command_get((int)command)->name);
    for (int i = 0; i < given->n_arguments; i++)
        used = append_word(out, used, given->arguments[i]);
    for (int id = 0; id < CRD_N_OPTIONS; id++) {
        const crd_option *option = &crd_option_table()[id];
        const crd_option_value *value = &given->values[id];
        char name[64];
        if (!value->given || !(option->commands & 1U << command) || option->plan == CRD_PLAN_KEEPS)
            continue;
        snprintf(name, sizeof name, "--%s", option->name);
        used = append_word(out, used, name);
        if (option->placeholder != NULL)
            used = append_word(out, used, value->text);
    }
    used = append_word(out, used, "-o");
    append_word(out, used, output);
}
