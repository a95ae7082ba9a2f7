/* Building blocks of messages that are sent: a head grows in a room of fixed size; what
 * does not fit marks it full and writes nothing beyond. */
#ifndef API_HTTP_WRITE_H
#define API_HTTP_WRITE_H

#include <string.h>

#include "api/http.h"

enum { HTTP_LINES_MAX = 64 * 1024 }; /* bytes of a message's field lines */

struct http_out {
  char *bytes; /* borrowed */
  size_t len, room;
  bool full;
};

/* The scratch as a room. */
static inline struct http_out http_out(lua_State *L, const struct http_conn *c) {
  return (struct http_out){socket_scratch(L, c->sock->sched), 0, SCRATCH_BYTES, false};
}

/* Here, as most texts are constants, whose copies are a few moves. */
static inline void http_add(struct http_out *o, const char *text, size_t n) {
  if (n > o->room - o->len) {
    o->full = true;
    return;
  }
  memcpy(o->bytes + o->len, text, n);
  o->len += n;
}

void http_add_number(struct http_out *o, uint64_t n, unsigned base);

/* The head of an answer with its framing. `length`: of the body, -1 when it is not known.
 * The field lines that the connection has collected go with it. */
void http_add_head(struct http_out *o, struct http_conn *c, int status, int64_t length);

/* Sends what `o` holds, and the piece of the body at index `piece` in the message's framing:
 * ends the binding as http_put does.                                 [-0, +1 or 3, v] [y] */
int http_put_piece(lua_State *L, struct http_conn *c, struct http_out *o, int piece);

/* The reason phrase, "" for a status that has none. */
const char *http_reason(int status);

/* Checks a field and adds its lines to those that go with the next head. The value at
 * index `value` is a string, a number, a list of them, or nil; `replace` drops what was
 * set before. Raises and names the field when it cannot go.               [-0, +0, v] */
void http_add_line(lua_State *L, struct http_conn *c, const char *name, size_t len,
                   int value, bool replace);

/* The same for a table name -> value, in the order of the names.          [-0, +0, v] */
void http_add_lines(lua_State *L, struct http_conn *c, int table);

#endif
