/** Settings written down by a run whose caller gives none. Private to this room. */
#ifndef CRD_APP_SETTINGS_H
#define CRD_APP_SETTINGS_H

#include "credence/run.h"

/* A text holds the numbers of 16 milestones. */
enum { CRD_SETTINGS_MAX = 40, CRD_SETTING_SIZE = 384 };

/** Begin with all zero. */
typedef struct crd_settings {
    char texts[CRD_SETTINGS_MAX][CRD_SETTING_SIZE];
    crd_setting list[CRD_SETTINGS_MAX];
    int n;
} crd_settings;

/** Adds one that changes the result; `format` as for printf. */
void crd_settings_add(crd_settings *settings, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** The caller's record, or its command with these settings, which are borrowed. */
crd_record crd_settings_record(const crd_settings *settings, const crd_record *given);

#endif
