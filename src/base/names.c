/* One way to look a word up, and one way to complain about it. */
#include "base/names.h"

#include <stdio.h>
#include <string.h>

int crd_names_find(const char *const *names, const char *name)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

crd_status crd_names_require(int *out, const char *const *names, const char *name, const char *key,
                             crd_status code)
{
    char allowed[256] = "";
    size_t used = 0;
    *out = crd_names_find(names, name);
    if (*out >= 0)
        return CRD_OK;
    for (int i = 0; names[i] != NULL && used < sizeof allowed; i++)
        used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s", i > 0 ? ", " : "",
                                 names[i]);
    return CRD_FAIL(code, "%s: '%s' is not one of %s", key, name, allowed);
}
