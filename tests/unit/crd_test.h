/** What every unit test includes: cmocka, and checks that print Credence's own message on failure.
 */
#ifndef CRD_TESTS_UNIT_CRD_TEST_H
#define CRD_TESTS_UNIT_CRD_TEST_H

/* cmocka.h needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credence/status.h"

/** The call must succeed. */
#define assert_ok(expression)                                                                      \
    do {                                                                                           \
        crd_status status_ = (expression);                                                         \
        if (status_ != CRD_OK)                                                                     \
            fail_msg("%s: status %d: %s", #expression, (int)status_, crd_status_message());        \
    } while (0)

/** The call must fail with this code, and its message must hold this text. */
#define assert_fails(expression, code, text)                                                       \
    do {                                                                                           \
        crd_status status_ = (expression);                                                         \
        if (status_ != (code) || strstr(crd_status_message(), (text)) == NULL)                     \
            fail_msg("%s: status %d, message '%s'; expected %d with '%s'", #expression,            \
                     (int)status_, crd_status_message(), (int)(code), (text));                     \
    } while (0)

#endif
