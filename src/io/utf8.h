/** UTF-8: HDF5 does not check it, and one bad byte makes a file unreadable for Python. */
#ifndef CRD_IO_UTF8_H
#define CRD_IO_UTF8_H

#include "credence/status.h"

/** Copies text; every byte that is no part of valid UTF-8 becomes '?'. Free with crd_free. */
crd_status crd_utf8_copy(char **out, const char *text);

#endif
