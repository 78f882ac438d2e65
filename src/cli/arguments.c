/* Arguments in the wrong order: what the first one lacks, a later one has. */
#include "cli/arguments.h"

#include <string.h>

#include "credence/files.h"

crd_status crd_arguments_check(const crd_options *options, const crd_command *command)
{
    crd_file_kind kind;
    const char *const *words = options->arguments;
    if (options->n_arguments < 2 || strncmp(command->arguments, "POSTERIOR", 9) != 0 ||
        crd_file_is_hdf5(words[0]))
        return CRD_OK;
    for (int i = 1; i < options->n_arguments; i++)
        if (crd_file_is_hdf5(words[i]) && crd_file_identify(&kind, words[i]) == CRD_OK &&
            kind == CRD_FILE_POSTERIOR)
            return CRD_FAIL(CRD_ERR_USAGE,
                            "%s is no posterior, but %s is: the posterior comes first: credence %s "
                            "%s",
                            words[0], words[i], command->name, command->arguments);
    return CRD_OK;
}
