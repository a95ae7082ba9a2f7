/* getaddrinfo(3) says EAI_SYSTEM where errno tells more. EAGAIN there was taken for "an event
 * will come", and the job, already freed, was asked again; 0 was taken for an answer without
 * addresses. And "localhost" that failed for lack of memory was answered all the same, with
 * other addresses than the next question got. */
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "net/resolver.h"

static int answer, system_error, questions;

/* Stands for the C library's. */
int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found) {
  questions++;
  errno = system_error;
  return answer;
}

static int ask(int eai, int error) {
  struct net_lookup q = {.host = "localhost", .type = SOCK_STREAM, .ticket = -1};
  answer = eai;
  system_error = error;
  questions = 0;
  int status = resolve_now(&q, false);
  assert_null(q.addrs);
  return status;
}

static void a_systems_error_is_told(void **state) {
  (void)state;
  assert_int_equal(ask(EAI_SYSTEM, EMFILE), -EMFILE);
}

static void what_promises_an_event_or_an_answer_is_told_otherwise(void **state) {
  (void)state;
  assert_int_equal(ask(EAI_SYSTEM, EAGAIN), status_from_eai(EAI_AGAIN));
  assert_int_equal(ask(EAI_SYSTEM, 0), status_from_eai(EAI_FAIL));
}

static void localhost_is_not_made_up_without_memory(void **state) {
  (void)state;
  assert_int_equal(ask(EAI_MEMORY, ENOMEM), status_from_eai(EAI_MEMORY));
  assert_int_equal(questions, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_systems_error_is_told),
      cmocka_unit_test(what_promises_an_event_or_an_answer_is_told_otherwise),
      cmocka_unit_test(localhost_is_not_made_up_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
