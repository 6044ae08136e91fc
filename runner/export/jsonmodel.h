/* The parts of a run's JSON document that other documents have too. */
#ifndef PRF_JSONMODEL_H
#define PRF_JSONMODEL_H

#include "exporter.h"
#include "jsonout.h"

/* The members "schema", "run", "commit", "python", "machine" of an object. */
void prf_json_run(struct prf_jsonout *js, const char *schema,
                  const struct prf_run *run);

/* A result as an element of an array. PRF_EUSAGE: a sort key that is not known;
   PRF_ENOMEM. */
int prf_json_result(struct prf_jsonout *js, const struct prf_result *result,
                    const struct prf_export_options *options, struct prf_error *err);

#endif
