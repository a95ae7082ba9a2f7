/* The kernel resets a stream that is closed before all that came was read. Where the backend
 * had taken the bytes already, read ahead or with io_uring, the peer saw a plain end. Each
 * situation is played with sockets of the kernel first, which say what is right. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/backends.h"

enum { BEFORE, HELD, IN_THE_QUEUE, IN_THE_KERNEL, WAYS };

/* How the peer sees the close. */
struct ending {
  size_t got; /* bytes, before */
  int error;  /* 0: the end */
};

/* What has happened before the close, to the socket and to its peer. */
struct situation {
  const char *what;
  const char *sent, *taken; /* by the peer, and by the owner */
  bool peer_ended, ended;
  size_t answer;
};

static char out[8 * 1024 * 1024];

static const struct situation situations[] = {
    {.what = "nothing came"  },
    {              .what = "all was read",                .sent = "abc", .taken = "abc"},
    {                       .what = "nothing was read",            .sent = "abc"},
    {               .what = "some was read", .sent = "abc", .taken = "a"},
    {          .what = "the peer has ended", .sent = "abc", .peer_ended = true},
    { .what = "the peer ended after it all",
     .sent = "a",
     .taken = "a",
     .peer_ended = true},
    {                    .what = "an answer has left",          .sent = "abc", .answer = 5},
    {                          .what = "both have ended",             .sent = "abc", .peer_ended = true, .ended = true},
    {      .what = "its owner has ended",                                           .sent = "abc", .answer = 5, .ended = true},
    {   .what = "much is queued",.sent = "abc", .answer = sizeof out},
};

enum { SITUATIONS = sizeof situations / sizeof *situations };

static struct ending ending_of(int fd, void (*turn)(void)) {
  struct ending e = {0, 0};
  for (;;) {
    ssize_t r = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (r > 0) e.got += (size_t)r;
    if (r < 0 && errno == EAGAIN) {
      turn();
      continue;
    }
    if (r > 0) continue;
    e.error = r < 0 ? errno : 0;
    return e;
  }
}

static void no_turn(void) {}

/* --- the kernel's own ----------------------------------------------------------------- */

static void plain_pair(int fds[2]) {
  struct sockaddr_in at = {.sin_family = AF_INET,
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;
  int l = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(l, (struct sockaddr *)&at, len), 0);
  assert_int_equal(listen(l, 1), 0);
  assert_int_equal(getsockname(l, (struct sockaddr *)&at, &len), 0);
  fds[1] = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fds[1], (struct sockaddr *)&at, len), 0);
  fds[0] = accept(l, NULL, NULL);
  assert_true(fds[0] >= 0);
  close(l);
}

/* All of an answer that has room; the rest is dropped with the close, as it is with a reset. */
static struct ending right_ending(const struct situation *s) {
  int fds[2];
  plain_pair(fds);
  if (s->sent) put(fds[1], s->sent, strlen(s->sent));
  if (s->taken)
    assert_int_equal(recv(fds[0], bytes, strlen(s->taken), 0), strlen(s->taken));
  if (s->answer) assert_true(send(fds[0], out, s->answer, MSG_DONTWAIT) > 0);
  if (s->peer_ended) shutdown(fds[1], SHUT_WR);
  if (s->ended) shutdown(fds[0], SHUT_WR);
  close(fds[0]);
  struct ending e = ending_of(fds[1], no_turn);
  close(fds[1]);
  return e;
}

/* --- ours ------------------------------------------------------------------------------- */

static void one_turn(void) {
  struct net_event events[8];
  poll_now(events, 8);
}

/* The bytes come before anybody waits, or to who waits: into a chunk, into the queue of
 * completions, or no further than to the kernel. */
static void receive_some(const struct situation *s, int way) {
  if (way != BEFORE) wait_on(a);
  if (way != BEFORE) one_turn();
  if (s->sent) put(b, s->sent, strlen(s->sent));
  if (s->taken) peers_expect(net, a, s->taken);
  if (way == HELD) take_in();
  if (way == IN_THE_QUEUE && epoll_self(net)->ring) ring_reap(epoll_self(net)->ring);
  bool is_held = way == HELD && s->sent && !s->taken;
  if (is_held) assert_true(epoll_self(net)->slots[a].chunk);
}

