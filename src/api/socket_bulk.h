/* The loop of send_repeat and discard, of streams (socket_bulk.c) and of datagrams
 * (socket_datagram_bulk.c). */
#ifndef API_SOCKET_BULK_H
#define API_SOCKET_BULK_H

#include "api/bulk.h"
#include "api/socket.h"

enum { SOCKET_MOVE = 4 }; /* the slot of the move; the socket is in slot 1 */

struct socket_way {
  uint32_t what; /* NET_RD or NET_WR */
  /* Moves bytes by one system call: > 0, -EAGAIN, STATUS_EOF or another status. */
  ssize_t (*move)(lua_State *L, struct socket *s, struct bulk *b);
  /* Whether nothing is left to be done after the last byte, else the wake is armed. NULL:
   * nothing ever is. */
  bool (*settled)(struct socket *s, struct bulk *b);
  /* What holds while a task waits for the handle, or NULL. NULL: nothing ever does. */
  struct task_more *(*more)(struct bulk *b);
  lua_KFunction k;
};

/* Moves until it has to wait or has ended.                          [-0, +1 or 3, v] [y] */
int socket_move_on(lua_State *L, const struct socket_way *way, int64_t deadline);

/* The two of a datagram socket; arguments from slot 2.              [-0, +1 or 3, v] [y] */
int socket_repeat_datagram(lua_State *L, struct socket *s);
int socket_discard_datagrams(lua_State *L, struct socket *s);

#endif
