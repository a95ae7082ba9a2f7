/* The load generator: N clients in a closed loop over io_uring, each sending a line (or a
 * datagram) and comparing every byte of the answer with its own line in upper case before
 * it sends the next. A line names its connection and its number, so that an answer that
 * went to the wrong client, or came twice, is an error. Prints one JSON object; the status
 * is 1 when any answer was wrong.
 *
 * With --turns it opens its connections, prints "open", and for each line on standard
 * input ("WARMUP SECONDS") asks for so long, of which the first part is not measured, waits
 * for the answers that are still to come, and prints "done". At the end of the input it
 * prints the figures of all turns.
 *
 * Modes: lines (kept-open connections), requests (a connection for each line; the answer
 * ends with the server's close), udp, and idle: opens the connections, prints "open", and
 * for each line on standard input sends one line on each of them, prints "answered"; and
 * http: the bytes of the file --request, whose answer has to have the body of the file
 * --body (answer.h tells what is compared of a large one). */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "bench/answer.h"
#include "bench/bench.h"
#include "bench/figures.h"

enum op { OP_SEND, OP_RECV, OP_CONNECT };

enum {
  SIZE_MAX_BYTES = 65536,
  LOST_NS = 1000 * 1000 * 1000, /* a datagram that has no answer by then is sent again */
  TICK_NS = 50 * 1000 * 1000,
  PATIENCE_SECONDS = 10, /* for the answers that are still to come */
};

/* --- options -------------------------------------------------------------------------- */

static struct {
  const char *host, *mode_name;
  enum bench_mode mode;
  int port, connections;
  double seconds, warmup;
  size_t size;
  long count; /* lines of each connection; 0: until the time is over */
  pid_t pid;  /* the server, whose processor time is told; 0: none */
  const char *request_file, *body_file;
  bool turns;
} opt = {.host = "127.0.0.1",
         .mode_name = "lines",
         .mode = BENCH_LINES,
         .connections = 100,
         .seconds = 1.0,
         .warmup = 0.3,
         .size = 32};

static void usage(void) {
  fputs("usage: load --port N [--host 127.0.0.1] [--mode lines|requests|udp|idle|http]\n"
        "            [--connections 100] [--seconds 1] [--warmup 0.3] [--size 32]\n"
        "            [--count LINES of each connection | --turns] [--pid SERVER]\n"
        "            [--request FILE --body FILE]\n",
        stderr);
  exit(2);
}

static void parse(int argc, char *argv[]) {
  static const struct option longs[] = {
      {"host",        required_argument, NULL, 'h'},
      {"port",        required_argument, NULL, 'p'},
      {"mode",        required_argument, NULL, 'm'},
      {"connections", required_argument, NULL, 'c'},
      {"seconds",     required_argument, NULL, 's'},
      {"warmup",      required_argument, NULL, 'w'},
      {"size",        required_argument, NULL, 'z'},
      {"count",       required_argument, NULL, 'n'},
      {"pid",         required_argument, NULL, 'i'},
      {"request",     required_argument, NULL, 'r'},
      {"body",        required_argument, NULL, 'b'},
      {"turns",       no_argument,       NULL, 't'},
      {NULL,          0,                 NULL, 0  },
  };
  int c;
  while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
    switch (c) {
    case 'h': opt.host = optarg; break;
    case 'p': opt.port = atoi(optarg); break;
    case 'm': opt.mode = bench_mode_of(opt.mode_name = optarg); break;
    case 'c': opt.connections = atoi(optarg); break;
    case 's': opt.seconds = atof(optarg); break;
    case 'w': opt.warmup = atof(optarg); break;
    case 'z': opt.size = (size_t)atol(optarg); break;
    case 'n': opt.count = atol(optarg); break;
    case 'i': opt.pid = atoi(optarg); break;
    case 'r': opt.request_file = optarg; break;
    case 'b': opt.body_file = optarg; break;
    case 't': opt.turns = true; break;
    default: usage();
    }
  }
  if (optind < argc || opt.port <= 0 || opt.connections <= 0 || opt.size < 1 ||
      opt.size > SIZE_MAX_BYTES)
    usage();
  if ((opt.turns || opt.mode == BENCH_IDLE) && opt.count > 0) usage();
  if (opt.turns && opt.mode == BENCH_IDLE) usage();
  if (opt.mode == BENCH_HTTP && !(opt.request_file && opt.body_file)) usage();
}

