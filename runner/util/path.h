/* Paths as text. Results are the caller's (free); NULL when there is no memory. */
#ifndef PRF_PATH_H
#define PRF_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include <pyprofiler/error.h>

char *prf_path_join(const char *folder, const char *name);
char *prf_path_dirname(const char *path);

/* The last part; borrowed from `path`. */
const char *prf_path_basename(const char *path);

/* Absolute, without "." ".." and doubled slashes, links not resolved. */
char *prf_path_absolute(const char *path);

/* `path` relative to `root` when it is below it, else a copy. Both absolute. */
char *prf_path_relative(const char *path, const char *root);

bool prf_path_exists(const char *path);
bool prf_path_is_dir(const char *path);

/* The absolute path of a program on PATH; NULL: there is none. */
char *prf_path_find_program(const char *name);

/* Make a folder and its parents. PRF_EIO. */
int prf_path_mkdirs(const char *path, struct prf_error *err);

/* A whole file into memory with a NUL after it. PRF_ENOTFOUND, PRF_EIO, PRF_ENOMEM. */
int prf_file_read(const char *path, char **data, size_t *size, struct prf_error *err);

/* Delete a folder with all it holds; errors are ignored. */
void prf_path_remove_tree(const char *path);

#endif
