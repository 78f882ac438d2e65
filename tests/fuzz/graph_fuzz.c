/* The reader of a network's JSON: what it takes, it writes and takes again to the same text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "credence/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *write_json(const crd_network *network)
{
    char *text;
    if (crd_network_to_json(&text, network) != CRD_OK)
        abort();
    return text;
}

/* The same network, read from its own text. */
static void check_again(const crd_network *network)
{
    crd_network *again;
    char *first = write_json(network);
    if (crd_network_from_json(&again, first) != CRD_OK)
        abort();
    char *second = write_json(again);
    if (strcmp(first, second) != 0)
        abort();
    crd_network_destroy(again);
    crd_network_text_free(first);
    crd_network_text_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = 0;
    int64_t before = crd_alloc_bytes();
    crd_network *network;
    crd_status status = crd_network_from_json(&network, text);
    if (status != CRD_OK && status != CRD_ERR_INPUT)
        abort();
    if (status == CRD_OK)
        check_again(network);
    crd_network_destroy(network);
    if (crd_alloc_bytes() != before)
        abort();
    free(text);
    return 0;
}
