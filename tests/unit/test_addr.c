/* Addresses: what is taken, what is refused and with which words, and that text and
 * address turn into each other without loss. Inputs end at a page that cannot be read. */
#include "net/addr.h"

#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/edge.h"

static int split(const char *text, size_t len, struct addr_text *t, const char **why) {
  return addr_split(edge_bytes(text, len), len, t, why);
}

static void assert_same(const struct addr *a, const struct addr *b) {
  assert_int_equal(a->len, b->len);
  assert_memory_equal(&a->u, &b->u, a->len);
}

/* Parses a text that has to be right as a numeric address. */
static struct addr parse(const char *text, size_t len, int family) {
  struct addr_text t;
  struct addr a;
  const char *why = NULL;
  int r = split(text, len, &t, &why);
  if (r < 0) fail_msg("\"%s\" was refused: %s", text, why);
  r = addr_from_text(&a, &t, family);
  if (r < 0) fail_msg("\"%s\" gave %d", text, r);
  return a;
}

static struct addr parse_text(const char *text) {
  return parse(text, strlen(text), AF_UNSPEC);
}

static void assert_formats(const struct addr *a, const char *want) {
  char out[ADDR_TEXT];
  size_t len = addr_format(a, out);
  assert_string_equal(out, want);
  assert_int_equal(len, strlen(want));
}

static int from_text(const char *text, int family) {
  struct addr_text t;
  struct addr a;
  const char *why;
  assert_int_equal(split(text, strlen(text), &t, &why), 0);
  return addr_from_text(&a, &t, family);
}

/* ---- texts ---- */

static void numeric_texts_become_addresses(void **state) {
  static const char *const rows[][2] = {
      {"1.2.3.4:80",             "1.2.3.4:80"            },
      {"1.2.3.4",                "1.2.3.4:0"             },
      {"255.255.255.255:65535",  "255.255.255.255:65535" },
      {"0.0.0.0:0",              "0.0.0.0:0"             },
      {":8080",                  "0.0.0.0:8080"          },
      {":00080",                 "0.0.0.0:80"            },
      {"",                       "0.0.0.0:0"             },
      {"[::1]:80",               "[::1]:80"              },
      {"[::1]",                  "[::1]:0"               },
      {"::1",                    "[::1]:0"               },
      {"::",                     "[::]:0"                },
      {"[::]:9",                 "[::]:9"                },
      {"2001:DB8:0:0:0:0:0:1",   "[2001:db8::1]:0"       },
      {"[::ffff:10.0.0.1]:5",    "[::ffff:10.0.0.1]:5"   },
      {"fe80::1%4294967295",     "[fe80::1%4294967295]:0"},
      {"[fe80::1%4294967295]:7", "[fe80::1%4294967295]:7"},
      {"fe80::1%0",              "[fe80::1]:0"           },
      {"unix:/run/x.sock",       "unix:/run/x.sock"      },
      {"unix:x",                 "unix:x"                },
      {"unix:/a:80",             "unix:/a:80"            },
      {"unix:@name",             "unix:@name"            },
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct addr a = parse_text(rows[i][0]);
    assert_formats(&a, rows[i][1]);
  }
}

static void wrong_texts_are_refused_with_a_reason(void **state) {
  static const char *const rows[][2] = {
      {":",                            "port"       },
      {"host:",                        "port"       },
      {"host:http",                    "port"       },
      {"1.2.3.4:99999",                "0 to 65535" },
      {"1.2.3.4:65536",                "0 to 65535" },
      {"1.2.3.4:18446744073709551696", "port"       }, /* 80 after wrapping at 64 bits */
      {"1.2.3.4:+5",                   "port"       },
      {"1.2.3.4:-1",                   "port"       },
      {"1.2.3.4: 5",                   "port"       },
      {"1.2.3.4:5 ",                   "port"       },
      {"1.2.3.4:0x10",                 "port"       },
      {"1.2.3.4:1e2",                  "port"       },
      {"[::1]:",                       "port"       },
      {"[::1]:65536",                  "port"       },
      {"[::1",                         "not closed" },
      {"[",                            "not closed" },
      {"[::1]80",                      "after ']'"  },
      {"[]",                           "not an IPv6"},
      {"[]:80",                        "not an IPv6"},
      {"[localhost]:80",               "not an IPv6"},
      {"[1.2.3.4]:80",                 "not an IPv6"},
      {"[[::1]]:80",                   "not an IPv6"},
      {"1:2:3",                        "not an IPv6"},
      {"1.2.3.4:80:81",                "not an IPv6"},
      {"::1::",                        "not an IPv6"},
      {"::ffff:1.2.3.256",             "not an IPv6"},
      {"fe80::1%",                     "interface"  },
      {"[fe80::1%]:80",                "interface"  },
      {"fe80::1%lo:80",                "interface"  },
      {"unix:",                        "empty"      },
      {"unix:@",                       "empty"      },
      {"http://localhost/",            "URL"        },
      {"http://localhost:80/",         "URL"        },
      {"http://[::1]:80/",             "URL"        },
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct addr_text t;
    const char *why = "";
    if (split(rows[i][0], strlen(rows[i][0]), &t, &why) != -EINVAL)
      fail_msg("\"%s\" was taken", rows[i][0]);
    if (!strstr(why, rows[i][1])) fail_msg("\"%s\": %s", rows[i][0], why);
  }
}

