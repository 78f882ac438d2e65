/* `credence selftest`: crd_self_test, with a line for each check. */
#include <stdio.h>

#include "app/self_test.h"
#include "cli/command.h"
#include "report/output.h"

static void print_result(const char *check, const char *fault, void *payload)
{
    (void)payload;
    printf("%-6s %s%s%s\n", fault == NULL ? "ok" : "FAILED", check, fault != NULL ? ": " : "",
           fault != NULL ? fault : "");
}

static void list_result(const char *check, const char *fault, void *payload)
{
    json_array_append_new(payload, json_pack("{s:s, s:b, s:s}", "check", check, "ok", fault == NULL,
                                             "fault", fault != NULL ? fault : ""));
}

crd_status crd_cmd_selftest(const crd_cli *cli)
{
    int as_json = crd_opt_flag(cli->options, CRD_OPT_JSON);
    json_t *list = json_array();
    crd_status status =
        crd_self_test(cli->comm, cli->command_line, as_json ? list_result : print_result, list);
    if (!as_json || crd_comm_rank(cli->comm) != 0) {
        json_decref(list);
        return status;
    }
    crd_status printed = crd_json_print(
        json_pack("{s:i, s:o}", "n_ranks", crd_comm_size(cli->comm), "checks", list));
    return status == CRD_OK ? printed : status;
}
