/* Messages on the control socket between the runner and a worker. Each is a uint32_t
   length in the machine's byte order and that many bytes of JSON, an object with
   "type". Nobody waits for the end of the stream: a grandchild may hold it open.

   worker -> runner, before Python is initialised
     hello     {abi, version, python: "3.11", host: "embed"|"python",
                backends: [BACKEND...]}
       BACKEND {name, aliases: [..], summary, available: bool, why: null|"..",
                caps: ["rounds",..], registered: bool (true: by the case file),
                metrics: [{name, unit, scope, better, fold, help}],
                options: [{type, name, short: null|"x", aliases: [..],
                           default: null|"..", min, max, unit, choices: [..], implied,
                           help, hidden: bool, optional: bool}]}
       (type: flag int uint double string choice list duration size count)
   runner -> worker
     init      {executable, package_dir, argv: [..], path0: null|"dir", hash_seed:
   null|".."} worker -> runner ready     {version, implementation, executable, prefix,
   flags}   or   failed {error} runner -> worker import    {path: "/abs/file.py"} or
   {module: "a.b"}; both with {node: "id prefix", output: "/abs/file" | null, plugins:
   ["module", ..], foreign_root: "/abs" | null, own_root: "/abs" | null} (modules from
   below foreign_root that are not below own_root are warned of) worker -> runner cases
   {cases: [CASE...], backends: [BACKEND...] (registered by the file), threads: n, file:
   "/abs", module: "name", warnings: ["..",
   ..]} CASE    {id, class, method, params: null|"n=10", file, line, hash, async: bool,
                doc: null|"..", skip: null|"reason", accept: null|[names],
                reject: [names], budget: null|{metric: limit}}
               or
     import-failed {reason: one line, traceback, file: null|"..", line: null|n}
   runner -> worker
     run       {case: "id", profiler: "call", options: {"name": "text" | ["a", "b"]},
                recording: "/abs", output: "/abs" | null, fault: "/abs",
                inline: bool (in this process instead of a fork),
                affinity: null|[cpus]}
   worker -> runner
     started   {pid}
     exited    {pid, code: n | null, signal: n | null, left: n processes killed,
                utime_ns, stime_ns, maxrss_bytes}
   runner -> worker, before any `import`
     inspect   {path}   is the file a program, not a file of cases? Decided from its
                        syntax tree, nothing of it is executed.
   worker -> runner
     inspected {script: true | false | null (it cannot be parsed)}
   runner -> worker, instead of `import` and `run`; the last message there is
     script    {case: "id", kind: "file"|"module"|"code", what, argv: [..], profiler,
                options, recording, fault, affinity}
               `what` and `argv` may be any bytes: each is sent as the code point of
               the same number.
   worker -> runner
     started   {pid, file: null|"/abs", hash: null|"..", cpu_ns (of the process until
                now)}
               or `failed`. Then the worker is the script: it closes the socket, and how
               it ends is how the script ended.
   runner -> worker
     quit      {}

   The measured process itself says nothing here: its status, traceback and results are
   in the recording. */
#ifndef PYPROFILER_PROTOCOL_H
#define PYPROFILER_PROTOCOL_H

#define PRF_PROTOCOL_VERSION 1
#define PRF_PROTOCOL_MAX (64u << 20) /* a longer message is a damaged stream */

#endif
