/* Lets a test change a file of ours as another writer would: reseal digest FILE DATASET prints the checksum of a
 * dataset, reseal seal FILE seals the file anew. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/h5.h"
#include "io/seal.h"

static crd_status print_digest(const char *path, const char *dataset)
{
    crd_h5 *file = NULL;
    uint64_t digest;
    crd_status status = crd_h5_open(&file, path);
    if (status == CRD_OK)
        status = crd_h5_digest(&digest, file, dataset);
    if (status == CRD_OK)
        printf("%016" PRIx64 "\n", digest);
    crd_h5_discard(file);
    return status;
}

int main(int argc, char **argv)
{
    crd_status status = CRD_ERR_USAGE;
    if (argc == 4 && strcmp(argv[1], "digest") == 0) {
        status = print_digest(argv[2], argv[3]);
    } else if (argc == 3 && strcmp(argv[1], "seal") == 0) {
        int fd = open(argv[2], O_RDWR);
        status = crd_seal_append(fd, argv[2], NULL, 0);
        close(fd);
    }
    if (status != CRD_OK)
        fprintf(stderr, "reseal: %s\n", crd_status_message());
    return (int)status;
}
