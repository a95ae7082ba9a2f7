/* The C half of net.http, the module net.http.core: heads, bodies and answers over one
 * connection. Servers and clients share it. What is policy (routes, logs, what is answered
 * to whom) is Lua's.
 *
 *   http_shared   what the connections of one server, or of one client, have in common
 *   http_conn     one connection: the message that is being read, the one being written
 *   http_message  the head of a request or an answer that has come; lives on by itself
 *   http_reply    `res`: the right to answer one request
 *
 * The bytes that a peer sends lie in the socket's stream buffer until they are read. */
#ifndef API_HTTP_H
#define API_HTTP_H

#include <lua.h>
#include <time.h>

#include "api/socket.h"
#include "net/hot.h"
#include "proto/http1.h"
#include "proto/log_line.h"

extern const char http_shared_class, http_conn_class, http_message_class,
    http_reply_class;
extern const char http_message_name[], http_reply_name[]; /* of the metatables */

struct http_log;

/* What is logged of each request. */
enum http_log_format { HTTP_LOG_NONE, HTTP_LOG_COMMON, HTTP_LOG_JSON, HTTP_LOG_ENTRY };

struct http_shared {
  const void *class;   /* identity: &http_shared_class */
  struct sched *sched; /* borrowed */
  struct http1_limits limits;
  int64_t idle_ns; /* between two messages */
  int64_t head_ns; /* from the first byte of a head to its last */
  int64_t body_ns; /* the patience for a body, and for a peer that takes an answer ... */
  uint32_t rate;   /* ... which each so many bytes lengthen by a second */
  uint64_t requests_max;
  size_t body_max;      /* of a body that is read as a whole, unless told */
  bool stopping;        /* answers close their connections, idle ones end */
  struct list conns;    /* of http_conn.link, oldest first */
  size_t open;          /* connections that are not closed */
  uint64_t requests;    /* whole heads that have come */
  uint64_t ready;       /* those that a ready answer was enough for */
  uint64_t refused;     /* heads that broke a rule or came too late */
  struct hot *hot;      /* owned; ready answers, or NULL */
  struct http_log *log; /* owned; where lines go without Lua, or NULL */
  enum http_log_format log_format;
  time_t begin_at; /* the second that the date in `begin` tells */
  char begin[80];  /* how most answers begin: status line, date and server */
  uint8_t begin_len;
  time_t stamp_at;                /* the second that `stamp` tells */
  char stamp[LOG_LINE_STAMP + 1]; /* for lines of a log */
  struct http1_head head;         /* where a head is parsed that came in one piece */
  uint32_t fields_max;
  struct http1_field fields[];
};

/* User values of it. */
enum { HTTP_SHARED_LOG = 1, HTTP_SHARED_VALUES = HTTP_SHARED_LOG };

/* A head of which a part has come. */
struct http_partial {
  struct http1_head head;
  struct http1_field fields[];
};

enum http_phase {
  HTTP_IDLE,  /* no byte of the next message has come */
  HTTP_HEAD,  /* some have */
  HTTP_BODY,  /* the head was handed out; what follows is its body */
  HTTP_ENDED, /* nothing more is read as HTTP: closing, upgraded */
};

enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

/* What has been sent of the message that is being written. */
enum http_sent { HTTP_NOTHING, HTTP_PART, HTTP_ALL };

struct http_conn {
  const void *class;          /* identity: &http_conn_class */
  struct http_shared *shared; /* user value HTTP_SHARED keeps it */
  struct socket *sock;        /* user value HTTP_SOCKET keeps it */
  struct list link;           /* in shared->conns */
  struct task_first first;    /* ready answers go without the task that waits */
  uint64_t serial;            /* of the request that is being handled; 0: none yet */
  int64_t begun_ns;           /* when its head had come, where a log tells */

  /* reading */
  enum http_phase phase;
  bool client;                  /* answers come, not requests */
  enum http1_method asked;      /* client: by which method */
  uint32_t interim;             /* client: bytes of heads before the answer's own */
  struct http_partial *partial; /* owned; NULL: no part of a head has come */
  enum http1_body body;         /* how the rest of the body is framed; NONE: read */
  uint64_t left;                /* bytes of it, by length */
  struct http1_chunks chunks;
  bool trailers;       /* the last chunk was read */
  bool expect;         /* the peer waits for 100 Continue */
  uint64_t body_bytes; /* read of this body */
  size_t parsed;       /* bytes of the head that lies, parsed, in shared->head; 0: none */
  int64_t deadline_ns; /* of the phase; 0: its first wait will set it */
  int64_t patience_ns; /* what is left of it for this body */
  int64_t waits_ns;    /* since when a body is waited for; 0: it is not */
  struct buf whole;    /* a body that is read as a whole, so far */
  uint64_t dropped;    /* bytes of a body that nobody has read */

