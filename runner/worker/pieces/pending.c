/* Until the reading half is merged. */
#include "pieces.h"

PyObject *
prf_pieces_get_function_stats(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                              PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_get_all_function_stats(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n_args, PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_get_all_calls(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                         PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_get_hotspots(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                        PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_get_slowest_calls(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                             PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_get_call_tree(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                         PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_generate_flame_graph_text(PyObject *self, PyObject *const *args,
                                     Py_ssize_t n_args, PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_generate_timeline_text(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n_args, PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_get_summary(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                       PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_export_to_json(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                          PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_export_to_csv(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                         PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}

PyObject *
prf_pieces_print_report(PyObject *self, PyObject *const *args, Py_ssize_t n_args,
                        PyObject *kwnames)
{
    (void)self, (void)args, (void)n_args, (void)kwnames;
    Py_RETURN_NONE;
}