static void names_are_left_to_be_looked_up(void **state) {
  static const char *const rows[] = {"localhost:12000", "localhost",      "127.1:80",
                                     "0x7f.0.0.1:80",   "2130706433:80",  "010.0.0.1:80",
                                     "1.2.3.4.:80",     "1.2.3.256:80",   "1.2.3.4 :80",
                                     "UNIX:80",         "exemplo.com.br", "1.2.3.4%lo"};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (from_text(rows[i], AF_UNSPEC) != -ENOENT) fail_msg("%s", rows[i]);
}

static void split_tells_the_host_and_the_port_apart(void **state) {
  struct addr_text t;
  const char *why;
  assert_int_equal(split("localhost:12000", 15, &t, &why), 0);
  assert_string_equal(t.host, "localhost");
  assert_int_equal(t.host_len, 9);
  assert_int_equal(t.port, 12000);
  assert_false(t.is_unix);
  assert_int_equal(split("localhost", 9, &t, &why), 0);
  assert_int_equal(t.port, -1);
  assert_int_equal(split("unix:/a:1", 9, &t, &why), 0);
  assert_string_equal(t.host, "/a:1");
  assert_int_equal(t.port, -1);
  assert_true(t.is_unix);
}

static void a_refused_text_leaves_the_result_alone(void **state) {
  struct addr_text t, before;
  const char *why;
  memset(&t, 0x5a, sizeof t);
  before = t;
  assert_int_equal(split("[::1]:x", 7, &t, &why), -EINVAL);
  assert_memory_equal(&t, &before, sizeof t);
}

static void a_host_with_a_nul_byte_is_refused(void **state) {
  struct addr_text t;
  const char *why;
  assert_int_equal(split("a\0b:80", 6, &t, &why), -EINVAL);
  assert_int_equal(split("1.2.3.4\0", 8, &t, &why), -EINVAL);
  assert_int_equal(split("[::1\0]:80", 9, &t, &why), -EINVAL);
  t = (struct addr_text){.host = "1.2.3.4", .host_len = 8, .port = 1};
  struct addr a;
  assert_int_equal(addr_from_text(&a, &t, AF_UNSPEC), -EINVAL);
}

static void a_host_may_have_253_bytes_and_no_more(void **state) {
  char text[512];
  struct addr_text t;
  const char *why;
  memset(text, 'a', sizeof text);
  memcpy(text + 253, ":65535", 6);
  assert_int_equal(split(text, 259, &t, &why), 0);
  assert_int_equal(t.host_len, 253);
  assert_int_equal(t.port, 65535);
  memset(text, 'a', sizeof text);
  assert_int_equal(split(text, 253, &t, &why), 0);
  assert_int_equal(split(text, 254, &t, &why), -EINVAL);
  assert_non_null(strstr(why, "253"));
  assert_int_equal(split(text, 512, &t, &why), -EINVAL);
  memset(text, ':', sizeof text);
  assert_int_equal(split(text, 512, &t, &why), -EINVAL);
  text[0] = '[';
  assert_int_equal(split(text, 512, &t, &why), -EINVAL);
  memset(text, '0', sizeof text);
  text[0] = ':';
  assert_int_equal(split(text, 512, &t, &why), 0); /* a port of many zeros */
  assert_int_equal(t.port, 0);
}

