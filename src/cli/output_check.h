/** What is written must not be what is read. */
#ifndef CRD_CLI_OUTPUT_CHECK_H
#define CRD_CLI_OUTPUT_CHECK_H

#include "cli/options.h"

/** Fails if a file written as `path` would replace one that the command reads: an argument, a
 * file of a data set (idx:, cifar10:, a JPEG below a folder), or the file of an option. Errors:
 * CRD_ERR_USAGE. */
crd_status crd_output_check(const crd_options *options, const char *path);

#endif
