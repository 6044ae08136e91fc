/* The worker's main loop: import once, then a process for each run. */
#ifndef PRF_ZYGOTE_H
#define PRF_ZYGOTE_H

/* Serve the runner on the control socket until it says quit or goes away. `host` is
   "embed" (Python is not initialised yet) or "python" (called inside it, with the GIL).
   Returns the exit code of the process. */
int prf_zygote_serve(int control, const char *host);

/* Python writes to the file at `path` where it was when a fatal signal came; NULL: not.
   Needs the GIL. */
void prf_zygote_watch_faults(const char *path);

#endif
