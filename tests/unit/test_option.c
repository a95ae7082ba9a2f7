/* The option table: it is searched by halves, it holds every option that the man pages list,
 * and the kernel has to know every row as the table tells it. */
#include "net/option.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum mark { SUPPORTED, LEFT_OUT };

/* Every socket option of the manual pages (man-pages 6.03). The reason of one that is left
 * out is the text of its row. */
static const struct {
  const char *name;
  enum mark mark;
} documented[] = {
  /* socket(7) */
    {"SO_ACCEPTCONN",             SUPPORTED},
    {"SO_ATTACH_BPF",             LEFT_OUT },
    {"SO_ATTACH_FILTER",          LEFT_OUT },
    {"SO_ATTACH_REUSEPORT_CBPF",  LEFT_OUT },
    {"SO_ATTACH_REUSEPORT_EBPF",  LEFT_OUT },
    {"SO_BINDTODEVICE",           SUPPORTED},
    {"SO_BROADCAST",              SUPPORTED},
    {"SO_BSDCOMPAT",              LEFT_OUT },
    {"SO_BUSY_POLL",              SUPPORTED},
    {"SO_DEBUG",                  SUPPORTED},
    {"SO_DETACH_BPF",             LEFT_OUT },
    {"SO_DETACH_FILTER",          LEFT_OUT },
    {"SO_DOMAIN",                 SUPPORTED},
    {"SO_DONTROUTE",              SUPPORTED},
    {"SO_ERROR",                  SUPPORTED},
    {"SO_INCOMING_CPU",           SUPPORTED},
    {"SO_INCOMING_NAPI_ID",       SUPPORTED},
    {"SO_KEEPALIVE",              SUPPORTED},
    {"SO_LINGER",                 SUPPORTED},
    {"SO_LOCK_FILTER",            LEFT_OUT },
    {"SO_MARK",                   SUPPORTED},
    {"SO_OOBINLINE",              SUPPORTED},
    {"SO_PASSCRED",               SUPPORTED},
    {"SO_PASSSEC",                LEFT_OUT },
    {"SO_PEEK_OFF",               SUPPORTED},
    {"SO_PEERCRED",               SUPPORTED},
    {"SO_PEERSEC",                SUPPORTED},
    {"SO_PRIORITY",               SUPPORTED},
    {"SO_PROTOCOL",               SUPPORTED},
    {"SO_RCVBUF",                 SUPPORTED},
    {"SO_RCVBUFFORCE",            SUPPORTED},
    {"SO_RCVLOWAT",               SUPPORTED},
    {"SO_RCVTIMEO",               SUPPORTED},
    {"SO_REUSEADDR",              SUPPORTED},
    {"SO_REUSEPORT",              SUPPORTED},
    {"SO_RXQ_OVFL",               SUPPORTED},
    {"SO_SELECT_ERR_QUEUE",       SUPPORTED},
    {"SO_SNDBUF",                 SUPPORTED},
    {"SO_SNDBUFFORCE",            SUPPORTED},
    {"SO_SNDLOWAT",               SUPPORTED},
    {"SO_SNDTIMEO",               SUPPORTED},
    {"SO_TIMESTAMP",              SUPPORTED},
    {"SO_TIMESTAMPNS",            SUPPORTED},
    {"SO_TYPE",                   SUPPORTED},
 /* ip(7) */
    {"IP_ADD_MEMBERSHIP",         SUPPORTED},
    {"IP_ADD_SOURCE_MEMBERSHIP",  SUPPORTED},
    {"IP_BIND_ADDRESS_NO_PORT",   SUPPORTED},
    {"IP_BLOCK_SOURCE",           SUPPORTED},
    {"IP_DROP_MEMBERSHIP",        SUPPORTED},
    {"IP_DROP_SOURCE_MEMBERSHIP", SUPPORTED},
    {"IP_FREEBIND",               SUPPORTED},
    {"IP_HDRINCL",                LEFT_OUT },
    {"IP_MSFILTER",               LEFT_OUT },
    {"IP_MTU",                    SUPPORTED},
    {"IP_MTU_DISCOVER",           SUPPORTED},
    {"IP_MULTICAST_ALL",          SUPPORTED},
    {"IP_MULTICAST_IF",           SUPPORTED},
    {"IP_MULTICAST_LOOP",         SUPPORTED},
    {"IP_MULTICAST_TTL",          SUPPORTED},
    {"IP_NODEFRAG",               LEFT_OUT },
    {"IP_OPTIONS",                SUPPORTED},
    {"IP_PASSSEC",                LEFT_OUT },
    {"IP_PKTINFO",                SUPPORTED},
    {"IP_RECVERR",                LEFT_OUT },
    {"IP_RECVOPTS",               LEFT_OUT },
    {"IP_RECVORIGDSTADDR",        LEFT_OUT },
    {"IP_RECVTOS",                SUPPORTED},
    {"IP_RECVTTL",                SUPPORTED},
    {"IP_RETOPTS",                LEFT_OUT },
    {"IP_ROUTER_ALERT",           LEFT_OUT },
    {"IP_TOS",                    SUPPORTED},
    {"IP_TRANSPARENT",            SUPPORTED},
    {"IP_TTL",                    SUPPORTED},
    {"IP_UNBLOCK_SOURCE",         SUPPORTED},
 /* ipv6(7) */
    {"IPV6_ADDRFORM",             LEFT_OUT },
    {"IPV6_ADD_MEMBERSHIP",       SUPPORTED},
    {"IPV6_AUTHHDR",              LEFT_OUT },
    {"IPV6_DROP_MEMBERSHIP",      SUPPORTED},
    {"IPV6_DSTOPTS",              LEFT_OUT },
    {"IPV6_FLOWINFO",             LEFT_OUT },
    {"IPV6_HOPLIMIT",             LEFT_OUT },
    {"IPV6_HOPOPTS",              LEFT_OUT },
    {"IPV6_MTU",                  SUPPORTED},
    {"IPV6_MTU_DISCOVER",         SUPPORTED},
    {"IPV6_MULTICAST_HOPS",       SUPPORTED},
    {"IPV6_MULTICAST_IF",         SUPPORTED},
    {"IPV6_MULTICAST_LOOP",       SUPPORTED},
    {"IPV6_PKTINFO",              LEFT_OUT },
    {"IPV6_RECVERR",              LEFT_OUT },
    {"IPV6_RECVPKTINFO",          SUPPORTED},
    {"IPV6_ROUTER_ALERT",         LEFT_OUT },
    {"IPV6_RTHDR",                LEFT_OUT },
    {"IPV6_UNICAST_HOPS",         SUPPORTED},
    {"IPV6_V6ONLY",               SUPPORTED},
 /* tcp(7) */
    {"TCP_CONGESTION",            SUPPORTED},
    {"TCP_CORK",                  SUPPORTED},
    {"TCP_DEFER_ACCEPT",          SUPPORTED},
    {"TCP_FASTOPEN",              SUPPORTED},
    {"TCP_FASTOPEN_CONNECT",      SUPPORTED},
    {"TCP_INFO",                  SUPPORTED},
    {"TCP_KEEPCNT",               SUPPORTED},
    {"TCP_KEEPIDLE",              SUPPORTED},
    {"TCP_KEEPINTVL",             SUPPORTED},
    {"TCP_LINGER2",               SUPPORTED},
    {"TCP_MAXSEG",                SUPPORTED},
    {"TCP_NODELAY",               SUPPORTED},
    {"TCP_QUICKACK",              SUPPORTED},
    {"TCP_SYNCNT",                SUPPORTED},
    {"TCP_SYNQ_HSIZE",            LEFT_OUT },
    {"TCP_USER_TIMEOUT",          SUPPORTED},
    {"TCP_WINDOW_CLAMP",          SUPPORTED},
 /* udp(7) */
    {"UDP_CORK",                  SUPPORTED},
    {"UDP_GRO",                   SUPPORTED},
    {"UDP_SEGMENT",               LEFT_OUT },
 /* beyond the man pages: RFC 3542 */
    {"IPV6_RECVHOPLIMIT",         SUPPORTED},
    {"IPV6_RECVTCLASS",           SUPPORTED},
    {"IPV6_TCLASS",               SUPPORTED},
};

