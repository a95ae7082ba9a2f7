/* The option table: it is searched by halves, and the kernel has to know every row. */
#include "net/option.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void the_table_is_sorted_by_name(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  for (size_t i = 1; i < count; i++)
    if (strcmp(table[i - 1].name, table[i].name) >= 0) fail_msg("%s", table[i].name);
}

static void every_option_is_found_by_its_name(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  assert_true(count >= 23);
  for (size_t i = 0; i < count; i++)
    assert_ptr_equal(option_find(table[i].name), &table[i]);
}

static void an_unknown_name_is_not_found(void **state) {
  static const char *const names[] = {"",         "SO_REUSEADD",  "SO_REUSEADDRS",
                                      "so_error", "A_FIRST_NAME", "ZZ_LAST_NAME"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    assert_null(option_find(names[i]));
}

static void every_row_says_what_it_does(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  for (size_t i = 0; i < count; i++)
    if (strlen(table[i].does) < 10) fail_msg("%s", table[i].name);
}

static socklen_t size_of(enum option_type type) {
  switch (type) {
  case OPTION_LINGER: return sizeof(struct linger);
  case OPTION_STRING: return 16;
  case OPTION_BOOL:
  case OPTION_INT:
  case OPTION_ERROR: return sizeof(int);
  }
  return 0;
}

/* Reads the option from a TCP socket and, where it may be set, sets what was read. */
static void check_row(int fd, const struct option *o) {
  char value[64];
  socklen_t len = sizeof value;
  if (getsockopt(fd, o->level, o->number, value, &len) != 0)
    fail_msg("getsockopt %s", o->name);
  if (len != size_of(o->type)) fail_msg("%s has %u bytes", o->name, len);
  int r = setsockopt(fd, o->level, o->number, value, len);
  if (o->readonly ? r == 0 : r != 0) fail_msg("setsockopt %s gave %d", o->name, r);
}

static void the_kernel_knows_every_row_as_the_table_tells_it(void **state) {
  size_t count;
  const struct option *table = option_table(&count);
  int v4 = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int v6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(v4 >= 0);
  for (size_t i = 0; i < count; i++) {
    int fd = table[i].level == IPPROTO_IPV6 ? v6 : v4;
    if (fd >= 0) check_row(fd, &table[i]); /* a kernel may be without IPv6 */
  }
  close(v4);
  if (v6 >= 0) close(v6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_table_is_sorted_by_name),
      cmocka_unit_test(every_option_is_found_by_its_name),
      cmocka_unit_test(an_unknown_name_is_not_found),
      cmocka_unit_test(every_row_says_what_it_does),
      cmocka_unit_test(the_kernel_knows_every_row_as_the_table_tells_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
