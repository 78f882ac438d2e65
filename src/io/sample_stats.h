/** The groups of a posterior of chains that ArviZ reads. Private to this room. */
#ifndef CRD_IO_SAMPLE_STATS_H
#define CRD_IO_SAMPLE_STATS_H

#include "io/writer.h"

/** Nothing if `report` is NULL. */
crd_status crd_sample_stats_create(crd_writer *writer, const crd_chain_report *report);
crd_status crd_sample_stats_write(crd_writer *writer, const crd_chain_report *report);

#endif
