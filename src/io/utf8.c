/* Replaces what is not valid UTF-8 (RFC 3629), because HDF5 does not check it and Python refuses
 * it. */
#include "io/utf8.h"

#include "base/alloc.h"

/* Bytes of the valid sequence at s, or 0. Overlong forms, surrogates and values above U+10FFFF are
 * invalid (RFC 3629). */
static int sequence_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    int length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return length;
}

crd_status crd_utf8_copy(char **out, const char *text)
{
    crd_status status = crd_alloc_string(out, text);
    if (status != CRD_OK)
        return status;
    for (char *c = *out; *c != '\0';) {
        int length = sequence_length((const unsigned char *)c);
        if (length == 0)
            *c = '?';
        c += length == 0 ? 1 : length;
    }
    return CRD_OK;
}