  /* writing */
  enum http_sent sent;
  enum http_framing framing;
  bool head_only;  /* the answer to HEAD: no body follows its head */
  bool old;        /* the peer speaks HTTP/1.0 */
  bool keep;       /* another request may follow */
  bool wants_more; /* the client would have let it */
  bool broken;     /* the peer got less than it was promised */
  bool has_date, has_server, has_type;
  int status;
  int64_t promised;      /* Content-Length that the script has set; -1: none */
  uint64_t written;      /* bytes of the body so far */
  struct buf lines;      /* field lines that res:header has added */
  size_t put;            /* progress of the send that waits */
  struct hot_entry *hot; /* the ready answer that is being sent, or NULL */
};

/* User values of a connection. */
enum {
  HTTP_SOCKET = 1,
  HTTP_SHARED,
  HTTP_PEER,
  HTTP_REQUEST,       /* server: the one that came last */
  HTTP_MESSAGE_CLASS, /* the metatables of what each request makes: at hand here, they */
  HTTP_REPLY_CLASS,   /* cost a tenth of a look into the registry */
  HTTP_CONN_VALUES = HTTP_REPLY_CLASS,
};

struct http_message {
  const void *class;      /* identity: &http_message_class */
  struct http_conn *conn; /* user value HTTP_CONN keeps it */
  uint64_t serial;        /* the connection's when this head came */
  struct http1_head head; /* its slices count from `bytes` */
  const char *bytes;      /* the head itself, behind the fields */
  uint32_t size;
  struct http1_field fields[];
};

/* User values of a message. */
enum { HTTP_EXTRA = 1, HTTP_CONN, HTTP_MESSAGE_VALUES = HTTP_CONN };

struct http_reply {
  const void *class;      /* identity: &http_reply_class */
  struct http_conn *conn; /* user value HTTP_REPLY_CONN keeps it */
  uint64_t serial;
};

/* User values of a reply. */
enum { HTTP_REPLY_CONN = 1, HTTP_REPLY_VALUES = HTTP_REPLY_CONN };

/* The loader of net.http.core.                                            [-0, +1, m] */
int luaopen_net_http_core(lua_State *L);

/* The connection at `idx`, or a type error. Every userdata that scripts can reach holds a
 * pointer at least, so its class can be looked at.                        [-0, +0, v] */
int http_conn_error(lua_State *L, int idx);
static inline struct http_conn *http_conn_check(lua_State *L, int idx) {
  struct http_conn *c = lua_touserdata(L, idx);
  if (!c || c->class != &http_conn_class) http_conn_error(L, idx);
  return c;
}

/* What connections share, at `idx`, or a type error.                      [-0, +0, v] */
struct http_shared *http_shared_check(lua_State *L, int idx);

/* The message at `idx`, or a type error.                                  [-0, +0, v] */
struct http_message *http_message_check(lua_State *L, int idx);

/* Pushes the value of the message's field, those of repeated lines joined; nil: none.
 *                                                                         [-0, +1, m] */
void http_message_field(lua_State *L, const struct http_message *m, const char *name,
                        size_t len);

/* Sets the methods of the class on top, with the scheduler as upvalue.    [-0, +0, m] */
void http_head_methods(lua_State *L);   /* of connections */
void http_ask_methods(lua_State *L);    /* of connections */
void http_body_methods(lua_State *L);   /* of messages */
void http_linger_methods(lua_State *L); /* of connections */
void http_write_methods(lua_State *L);  /* of connections */

/* Makes the classes of messages and of their header fields; the methods of messages are
 * left on the stack for Lua to complete.                                  [-0, +1, m] */
void http_fields_open(lua_State *L);

/* Adds functions to the table on top, makes the class of replies, and leaves its methods
 * on the stack.                                                           [-0, +1, m] */
void http_reply_open(lua_State *L);

/* Adds the reader of multipart bodies to the table on top.                [-0, +0, m] */
void http_multipart_open(lua_State *L);

/* Adds what a router needs to the table on top.                           [-0, +0, m] */
void http_route_functions(lua_State *L);

/* Pushes the route of a request that has just come, `{handler, ready}`, from the fixed ones
 * of a router at `routes`; false, with nothing pushed, where none is for it.
 *                                                                     [-0, +(0|1), m] */
bool http_route_find(lua_State *L, int routes, int message);

/* Adds the pure functions to the table on top.                            [-0, +0, m] */
void http_text_functions(lua_State *L);
void http_url_functions(lua_State *L);