/* --- clients -------------------------------------------------------------------------- */

struct client {
  int fd;        /* -1: none */
  bool waits;    /* for an answer */
  uint32_t life; /* counts its connections: completions of an earlier one are dropped */
  uint32_t number;
  size_t got;
  int64_t sent_ns;
  long left;             /* lines to go; -1: no limit */
  char *line, *wanted;   /* owned; opt.size bytes each; http: all have the request */
  struct answer *answer; /* owned; http */
};

static struct ring ring;
static struct client *clients; /* owned */
static int alive, waiting;
static bool stops; /* nothing more is asked */
static struct sockaddr_in server;
static char congestion[16];
static char *request, *wanted_body; /* owned; http */
static size_t wanted_len;

/* life is cut to 24 bits: enough to tell a completion of the connection before */
static uint64_t tag(const struct client *c, enum op op) {
  return (uint64_t)(c - clients) | (uint64_t)(c->life & 0xffffff) << 32 |
         (uint64_t)op << 56;
}

/* Writes the number in letters at the begin of the line: a to p are the digits. */
static void put_number(char *line, size_t room, uint32_t number) {
  for (size_t i = 0; i < 6 && i < room; i++, number >>= 4)
    line[i] = (char)('a' + (number & 15));
}

/* The next line of the client: its number, the line's, and letters up to the size. */
static void make_line(struct client *c) {
  size_t text = opt.size - 1;
  uint32_t id = (uint32_t)(c - clients);
  if (c->number == 0) {
    for (size_t i = 0; i < text; i++) c->line[i] = (char)('a' + (i + id) % 26);
    c->line[text] = '\n';
    memcpy(c->wanted, c->line, opt.size);
    bench_upper(c->wanted, opt.size);
  }
  put_number(c->line, text, ++c->number);
  if (text > 6) put_number(c->line + 6, text - 6, id);
  size_t head = text < 12 ? text : 12;
  memcpy(c->wanted, c->line, head);
  bench_upper(c->wanted, head);
}

static int open_socket(void) {
  int fd = socket(AF_INET,
                  (opt.mode == BENCH_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) bench_die("socket", errno);
  return fd;
}

static void queue_send(struct client *c, unsigned flags) {
  struct io_uring_sqe *sqe = ring_entry(&ring);
  io_uring_prep_send(sqe, c->fd, c->line, opt.size, MSG_WAITALL | MSG_NOSIGNAL);
  sqe->flags |= flags | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag(c, OP_SEND));
}

static void wait_for_answer(struct client *c, int64_t now) {
  c->got = 0;
  c->sent_ns = now;
  waiting += !c->waits;
  c->waits = true;
}

static void wait_no_longer(struct client *c) {
  waiting -= c->waits;
  c->waits = false;
}

static void next_line(struct client *c, int64_t now) {
  if (opt.mode == BENCH_HTTP)
    answer_init(c->answer);
  else
    make_line(c);
  wait_for_answer(c, now);
  queue_send(c, 0);
}

/* A new connection, whose connect, line and receive go in one chain. */
static void next_connection(struct client *c, int64_t now) {
  if (io_uring_sq_space_left(&ring.io) < 3) io_uring_submit(&ring.io); /* never torn */
  c->fd = open_socket();
  c->life++;
  make_line(c);
  wait_for_answer(c, now);
  struct io_uring_sqe *sqe = ring_entry(&ring);
  io_uring_prep_connect(sqe, c->fd, (struct sockaddr *)&server, sizeof server);
  sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag(c, OP_CONNECT));
  queue_send(c, IOSQE_IO_LINK);
  ring_receive(&ring, c->fd, tag(c, OP_RECV));
}

static void next(struct client *c, int64_t now) {
  if (opt.mode == BENCH_REQUESTS)
    next_connection(c, now);
  else
    next_line(c, now);
}

