/* Fragments of a send. */
#include "api/fragments.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/uio.h>

#include "net/outq.h"

static const char fragments_class;

/* Of one system call. So many that are small together are cheaper copied than pointed to. */
enum { WINDOW = 256 };

struct fragment {
  const char *bytes;     /* borrowed: the user value keeps them */
  size_t len;            /* at least 1 */
  struct buffer *buffer; /* whose they are; NULL: a string's */
};

struct fragments {
  const void *class; /* identity of this struct */
  struct task_more holder;
  size_t count, first; /* what is before the first has gone ... */
  size_t gone;         /* ... and so many bytes of the first */
  struct fragment list[];
};

/* --- making --------------------------------------------------------------------------- */

const char *fragments_bytes(lua_State *L, lua_Integer i, size_t *len) {
  const struct buffer *b = buffer_at(L, -1);
  if (b) {
    buffer_need_still(L, b, "send");
    *len = b->size;
    return b->bytes;
  }
  if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
    luaL_error(L, "send: fragment %I is a %s, not a string, a number or a buffer",
               (LUAI_UACINT)i, luaL_typename(L, -1));
  return lua_tolstring(L, -1, len);
}

lua_Integer fragments_count(lua_State *L, int idx) {
  lua_Integer n = luaL_len(L, idx);
  if (n != 0) return n;
  if (lua_getmetatable(L, idx)) {
    lua_pop(L, 1);
    return n;
  }
  lua_pushnil(L);
  if (!lua_next(L, idx)) return 0;
  return luaL_error(
      L, "send: the table has no fragments, but a field '%s'; a list is needed",
      luaL_tolstring(L, -2, NULL));
}

/* Bytes that have gone are no longer needed. */
static int hold(struct task_more *more) {
  struct fragments *f = list_entry(more, struct fragments, holder);
  for (size_t i = f->first; i < f->count; i++)
    if (f->list[i].buffer) f->list[i].buffer->senders++;
  return 0;
}

static void let_go(struct task_more *more) {
  struct fragments *f = list_entry(more, struct fragments, holder);
  for (size_t i = f->first; i < f->count; i++)
    if (f->list[i].buffer) f->list[i].buffer->senders--;
}

/* Pushes room for `count` fragments, whose keeper is at `keeper`. */
static struct fragments *new_fragments(lua_State *L, size_t count, int keeper) {
  struct fragments *f =
      lua_newuserdatauv(L, sizeof *f + count * sizeof(struct fragment), 1);
  *f = (struct fragments){.class = &fragments_class, .count = count};
  f->holder = (struct task_more){hold, let_go};
  lua_pushvalue(L, keeper);
  lua_setiuservalue(L, -2, 1);
  return f;
}

/* Pushes a copy of the list at `idx`, numbers as strings and without what is empty, and
 * gives its length. Metamethods may run, and change the list. */
static lua_Integer copy_list(lua_State *L, int idx) {
  enum { ROOM = 1024 }; /* at first: what a metamethod says of the length is no promise */
  lua_Integer n = fragments_count(L, idx), kept = 0;
  lua_createtable(L, n > 0 && n < ROOM ? (int)n : ROOM, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    size_t len;
    lua_geti(L, idx, i);
    fragments_bytes(L, i, &len);
    if (len > 0)
      lua_rawseti(L, -2, ++kept);
    else
      lua_pop(L, 1);
  }
  return kept;
}

void fragments_of_list(lua_State *L, int idx) {
  lua_Integer n = copy_list(L, idx);
  struct fragments *f = new_fragments(L, (size_t)n, idx + 1);
  for (lua_Integer i = 1; i <= n; i++) {
    struct fragment *to = &f->list[i - 1];
    lua_rawgeti(L, idx + 1, i);
    to->bytes = fragments_bytes(L, i, &to->len);
    to->buffer = buffer_at(L, -1);
    lua_pop(L, 1);
  }
  lua_replace(L, idx);
  lua_settop(L, idx);
}

void fragments_of_buffer(lua_State *L, int idx, struct run run) {
  struct buffer *b = buffer_check(L, idx);
  struct fragments *f = new_fragments(L, run.n > 0, idx);
  if (run.n > 0) f->list[0] = (struct fragment){b->bytes + run.at, run.n, b};
  lua_replace(L, idx);
}

struct fragments *fragments_at(lua_State *L, int idx) {
  struct fragments *f = lua_touserdata(L, idx);
  bool is = f && lua_type(L, idx) == LUA_TUSERDATA && f->class == &fragments_class;
  return is ? f : NULL;
}

struct task_more *fragments_holder(struct fragments *f) {
  return &f->holder;
}

/* --- sending -------------------------------------------------------------------------- */

bool fragments_left(const struct fragments *f) {
  return f->first < f->count;
}

static void advance(struct fragments *f, size_t n) {
  while (n > 0) {
    size_t left = f->list[f->first].len - f->gone;
    if (n < left) {
      f->gone += n;
      return;
    }
    n -= left;
    f->first++;
    f->gone = 0;
  }
}

/* The next fragments: how many, and their bytes together. */
static size_t next_window(const struct fragments *f, struct iovec window[WINDOW],
                          size_t *total) {
  size_t n = f->count - f->first;
  if (n > WINDOW) n = WINDOW;
  *total = 0;
  for (size_t i = 0; i < n; i++) {
    const struct fragment *from = &f->list[f->first + i];
    size_t gone = i == 0 ? f->gone : 0;
    window[i] = (struct iovec){(char *)from->bytes + gone, from->len - gone};
    *total += window[i].iov_len;
  }
  return n;
}

/* One by one, each as a send of its own. */
static ssize_t send_each(const struct iovec *window, size_t n, struct stream *st,
                         struct net *net, net_h h) {
  size_t sent = 0;
  for (size_t i = 0; i < n; i++) {
    ssize_t r = stream_send(st, net, h, window[i].iov_base, window[i].iov_len);
    if (r < 0) return sent ? (ssize_t)sent : r;
    sent += (size_t)r;
    if ((size_t)r < window[i].iov_len) break;
  }
  return (ssize_t)sent;
}

ssize_t fragments_send(struct fragments *f, struct stream *st, struct net *net, net_h h,
                       bool now) {
  struct iovec window[WINDOW];
  size_t total, n = next_window(f, window, &total);
  struct msghdr msg = {.msg_iov = window, .msg_iovlen = n};
  ssize_t r = -ENOTSOCK;
  if (now || (n > 1 && total > OUTQ_SMALL_BYTES)) r = stream_sendmsg(st, net, h, &msg, 0);
  if (r == -ENOTSOCK) r = send_each(window, n, st, net, h); /* or a file */
  if (r > 0) advance(f, (size_t)r);
  return r;
}
