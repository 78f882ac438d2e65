/* `credence models`: builds every architecture of the zoo at its own size and prints its
 * parameters and multiply-adds. */
#include <stdio.h>

#include "cli/command.h"
#include "credence/zoo.h"
#include "report/output.h"

crd_status crd_cmd_models(const crd_cli *cli)
{
    int as_json = crd_opt_flag(cli->options, CRD_OPT_JSON);
    json_t *list = json_array();
    if (!as_json)
        printf("%-20s %-12s %7s %11s %9s  %s\n", "name", "images", "classes", "parameters", "GMAC",
               "what it is");
    const crd_arch *arch;
    for (int64_t i = 0; (arch = crd_zoo_get(i)) != NULL; i++) {
        crd_network *network = NULL;
        crd_status status = crd_zoo_build(&network, arch->name, 0, 0, 0);
        if (status != CRD_OK) {
            json_decref(list);
            return status;
        }
        int64_t n = crd_network_n_trained(network), macs = crd_network_macs(network);
        crd_network_destroy(network);
        if (as_json) {
            json_array_append_new(
                list,
                json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "name", arch->name, "summary",
                          arch->summary, "in_channels", (json_int_t)arch->in_channels, "image_size",
                          (json_int_t)arch->image_size, "n_classes", (json_int_t)arch->n_classes,
                          "n_parameters", (json_int_t)n, "macs", (json_int_t)macs));
            continue;
        }
        char shape[32], grouped[32];
        snprintf(shape, sizeof shape, "%lldx%lldx%lld", (long long)arch->in_channels,
                 (long long)arch->image_size, (long long)arch->image_size);
        printf("%-20s %-12s %7lld %11s %9.4f  %s\n", arch->name, shape, (long long)arch->n_classes,
               crd_grouped(grouped, n), 1e-9 * (double)macs, arch->summary);
    }
    if (as_json)
        return crd_json_print(json_pack("{s:o}", "models", list));
    json_decref(list);
    return CRD_OK;
}