static void end_connection(struct client *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

static void end_client(struct client *c) {
  wait_no_longer(c);
  end_connection(c);
  c->left = 0;
  alive--;
}

static void failed(struct client *c, const char *what) {
  figures_wrong(what);
  end_client(c);
}

/* The answer is complete and right. */
static void answered(struct client *c) {
  int64_t now = figures_now();
  figures_answered(c->sent_ns, now);
  wait_no_longer(c);
  if (c->left > 0) c->left--;
  if (opt.mode == BENCH_REQUESTS) end_connection(c);
  if (c->left == 0)
    end_client(c);
  else if (opt.mode != BENCH_IDLE && !stops)
    next(c, now);
}

/* An answer to a datagram that had been given up, and was then sent again. */
static bool is_late(const struct client *c, const char *bytes, size_t n) {
  return opt.mode == BENCH_UDP && figures_lost_count() > 0 && n == opt.size &&
         opt.size > 12 && memcmp(bytes + 6, c->wanted + 6, n - 6) == 0 &&
         memcmp(bytes, c->wanted, 6) != 0;
}

static void received_http(struct client *c, const char *bytes, size_t n) {
  const char *why;
  int r = answer_feed(c->answer, bytes, n, wanted_body, wanted_len, &why);
  if (r > 0) answered(c);
  if (r < 0) failed(c, why);
}

static void received(struct client *c, const char *bytes, size_t n) {
  if (opt.mode == BENCH_HTTP) {
    received_http(c, bytes, n);
    return;
  }
  if (is_late(c, bytes, n)) return;
  if (n > opt.size - c->got) {
    failed(c, "more came than was asked for");
  } else if (memcmp(bytes, c->wanted + c->got, n) != 0) {
    failed(c, "the answer is not the line in upper case");
  } else {
    c->got += n;
    if (c->got == opt.size && opt.mode != BENCH_REQUESTS)
      answered(c);
    else if (opt.mode == BENCH_UDP)
      failed(c, "the datagram is too short");
  }
}

static void ended(struct client *c, int status) {
  if (opt.mode == BENCH_REQUESTS && status == 0 && c->got == opt.size)
    answered(c);
  else
    failed(c, status == 0 ? "the server closed too early" : strerror(-status));
}

static void completed(const struct io_uring_cqe *cqe) {
  struct client *c = &clients[(uint32_t)cqe->user_data];
  enum op op = (enum op)(cqe->user_data >> 56);
  if (c->fd < 0 || ((cqe->user_data >> 32) & 0xffffff) != (c->life & 0xffffff)) return;
  if (op != OP_RECV) {
    /* a send that is cancelled with its connect has the connect's error beside it */
    if (cqe->res < 0 && cqe->res != -ECANCELED) failed(c, strerror(-cqe->res));
    return;
  }
  uint32_t life = c->life;
  if (cqe->res > 0)
    received(c, ring_buffer(&ring, cqe), (size_t)cqe->res);
  else if (cqe->res != -ENOBUFS && cqe->res != -ECANCELED)
    ended(c, cqe->res);
  bool armed = cqe->flags & IORING_CQE_F_MORE;
  if (!armed && c->fd >= 0 && c->life == life)
    ring_receive(&ring, c->fd, tag(c, OP_RECV));
}

/* --- the run -------------------------------------------------------------------------- */

static void turn(void) {
  struct __kernel_timespec tick = {0, TICK_NS};
  struct io_uring_cqe *cqe;
  unsigned head, count = 0;
  int r = io_uring_submit_and_wait_timeout(&ring.io, &cqe, 1, &tick, NULL);
  if (r < 0 && r != -ETIME && r != -EINTR) bench_die("io_uring", r);
  io_uring_for_each_cqe(&ring.io, head, cqe) {
    completed(cqe);
    ring_give_back(&ring, cqe);
    count++;
  }
  io_uring_cq_advance(&ring.io, count);
}

static void resend_lost(int64_t now) {
  static int64_t looked_ns;
  if (opt.mode != BENCH_UDP || now - looked_ns < TICK_NS) return;
  looked_ns = now;
  for (struct client *c = clients; c < clients + opt.connections; c++) {
    if (!c->waits || now - c->sent_ns < LOST_NS) continue;
    figures_lost();
    next_line(c, now);
  }
}

static void start_clients(void) {
  int64_t now = figures_now();
  stops = false;
  for (struct client *c = clients; c < clients + opt.connections; c++)
    if (c->left != 0) next(c, now);
}

/* Asks until the time is over, or all clients have ended. */
static void ask_until(int64_t stop) {
  for (int64_t now = figures_now(); alive > 0 && now < stop; now = figures_now()) {
    turn();
    resend_lost(now);
  }
}

static int64_t in(double seconds) {
  return figures_now() + (int64_t)(seconds * 1e9);
}

static void run(double warmup, double seconds) {
  start_clients();
  if (opt.count == 0) ask_until(in(warmup));
  if (seconds <= 0) return;
  figures_begin(opt.pid);
  ask_until(opt.count == 0 ? in(seconds) : INT64_MAX);
  figures_end();
}

static void take_turns(void) {
  char line[64];
  puts("open");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    double warmup, seconds;
    if (sscanf(line, "%lf %lf", &warmup, &seconds) != 2) usage();
    run(warmup, seconds);
    stops = true;
    int64_t limit = in(PATIENCE_SECONDS);
    while (waiting > 0) {
      turn();
      resend_lost(figures_now());
      if (figures_now() > limit) bench_die("the last answers", ETIMEDOUT);
    }
    puts("done");
    fflush(stdout);
  }
}

