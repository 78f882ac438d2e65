/* The error record of each thread: code and one line of text. Control characters become '?', so
 * that a file's name cannot write to the terminal. */
#include "credence/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[CRD_MESSAGE_SIZE];

crd_status crd_status_set(crd_status code, const char *format, ...)
{
    /* Built aside first: a caller may pass crd_status_message() itself as an argument. */
    char text[CRD_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?'; /* a file name or key from outside must not write to the user's terminal */
    memcpy(message, text, sizeof message);
    return code;
}

const char *crd_status_message(void)
{
    return message;
}