/* ---- families ---- */

static void a_family_that_is_asked_for_is_given_or_refused(void **state) {
  struct addr a;
  a = parse("1.2.3.4:5", 9, AF_INET6);
  assert_formats(&a, "[::ffff:1.2.3.4]:5");
  a = parse(":5", 2, AF_INET6);
  assert_formats(&a, "[::]:5");
  a = parse(":5", 2, AF_INET);
  assert_formats(&a, "0.0.0.0:5");
  assert_int_equal(from_text("[::1]:5", AF_INET), -EAFNOSUPPORT);
  assert_int_equal(from_text("1.2.3.4:5", AF_UNIX), -EAFNOSUPPORT);
  assert_int_equal(from_text("unix:/a", AF_INET), -EAFNOSUPPORT);
  assert_int_equal(from_text("localhost:5", AF_INET6), -ENOENT);
}

static void mapping_and_unmapping_keep_host_and_port(void **state) {
  struct addr a = parse_text("1.2.3.4:5"), b = a;
  addr_map(&a);
  assert_formats(&a, "[::ffff:1.2.3.4]:5");
  assert_int_equal(a.len, sizeof(struct sockaddr_in6));
  addr_map(&a); /* a second time does nothing */
  addr_unmap(&a);
  assert_same(&a, &b);
  a = b = parse_text("[::1]:5");
  addr_unmap(&a);
  assert_same(&a, &b);
}

static void ports_are_read_and_set_where_there_are_any(void **state) {
  struct addr none = {.len = 0}, a = parse_text("1.2.3.4:5");
  addr_set_port(&a, 65535);
  assert_int_equal(addr_port(&a), 65535);
  a = parse_text("[::1]:5");
  addr_set_port(&a, 0);
  assert_int_equal(addr_port(&a), 0);
  a = parse_text("unix:/a");
  addr_set_port(&a, 80);
  assert_int_equal(addr_port(&a), -1);
  assert_int_equal(addr_port(&none), -1);
  assert_int_equal(addr_family(&none), AF_UNSPEC);
}

static void a_scope_shows_by_name_and_an_unknown_one_is_no_device(void **state) {
  char name[IF_NAMESIZE], text[ADDR_TEXT], want[ADDR_TEXT];
  assert_int_equal(from_text("fe80::1%no-such-one", AF_UNSPEC), -ENODEV);
  assert_int_equal(from_text("fe80::1%4294967296", AF_UNSPEC), -ENODEV);
  if (!if_indextoname(1, name)) skip();
  snprintf(text, sizeof text, "[fe80::1%%%s]:80", name);
  struct addr a = parse_text(text);
  assert_int_equal(a.u.in6.sin6_scope_id, 1);
  assert_formats(&a, text);
  snprintf(want, sizeof want, "fe80::1%%%s", name);
  assert_int_equal(addr_host(&a, text), strlen(want));
  assert_string_equal(text, want);
}

/* ---- Unix ---- */

static void unix_paths_may_fill_the_address_and_no_more(void **state) {
  char text[400] = "unix:";
  struct addr_text t;
  struct addr a;
  const char *why;
  memset(text + 5, 'p', sizeof text - 5);
  a = parse(text, 5 + 107, AF_UNSPEC);
  assert_int_equal(a.len, sizeof(struct sockaddr_un));
  assert_int_equal(a.u.un.sun_path[107], '\0');
  assert_int_equal(split(text, 5 + 108, &t, &why), 0);
  assert_int_equal(addr_from_text(&a, &t, AF_UNSPEC), -ENAMETOOLONG);
  assert_int_equal(split(text, 5 + 255, &t, &why), 0);
  assert_int_equal(addr_from_text(&a, &t, AF_UNSPEC), -ENAMETOOLONG);
  assert_int_equal(split(text, 5 + 256, &t, &why), -EINVAL);
  text[5] = '@';
  a = parse(text, 5 + 108, AF_UNSPEC);
  assert_int_equal(a.len, sizeof(struct sockaddr_un));
  assert_int_equal(split(text, 5 + 109, &t, &why), 0);
  assert_int_equal(addr_from_text(&a, &t, AF_UNSPEC), -ENAMETOOLONG);
}

