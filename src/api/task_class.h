/* The class net.task and the functions about tasks and time in net.core. */
#ifndef API_TASK_CLASS_H
#define API_TASK_CLASS_H

#include <lua.h>

/* Makes the class.                                                        [-0, +0, m] */
void task_class_open(lua_State *L);

/* Adds spawn, sleep, now, yield and deadline to the table on top.         [-0, +0, m] */
void task_class_functions(lua_State *L);

#endif
