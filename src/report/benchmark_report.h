/** What `bench` says, as text while it runs, or as one JSON object. */
#ifndef CRD_REPORT_BENCHMARK_REPORT_H
#define CRD_REPORT_BENCHMARK_REPORT_H

#include <jansson.h>

#include "app/bench_posterior.h"

/** Hooks that print text at once, without payload. */
extern const crd_bench_hooks crd_bench_text;
/** Hooks that fill the payload, a json_t object. */
extern const crd_bench_hooks crd_bench_json;

#endif