enum { DOCUMENTED = sizeof documented / sizeof documented[0] };

static void the_table_is_sorted_by_name(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  for (size_t i = 1; i < count; i++)
    if (strcmp(table[i - 1].name, table[i].name) >= 0) fail_msg("%s", table[i].name);
}

static void every_option_is_found_by_its_name(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  for (size_t i = 0; i < count; i++)
    assert_ptr_equal(option_find(table[i].name), &table[i]);
}

static void an_unknown_name_is_not_found(void **state) {
  static const char *const names[] = {"",         "SO_REUSEADD",  "SO_REUSEADDRS",
                                      "so_error", "A_FIRST_NAME", "ZZ_LAST_NAME"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    assert_null(option_find(names[i]));
}

static void every_option_of_the_man_pages_is_supported_or_left_out(void **state) {
  for (size_t i = 0; i < DOCUMENTED; i++) {
    const struct option *o = option_find(documented[i].name);
    if (!o) fail_msg("%s has no row", documented[i].name);
    if ((o->type == OPTION_LEFT) != (documented[i].mark == LEFT_OUT))
      fail_msg("%s is marked wrongly", o->name);
  }
}

static void the_table_has_no_row_that_the_list_lacks(void **state) {
  size_t count;
  option_table(&count);
  assert_int_equal(count, DOCUMENTED);
}

static void every_row_says_what_it_does_or_why_it_is_left_out(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  for (size_t i = 0; i < count; i++)
    if (strlen(table[i].does) < 10) fail_msg("%s", table[i].name);
}

/* --- the kernel's word ----------------------------------------------------------------- */

enum { UDP4, UDP6, TCP4, TCP6, UNIX, SOCKETS };
static int fds[SOCKETS];

/* A kernel may be without IPv6; its socket is -1 then. */
static int open_sockets(void **state) {
  static const int kinds[SOCKETS][2] = {
      {AF_INET,  SOCK_DGRAM },
      {AF_INET6, SOCK_DGRAM },
      {AF_INET,  SOCK_STREAM},
      {AF_INET6, SOCK_STREAM},
      {AF_UNIX,  SOCK_STREAM}
  };
  for (int i = 0; i < SOCKETS; i++)
    fds[i] = socket(kinds[i][0], kinds[i][1] | SOCK_CLOEXEC, 0);
  return 0;
}

static int close_sockets(void **state) {
  for (int i = 0; i < SOCKETS; i++)
    if (fds[i] >= 0) close(fds[i]);
  return 0;
}

/* What the type's values measure at least and at most. */
static void sizes_of(enum option_type type, socklen_t *min, socklen_t *max) {
  *min = 0;
  *max = 512;
  switch (type) {
  case OPTION_LINGER: *min = *max = sizeof(struct linger); break;
  case OPTION_CRED: *min = *max = sizeof(struct ucred); break;
  case OPTION_OUTGOING: *min = *max = sizeof(struct in_addr); break;
  case OPTION_TIMEVAL: *min = *max = sizeof(struct timeval); break;
  case OPTION_INFO: *min = 104; break; /* Linux 2.4 */
  case OPTION_STRING:
  case OPTION_BYTES: break;
  default: *min = *max = sizeof(int);
  }
}

/* Errors that speak of the socket or the machine, not of the option. */
static int is_of_the_machine(const struct option *o, int error) {
  if (strcmp(o->name, "SO_PEERSEC") == 0) return error == ENOPROTOOPT; /* no LSM */
  return error == ENOTCONN || error == EPERM;
}

/* Reads the option from the first kind of socket that has it and, where it may be set, sets
 * what was read. */
static void check_row(const struct option *o) {
  char value[512];
  socklen_t len = 0, min, max;
  int i, r = -1;
  for (i = 0; i < SOCKETS && r != 0; i++) {
    if (fds[i] < 0 && o->level == IPPROTO_IPV6) return;
    len = sizeof value;
    r = getsockopt(fds[i], o->level, o->number, value, &len);
    if (r != 0 && is_of_the_machine(o, errno)) return;
  }
  if (r != 0) fail_msg("getsockopt %s: %s", o->name, strerror(errno));
  sizes_of(o->type, &min, &max);
  if (len < min || len > max) fail_msg("%s has %u bytes", o->name, len);
  if (o->access != OPTION_BOTH_WAYS || o->type == OPTION_OUTGOING) return;
  r = setsockopt(fds[i - 1], o->level, o->number, value, len);
  if (r != 0 && errno != EPERM) fail_msg("setsockopt %s: %s", o->name, strerror(errno));
}

static void the_kernel_knows_every_row_as_the_table_tells_it(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  for (size_t i = 0; i < count; i++)
    if (table[i].type != OPTION_LEFT && table[i].access != OPTION_SET_ONLY)
      check_row(&table[i]);
}

/* SO_RCVTIMEO and SO_SNDTIMEO could be set, and would have no effect here. */
static void the_kernel_refuses_to_set_what_can_only_be_read(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  char value[512] = {0};
  for (size_t i = 0; i < count; i++) {
    if (table[i].access != OPTION_READ_ONLY || table[i].type == OPTION_LEFT) continue;
    if (table[i].type == OPTION_TIMEVAL) continue;
    int r = setsockopt(fds[TCP4], table[i].level, table[i].number, value, sizeof value);
    if (r == 0) fail_msg("setsockopt %s", table[i].name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_table_is_sorted_by_name),
      cmocka_unit_test(every_option_is_found_by_its_name),
      cmocka_unit_test(an_unknown_name_is_not_found),
      cmocka_unit_test(every_option_of_the_man_pages_is_supported_or_left_out),
      cmocka_unit_test(the_table_has_no_row_that_the_list_lacks),
      cmocka_unit_test(every_row_says_what_it_does_or_why_it_is_left_out),
      cmocka_unit_test(the_kernel_knows_every_row_as_the_table_tells_it),
      cmocka_unit_test(the_kernel_refuses_to_set_what_can_only_be_read),
  };
  return cmocka_run_group_tests(tests, open_sockets, close_sockets);
}