static void open_client(struct client *c) {
  *c = (struct client){.fd = -1, .left = opt.count ? opt.count : -1};
  if (opt.mode == BENCH_HTTP) {
    c->line = request;
    c->answer = calloc(1, sizeof *c->answer);
  } else {
    c->line = malloc(opt.size);
    c->wanted = malloc(opt.size);
  }
  if (!c->line || (!c->wanted && !c->answer)) bench_die("memory", ENOMEM);
  alive++;
  if (opt.mode == BENCH_REQUESTS) return;
  c->fd = open_socket();
  if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0)
    bench_die("connect", errno);
  ring_receive(&ring, c->fd, tag(c, OP_RECV));
}

static void open_clients(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  server = bench_address(opt.host, opt.port);
  clients = calloc((size_t)opt.connections, sizeof *clients);
  if (!clients) bench_die("memory", ENOMEM);
  for (int i = 0; i < opt.connections; i++) open_client(&clients[i]);
  int fd = open_socket(); /* what a connection of this process has */
  socklen_t len = sizeof congestion;
  if (opt.mode != BENCH_UDP)
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, &len);
  close(fd);
}

static void tell(void) {
  printf(
      "{\"mode\": \"%s\", \"connections\": %d, \"size\": %zu, \"congestion\": \"%s\", ",
      opt.mode_name, opt.connections, opt.size, congestion);
  figures_print();
  puts("}");
}

/* Each client sends one line when told to, and stays. */
static void hold(void) {
  char command[64];
  puts("open");
  fflush(stdout);
  figures_begin(0);
  while (fgets(command, sizeof command, stdin)) {
    uint64_t wanted = figures_requests() + (uint64_t)opt.connections;
    for (struct client *c = clients; c < clients + opt.connections; c++) {
      if (c->fd >= 0) next_line(c, figures_now());
    }
    while (figures_requests() + figures_errors() < wanted) turn();
    puts("answered");
    fflush(stdout);
  }
}

int main(int argc, char *argv[]) {
  parse(argc, argv);
  bench_be_patient();
  if (opt.mode == BENCH_HTTP) {
    request = bench_file(opt.request_file, &opt.size);
    wanted_body = bench_file(opt.body_file, &wanted_len);
  }
  ring_open(&ring, 4096, wanted_len >= RING_BUFFER_BYTES);
  open_clients();
  if (opt.mode == BENCH_IDLE) {
    hold();
  } else {
    if (opt.turns)
      take_turns();
    else
      run(opt.warmup, opt.seconds);
    tell();
  }
  if (figures_first_error()) fprintf(stderr, "load: %s\n", figures_first_error());
  return figures_errors() > 0;
}