static void abstract_names_may_hold_nul_bytes_and_paths_may_not(void **state) {
  struct addr_text t;
  const char *why;
  char host[ADDR_TEXT];
  struct addr a = parse("unix:@a\0b", 9, AF_UNSPEC);
  assert_int_equal(a.len, offsetof(struct sockaddr_un, sun_path) + 4);
  assert_memory_equal(a.u.un.sun_path, "\0a\0b", 4);
  assert_int_equal(addr_host(&a, host), 4);
  assert_memory_equal(host, "@a\0b", 5);
  assert_formats(&a, "unix:@a?b");
  assert_int_equal(split("unix:/a\0b", 9, &t, &why), -EINVAL);
  t = (struct addr_text){.host = "/a\0b", .host_len = 4, .port = -1, .is_unix = true};
  assert_int_equal(addr_from_text(&a, &t, AF_UNSPEC), -EINVAL);
  t = (struct addr_text){.host = "", .host_len = 0, .port = -1, .is_unix = true};
  assert_int_equal(addr_from_text(&a, &t, AF_UNSPEC), -EINVAL);
}

static void what_the_kernel_gives_is_formatted_whatever_its_length(void **state) {
  struct addr a = {.len = sizeof(sa_family_t), .u.un.sun_family = AF_UNIX};
  struct addr none = {.len = 0};
  char out[ADDR_TEXT];
  assert_formats(&none, "");
  assert_int_equal(addr_host(&none, out), 0);
  assert_formats(&a, "unix:");
  a.len = sizeof a.u.un; /* 108 bytes, none of them NUL, and the length that counts one */
  memset(a.u.un.sun_path, 'p', sizeof a.u.un.sun_path);
  assert_int_equal(addr_format(&a, out), 5 + 108);
  a.len++;
  assert_int_equal(addr_format(&a, out), 5 + 108);
  a.u.un.sun_path[0] = '@';
  assert_int_equal(addr_format(&a, out), 5 + 2 + 108);
  assert_memory_equal(out, "unix:./@pp", 10);
  a.u.sa.sa_family = AF_NETLINK;
  assert_formats(&a, "(family 16)");
}

static void control_bytes_in_paths_are_hidden(void **state) {
  struct addr a = parse_text("unix:/a\x1b[31m\n\x7f\xc3\xa9");
  char host[ADDR_TEXT];
  assert_formats(&a, "unix:/a?[31m??\xc3\xa9");
  addr_host(&a, host); /* the host is for use, not for show */
  assert_string_equal(host, "/a\x1b[31m\n\x7f\xc3\xa9");
}

/* ---- properties ---- */

static void fill(void *p, size_t len) {
  for (size_t i = 0; i < len; i++) ((uint8_t *)p)[i] = (uint8_t)rng_next(&edge_rng);
}

/* Runs of zeros and the IPv4-mapped prefix are where IPv6 text is compressed. */
static struct addr random_in6(void) {
  struct addr a = {.len = sizeof a.u.in6, .u.in6.sin6_family = AF_INET6};
  uint8_t *ip = a.u.in6.sin6_addr.s6_addr;
  fill(ip, 16);
  for (int i = 0; i < 16; i += 2)
    if (rng_below(&edge_rng, 2)) ip[i] = ip[i + 1] = 0;
  if (rng_below(&edge_rng, 8) == 0) addr_map(&a);
  if (rng_below(&edge_rng, 4) == 0)
    a.u.in6.sin6_scope_id = UINT32_MAX - (uint32_t)rng_below(&edge_rng, 1000);
  return a;
}

static struct addr random_unix(void) {
  struct addr a = {.u.un.sun_family = AF_UNIX};
  size_t n = 1 + rng_below(&edge_rng, 107);
  for (size_t i = 0; i < n; i++)
    a.u.un.sun_path[i] =
        (char)('0' + rng_below(&edge_rng, 75));     /* to 'z', '@' among them */
  bool abstract = n > 1 && rng_below(&edge_rng, 2); /* one without letters is refused */
  a.u.un.sun_path[0] = abstract ? '\0' : '/';
  a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (abstract ? 0 : 1));
  return a;
}

