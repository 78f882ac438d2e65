/** Arguments that stand in each other's place. */
#ifndef CRD_CLI_ARGUMENTS_H
#define CRD_CLI_ARGUMENTS_H

#include "cli/command.h"

/** Finds a posterior that stands after its data: "predict IMAGE.jpg POSTERIOR.h5". Errors:
 * CRD_ERR_USAGE. */
crd_status crd_arguments_check(const crd_options *options, const crd_command *command);

#endif