/* Adds what holds a connection that waits to be used again to the table on top.
 *                                                                         [-0, +0, m] */
void http_idle_open(lua_State *L);

/* The answer has gone, the body was read, and another request may follow. */
static inline bool http_is_settled(const struct http_conn *c) {
  return c->sent == HTTP_ALL && c->keep && c->body == HTTP1_BODY_NONE;
}

/* Pushes the message whose head is the first `size` bytes of the `*fresh` ones in the
 * scratch, or, where that is 0, of the stream's buffer; of the connection at `conn`. Fresh
 * bytes that a finalizer has moved to the buffer are none any more. False with rubbish
 * pushed when one has closed the socket.                                  [-0, +1, m] */
bool http_message_push(lua_State *L, struct http_conn *c, int conn,
                       const struct http1_head *h, size_t size, size_t *fresh);

/* Pushes nil, an error and its code for `status`; `text` tells more, or is NULL.
 *                                                                         [-0, +3, m] */
void http_failure(lua_State *L, struct http_conn *c, const char *op, int status,
                  const char *text);

/* The same as the end of an operation, see task_fail; gives 3.        [-0, +3, v] [y] */
int http_fail(lua_State *L, struct http_conn *c, const char *op, int status,
              const char *text);

/* Begins the reading of the body behind a head, and the answer to it. */
void http_body_begin(struct http_conn *c, const struct http1_head *h);
void http_write_begin(struct http_conn *c, const struct http1_head *request);

/* Pushes the reply to the present request of the connection at `conn`.    [-0, +1, m] */
void http_reply_push(lua_State *L, struct http_conn *c, int conn);

/* The connection whose present request the reply in slot 1 answers; raises when that is
 * over.                                                                   [-0, +0, v] */
struct http_conn *http_reply_live(lua_State *L, const char *op);

/* One step of the body: up to `n` bytes of it to `out`. > 0: so many; 0: it is read;
 * -EAGAIN: receive more; another status, or -rule of http1 with `*rule` set. */
ssize_t http_body_step(struct http_conn *c, char *out, size_t n, int *rule);

enum {
  HTTP_DROP_BYTES = 256 * 1024
}; /* of an unread body, so that a connection goes on */

/* Reads and drops what nobody has read of the body, within bounds: pushes whether the
 * connection, in slot 1, can go on.                                      [-?, +1, v] [y] */
int http_drop_body(lua_State *L, struct http_conn *c);

/* Answers the request whose head is at `bytes`, if a ready answer is all that it wants:
 * c->hot is then to be sent. */
bool http_hot_take(struct http_conn *c, const struct http1_head *h, const char *bytes);

/* Sends c->hot. 0: it has gone; -EAGAIN: wait for room until c->deadline_ns; or another
 * status. */
int http_hot_send(struct http_conn *c);

/* Gives c->hot back. */
void http_hot_let_go(struct http_conn *c);

/* What conn->first does. */
bool http_head_deal(struct task_first *first, struct task *t);

/* Adds what net.http.files needs to the table on top.                     [-0, +0, m] */
void http_files_functions(lua_State *L);

/* Notes when a request has come, for a log that tells how long it took. */
static inline void http_log_begin(struct http_conn *c) {
  if (c->shared->log_format > HTTP_LOG_COMMON)
    c->begun_ns = loop_now(&c->sock->sched->loop);
}

/* Notes what a line will tell of the head at `bytes`, which will not be there then; NULL:
 * nothing. */
void http_log_note(struct http_conn *c, const struct http1_head *h, const char *bytes);

/* Logs c->hot, which has been sent as far as c->put says. */
void http_log_ready(struct http_conn *c);

/* Logs the answer to a request, or with NULL to what was none, where C does so. */
void http_log_answer(struct http_conn *c, const struct http_message *m, int status);

/* Lines that could not be written. */
uint64_t http_log_dropped(const struct http_shared *shared);

/* Writes what is left. */
void http_log_close(struct http_shared *shared);

/* Methods of connections and of what they share.                          [-0, +0, m] */
void http_log_conn_methods(lua_State *L);
void http_log_shared_methods(lua_State *L);

/* Long answers go in steps: a peer has its time for each of them. */
enum { HTTP_STEP_BYTES = 512 * 1024 };

/* Until when a peer may take to accept `n` bytes, those of one step at most. */
int64_t http_patience(const struct http_conn *c, size_t n);

/* Sends `n` bytes of the scratch, and behind them the string at `tail` (0: none): ends the
 * binding with true | nil, err, code. In slot 1 is the connection, or a reply on it.
 *                                                                   [-0, +1 or 3, v] [y] */
int http_put(lua_State *L, struct http_conn *c, size_t n, int tail);

#endif
