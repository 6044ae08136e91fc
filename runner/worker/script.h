/* A whole program under a profiler, in this process: `python script.py`, `-m`, `-c`.
   All functions need the GIL. */
#ifndef PRF_SCRIPT_H
#define PRF_SCRIPT_H

#include <jansson.h>

#include <pyprofiler/error.h>

/* The protocol's answer to `inspect`; NULL with `err` set. */
json_t *prf_script_inspect(const json_t *request, struct prf_error *err);

/* Become the script that the protocol's message `script` names: tells the runner that
   it started, closes `control`, runs it and ends the process as Python would. Returns
   only when it could not begin: PRF_EPROTOCOL, PRF_EIO, PRF_EPYTHON. */
int prf_script_run(int control, const json_t *request, struct prf_error *err);

#endif
