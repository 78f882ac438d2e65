/** The options of a command as the settings of its run. */
#ifndef CRD_CLI_RECORD_H
#define CRD_CLI_RECORD_H

#include "cli/command.h"
#include "credence/run.h"

/** A record with its storage. */
typedef struct crd_cli_record {
    char texts[CRD_N_OPTIONS][256], exact[CRD_N_OPTIONS][512];
    crd_setting settings[CRD_N_OPTIONS];
    crd_record record;
} crd_cli_record;

/** Fills *out by the table of options; it borrows the command line. Returns &out->record. */
const crd_record *crd_cli_record_make(crd_cli_record *out, const crd_cli *cli);

#endif
