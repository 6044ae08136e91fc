/* The methods of PerformanceProfiler that only read, for its method table, with what
   help() says of them. */
#ifndef PRF_PIECES_READERS_H
#define PRF_PIECES_READERS_H

#include "pieces.h"

#define PRF_PIECES_READER(name, signature, doc)                                        \
    {                                                                                  \
        #name, (PyCFunction)(void (*)(void))prf_pieces_##name,                         \
            METH_FASTCALL | METH_KEYWORDS,                                             \
            PyDoc_STR(#name "($self, /" signature ")\n--\n\n" doc)                     \
    }

/* clang-format off */
#define PRF_PIECES_READERS                                                             \
    PRF_PIECES_READER(get_function_stats, ", name",                                    \
        "FunctionStats of the function or block of that name, as it is now.\n\n"       \
        "None: it was not called since the last clear()."),                            \
    PRF_PIECES_READER(get_all_function_stats, "",                                      \
        "Dict of name to FunctionStats of all that have a call that ended, in the\n"   \
        "order of first calls."),                                                      \
    PRF_PIECES_READER(get_all_calls, "",                                               \
        "Sequence of a FunctionCall for each kept call, in the order in which they\n"  \
        "ended; it does not change later, and makes its objects when they are used.\n\n" \
        "RuntimeError: the profiler was made with keep_calls=False."),                 \
    PRF_PIECES_READER(get_hotspots, ", limit=10",                                      \
        "List of (name, total_time, call_count), the largest total time first.\n\n"    \
        "limit: at most so many; None: all. Seconds."),                                \
    PRF_PIECES_READER(get_slowest_calls, ", limit=10",                                 \
        "List of (name, duration) of single calls, the longest first.\n\n"             \
        "limit: at most so many; None: all. Seconds.\n"                                \
        "RuntimeError: the profiler was made with keep_calls=False."),                 \
    PRF_PIECES_READER(get_call_tree, "",                                               \
        "Who ran inside whom: dict of name to {\"calls\": int, \"total_time\": "       \
        "seconds,\n\"own_time\": seconds, \"children\": dict of the same shape}.\n\n"  \
        "The same function at two places is two entries; threads are merged."),        \
    PRF_PIECES_READER(generate_flame_graph_text,                                       \
        ", width=80, *, max_depth=64, ascii=None",                                     \
        "A flame graph as text: a row for each level of calls, a frame under the\n"    \
        "frame that called it, as wide as the time in which it or what it called\n"    \
        "ran; below it bars of own time.\n\n"                                          \
        "width: columns, from 20 to 10000. max_depth: rows; None: all.\n"              \
        "ascii: True for ASCII only; None: when sys.stdout's encoding has no more."),  \
    PRF_PIECES_READER(generate_timeline_text, ", limit=50, *, width=80, ascii=None",   \
        "The longest calls as bars over time, by thread, in the order in which they\n" \
        "began.\n\n"                                                                   \
        "limit: at most so many calls; None: all. width: columns, from 60 to 10000.\n" \
        "ascii: True for ASCII only; None: when sys.stdout's encoding has no more."),  \
    PRF_PIECES_READER(get_summary, "",                                                 \
        "Dict of figures of all calls: total_functions, total_calls, threads,\n"       \
        "kept_calls, lost_calls, and in seconds total_time (calls that nothing\n"      \
        "profiled was around), own_time, waiting_time, elapsed_time, avg_call_time,\n" \
        "median_call_time, p95_call_time, min_call_time, max_call_time."),             \
    PRF_PIECES_READER(export_to_json, ", filename",                                    \
        "Write everything as JSON, schema \"pyprofiler/pieces/1\".\n\n"                \
        "filename: str, bytes or os.PathLike; an existing file is replaced as a\n"     \
        "whole, or stays what it was when an OSError is raised."),                     \
    PRF_PIECES_READER(export_to_csv, ", filename",                                     \
        "Write a row of figures for each function, times in seconds.\n\n"              \
        "filename: str, bytes or os.PathLike; an existing file is replaced as a\n"     \
        "whole, or stays what it was when an OSError is raised."),                     \
    PRF_PIECES_READER(print_report, ", top_n=10, file=None",                           \
        "Print a summary, the functions with the largest total times, and the\n"       \
        "slowest calls.\n\n"                                                           \
        "top_n: so many functions; None: all. file: None is sys.stdout.")
/* clang-format on */

#endif