static struct addr random_addr(void) {
  struct addr a = {.len = sizeof a.u.in, .u.in.sin_family = AF_INET};
  uint64_t kind = rng_below(&edge_rng, 3);
  if (kind == 2) return random_unix();
  if (kind == 1) a = random_in6();
  if (kind == 0) fill(&a.u.in.sin_addr, sizeof a.u.in.sin_addr);
  addr_set_port(&a, (int)rng_below(&edge_rng, 65536));
  return a;
}

static void every_address_survives_being_written_and_read(void **state) {
  for (int i = 0; i < 20000; i++) {
    char text[ADDR_TEXT];
    struct addr a = random_addr();
    size_t len = addr_format(&a, text);
    assert_int_equal(len, strlen(text));
    struct addr b = parse(text, len, AF_UNSPEC);
    if (a.len != b.len || memcmp(&a.u, &b.u, a.len) != 0) fail_msg("%s", text);
  }
}

/* Bytes that addresses are made of, so that many random texts are almost right. */
static size_t random_text(char *out) {
  static const char bytes[] = "01259af:::...[]%lo@/-x\0\n\xff";
  size_t len = rng_below(&edge_rng, 24), at = 0;
  if (rng_below(&edge_rng, 8) == 0) at = (size_t)sprintf(out, "unix:");
  for (; at < len; at++) out[at] = bytes[rng_below(&edge_rng, sizeof bytes - 1)];
  return at;
}

static void whatever_is_taken_reads_back_the_same(void **state) {
  int taken = 0;
  for (int i = 0; i < 300000; i++) {
    char text[32], again[ADDR_TEXT], host[ADDR_TEXT];
    struct addr_text t;
    struct addr a;
    const char *why = NULL;
    int r = split(text, random_text(text), &t, &why);
    assert_true(r == 0 || (r == -EINVAL && why));
    if (r < 0 || addr_from_text(&a, &t, AF_UNSPEC) < 0) continue;
    taken++;
    size_t len = addr_format(&a, again);
    size_t host_len = addr_host(&a, host);
    if (addr_family(&a) == AF_UNIX) { /* the host has the bytes that the text hides */
      assert_int_equal(host_len, t.host_len);
      assert_memory_equal(host, t.host, host_len);
      continue;
    }
    struct addr b = parse(again, len, AF_UNSPEC);
    assert_same(&a, &b);
  }
  assert_true(taken > 1000);
}

static void no_prefix_of_an_address_is_read_past_its_end(void **state) {
  static const char *const rows[] = {"255.255.255.255:65535", "[fe80::1%lo]:65535",
                                     "unix:@abstract", "unix:/path", "localhost:80"};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    for (size_t len = 0; len <= strlen(rows[i]); len++) {
      struct addr_text t;
      const char *why = NULL;
      int r = split(rows[i], len, &t, &why);
      assert_true(r == 0 || (r == -EINVAL && why));
    }
}

/* ---- main ---- */

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numeric_texts_become_addresses),
      cmocka_unit_test(wrong_texts_are_refused_with_a_reason),
      cmocka_unit_test(names_are_left_to_be_looked_up),
      cmocka_unit_test(split_tells_the_host_and_the_port_apart),
      cmocka_unit_test(a_refused_text_leaves_the_result_alone),
      cmocka_unit_test(a_host_with_a_nul_byte_is_refused),
      cmocka_unit_test(a_host_may_have_253_bytes_and_no_more),
      cmocka_unit_test(a_family_that_is_asked_for_is_given_or_refused),
      cmocka_unit_test(mapping_and_unmapping_keep_host_and_port),
      cmocka_unit_test(ports_are_read_and_set_where_there_are_any),
      cmocka_unit_test(a_scope_shows_by_name_and_an_unknown_one_is_no_device),
      cmocka_unit_test(unix_paths_may_fill_the_address_and_no_more),
      cmocka_unit_test(abstract_names_may_hold_nul_bytes_and_paths_may_not),
      cmocka_unit_test(what_the_kernel_gives_is_formatted_whatever_its_length),
      cmocka_unit_test(control_bytes_in_paths_are_hidden),
      cmocka_unit_test(every_address_survives_being_written_and_read),
      cmocka_unit_test(whatever_is_taken_reads_back_the_same),
      cmocka_unit_test(no_prefix_of_an_address_is_read_past_its_end),
  };
  return cmocka_run_group_tests(tests, edge_set_up, edge_tear_down);
}
