/* What a stream sends when it is not one string: the bytes of several strings and buffers,
 * in order and where they lie, with how far they have gone. Nothing that the script does
 * meanwhile changes them: a list is copied, and a buffer is busy while a task waits. */
#ifndef API_FRAGMENTS_H
#define API_FRAGMENTS_H

#include <lua.h>

#include "api/buffer.h"
#include "net/stream.h"

struct fragments;

/* The bytes of the fragment on top, which is the i-th of a list: a string, a number (which
 * becomes one) or a buffer. Raises for what is none.                      [-0, +0, v] */
const char *fragments_bytes(lua_State *L, lua_Integer i, size_t *len);

/* How many fragments the list at `idx` has. Raises for a plain table that has none but
 * fields: it was meant for something else.                                 [-0, +0, v] */
lua_Integer fragments_count(lua_State *L, int idx);

/* Replaces the list at `idx`, the top, by its fragments.                  [-0, +0, v] */
void fragments_of_list(lua_State *L, int idx);

/* Replaces the buffer at `idx` by a run of its bytes.                     [-0, +0, m] */
void fragments_of_buffer(lua_State *L, int idx, struct run run);

/* Those at `idx`, or NULL when it is something else. */
struct fragments *fragments_at(lua_State *L, int idx);

/* True while bytes have to go. */
bool fragments_left(const struct fragments *f);

/* Holds the buffers: for a wait of the send. */
struct task_more *fragments_holder(struct fragments *f);

/* Sends once. Fragments that are small together are copied into the queue of sends; else
 * the kernel takes them from where they lie, as it does in any case with `now`.
 * > 0: bytes that were taken; -EAGAIN; another status. */
ssize_t fragments_send(struct fragments *f, struct stream *st, struct net *net, net_h h,
                       bool now);

#endif
