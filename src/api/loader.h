/* Loading of scripts and modules: as text only. Mutated bytecode crashes the interpreter, so
 * every loader refuses it. The embedded modules alone are compiled: they are made together
 * with the program and are as safe as it is. */
#ifndef API_LOADER_H
#define API_LOADER_H

#include <lua.h>

/* Replaces load and loadfile by text-only ones and prepares package.path, package.cpath
 * and `package.embedded`, which lua/net/require.lua uses. `script_dir` is the script's own
 * folder, or NULL.                                                        [-0, +0, m] */
void loader_open(lua_State *L, const char *script_dir);

/* Runs the embedded (or overriding) module `name` with the table on top, to which it adds
 * `chunk`: the function that finds such a module. From now on embedded modules see the globals
 * as they are now, and no script's.                                       [-1, +0, v] */
void loader_boot(lua_State *L, const char *name);

/* Loads a script file, or standard input for "-"; a shebang line is skipped. LUA_OK with
 * the function on top, else a status with the message on top.             [-0, +1, m] */
int loader_script(lua_State *L, const char *path);

/* Loads a chunk of text.                                                  [-0, +1, m] */
int loader_text(lua_State *L, const char *text, size_t len, const char *name);

#endif
