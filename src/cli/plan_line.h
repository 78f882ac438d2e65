/** The line for sbatch that a plan ends with. */
#ifndef CRD_CLI_PLAN_LINE_H
#define CRD_CLI_PLAN_LINE_H

#include "cli/options.h"
#include "credence/plan_files.h"

enum { CRD_PLAN_LINE_SIZE = 4096 };

/** Asks for the job, to run jobs/COMMAND.sbatch: what the user gave to plan, and the command takes,
 * continues to it. */
void crd_plan_line(char out[CRD_PLAN_LINE_SIZE], const crd_options *given, crd_command_id command,
                   const crd_plan_job *job, const char *output);

#endif