static struct ending our_ending(const struct situation *s, int way, bool frees) {
  struct ending e;
  receive_some(s, way);
  if (s->answer) assert_true(net_send(net, a, out, s->answer) > 0);
  if (s->answer > sizeof bytes)
    assert_true(net_send(net, a, out, 100) > 0); /* a remainder */
  net_flush(net, a);
  if (s->peer_ended) shutdown(b, SHUT_WR);
  if (s->ended) assert_int_equal(net_shutdown(net, a, SHUT_WR), 0);
  int peer = dup(b);
  net_close(net, b);
  if (frees) {
    net_free(net);
    a = b = -1;
    e = ending_of(peer, no_turn);
    backends_set_up(NULL);
  } else {
    net_close(net, a);
    a = b = -1;
    net_flush(net, -1);
    e = ending_of(peer, one_turn);
  }
  close(peer);
  return e;
}

static void the_peer_sees(const struct situation *s, int way, bool frees) {
  struct ending right = right_ending(s), ours = our_ending(s, way, frees);
  bool same = ours.error == right.error;
  if (s->answer <= sizeof bytes) same = same && ours.got == right.got;
  if (!same)
    fail_msg("%s, way %d%s: %d after %zu, not %d after %zu", s->what, way,
             frees ? ", freed" : "", ours.error, ours.got, right.error, right.got);
}

static void each_way(bool frees) {
  for (int i = 0; i < SITUATIONS; i++)
    for (int way = 0; way < WAYS; way++) {
      if (a < 0) peers_pair(net, &a, &b);
      the_peer_sees(&situations[i], way, frees);
    }
}

static void a_close_ends_the_stream_as_the_kernel_does(void **state) {
  each_way(false);
}

static void a_net_that_is_freed_ends_its_streams_as_the_kernel_does(void **state) {
  each_way(true);
}

/* The queue of submissions is full: making room for the cancel takes what has come. */
static void a_close_resets_what_a_full_queue_has_taken(void **state) {
  net_h c, d;
  small_ring(1, 8, 4);
  peers_pair(net, &c, &d);
  wait_on(a);
  take_in();
  put(b, "abc", 3);
  wait_on(c);
  net_close(net, a);
  a = -1;
  net_flush(net, -1);
  assert_int_equal(ending_of(b, one_turn).error, ECONNRESET);
  net_close(net, c);
  net_close(net, d);
}

/* A program that holds bytes ends, and closes nothing. */
static void end_with_bytes(int listener) {
  struct addr at = {.len = sizeof at.u};
  getsockname(listener, &at.u.sa, &at.len);
  net_h h = net_socket(net, AF_INET, SOCK_STREAM, 0);
  peers_connect(net, h, &at);
  wait_on(h);
  peers_send(net, h, "?", 1);
  peers_await(net, h, NET_RD);
  net_drain(net, NET_NEVER);
  _exit(0);
}

static struct net *parents; /* not the child's: a ring belongs to who made it */

static void a_program_that_ends_closes_as_the_kernel_does(void **state) {
  struct addr at;
  net_h l = peers_listener(net, &at);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    parents = net;
    backends_set_up(NULL);
    end_with_bytes(l);
  }
  net_h peer = peers_accept(net, l);
  peers_expect(net, peer, "?");
  put(peer, "abc", 3);
  assert_int_equal(ending_of(peer, one_turn).error, ECONNRESET);
  assert_int_equal(waitpid(child, NULL, 0), child);
  net_close(net, peer);
  net_close(net, l);
}

/* The other program still reads it. */
static void a_socket_that_is_shared_is_not_reset(void **state) {
  int copy = dup(a);
  wait_on(a);
  put(b, "abc", 3);
  take_in();
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof copy)];
  } control = {
      .align = {CMSG_LEN(sizeof copy), SOL_SOCKET, SCM_RIGHTS}
  };
  struct iovec iov = {"x", 1};
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
  net_h pair[2];
  memcpy(CMSG_DATA(&control.align), &a, sizeof a);
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, pair), 0);
  assert_int_equal(net_sendmsg(net, pair[0], &msg, 0), 1);
  net_close(net, pair[0]);
  net_close(net, pair[1]);
  net_close(net, a);
  a = -1;
  take_in();
  assert_int_equal(send(copy, "y", 1, MSG_NOSIGNAL), 1);
  close(copy);
  assert_int_equal(peers_recv(net, b, bytes, 8), 1);
  assert_int_equal(peers_recv(net, b, bytes, 8), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      BACKENDS_TEST(a_close_ends_the_stream_as_the_kernel_does),
      BACKENDS_TEST(a_net_that_is_freed_ends_its_streams_as_the_kernel_does),
      BACKENDS_TEST(a_close_resets_what_a_full_queue_has_taken),
      BACKENDS_TEST(a_program_that_ends_closes_as_the_kernel_does),
      BACKENDS_TEST(a_socket_that_is_shared_is_not_reset),
  };
  return BACKENDS_RUN(tests);
}
