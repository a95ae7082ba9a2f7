/* The class net.file: a regular file that was opened beneath a folder, for reading and for
 * sendfile. It keeps its own position, and reads block the process as all file I/O does. */
#ifndef API_FILE_CLASS_H
#define API_FILE_CLASS_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct file_object {
  const void *class; /* identity of this struct */
  int fd;            /* owned; -1: closed */
  bool folder;       /* a root for open, not a file */
  int64_t size;      /* bytes when it was opened: what sendfile promises */
  int64_t position;  /* where the next read begins */
};

/* Makes the class.                                                        [-0, +0, m] */
void file_class_open(lua_State *L);

/* Adds open and folder to the table on top.                               [-0, +0, m] */
void file_class_functions(lua_State *L);

/* The file at `idx`; raises when it is something else, or a folder.        [-0, +0, v] */
struct file_object *file_class_check(lua_State *L, int idx);

/* The open folder at `idx`; raises when it is something else.              [-0, +0, v] */
struct file_object *file_class_folder(lua_State *L, int idx);

#endif
