/* Values of fields: lists, parameters, and the fields that net.http reads. Inputs end at a
 * page that cannot be read. */
#include "proto/http_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/edge.h"

static void lists_are_split_outside_of_quotes(void **state) {
  const char *list = ", a ,,b;c=\"d,\\\",e\"\t, \"f", *text = edge(list);
  static const char *const want[] = {"a", "b;c=\"d,\\\",e\"", "\"f"};
  struct slice e;
  size_t at = 0, n = 0;
  while (http_value_next(text, strlen(list), &at, &e))
    edge_assert_slice(text, e, want[n++]);
  assert_int_equal(n, 3);
}

static void parameters_follow_the_first_part(void **state) {
  const char *value = "text/html ; a=b;;C=\"d;\\\"e\" ;f=\"\"; ", *text = edge(value);
  static const char *const want[][2] = {
      {"a", "b"      },
      {"C", "d;\\\"e"},
      {"f", ""       }
  };
  struct http_param p;
  size_t at, n = 0, len = strlen(value);
  edge_assert_slice(text, http_value_first(text, len, &at), "text/html");
  while (http_value_param(text, len, &at, &p) > 0) {
    edge_assert_slice(text, p.name, want[n][0]);
    edge_assert_slice(text, p.value, want[n][1]);
    assert_int_equal(p.quoted, n > 0);
    n++;
  }
  assert_int_equal(n, 3);
}

static void bad_parameters_are_refused(void **state) {
  static const char *const rows[] = {
      "a;b",         "a;=c",       "a;b=",   "a;b =c",  "a;b= c", "a;b=\"c",
      "a;b=\"c\\\"", "a;b=\"c\"d", "a;b=\"", "a;b=c d", "a;(=c",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct http_param p;
    const char *text = edge(rows[i]);
    size_t at, len = strlen(rows[i]);
    int r;
    http_value_first(text, len, &at);
    while ((r = http_value_param(text, len, &at, &p)) > 0) continue;
    if (r == 0) fail_msg("%s was taken", rows[i]);
  }
}

/* Content-Disposition of a form's part (RFC 7578 section 4.2). */
static void a_parameter_is_found_by_name(void **state) {
  static const struct {
    const char *text, *name, *want; /* NULL: none */
  } rows[] = {
      {"form-data; name=\"a b\"; filename=\"c\\\"d\\\\.txt\"", "name",     "a b"       },
      {"form-data; name=\"a b\"; filename=\"c\\\"d\\\\.txt\"", "filename", "c\"d\\.txt"},
      {"form-data; NAME=x",                                    "name",     "x"         },
      {"form-data; name=\"\"",                                 "name",     ""          },
      {"form-data; filename=x",                                "name",     NULL        },
      {"form-data; name=x; name=y",                            "name",     NULL        },
      {"form-data; name=x; y",                                 "name",     NULL        },
      {"form-data",                                            "name",     NULL        },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char out[100];
    const char *text = edge(rows[i].text);
    size_t at, len = strlen(rows[i].text);
    http_value_first(text, len, &at);
    int n = http_value_find(text, len, at, rows[i].name, out);
    assert_int_equal(n, rows[i].want ? (int)strlen(rows[i].want) : -1);
    if (n > 0) assert_memory_equal(out, rows[i].want, n);
  }
}

static void the_boundary_of_a_form_is_found(void **state) {
  static const struct {
    const char *text, *want; /* NULL: bad; "": another type */
  } rows[] = {
      {"multipart/form-data; boundary=----WebKitFormBoundaryAb1",
       "----WebKitFormBoundaryAb1"                                                                                                                               },
      {"Multipart/Form-Data;charset=x;Boundary=\"a b:c\"",                               "a b:c"                                                                 },
      {"multipart/form-data; boundary="
       "0123456789012345678901234567890123456789012345678901234567890123456789",  "0123456789012345678901234567890123456789012345678901234567890123456789"},
      {"multipart/form-data; boundary="
       "01234567890123456789012345678901234567890123456789012345678901234567890", NULL                                                                    },
      {"multipart/form-data",                                                            NULL                                                                    },
      {"multipart/form-data; boundary=",                                                 NULL                                                                    },
      {"multipart/form-data; boundary=\"\"",                                             NULL                                                                    },
      {"multipart/form-data; boundary=\"a \"",                                           NULL                                                                    },
      {"multipart/form-data; boundary=\"a\\\"b\"",                                       NULL                                                                    },
      {"multipart/form-data; boundary=a; boundary=b",                                    NULL                                                                    },
      {"multipart/form-data; boundary=a*b",                                              NULL                                                                    },
      {"multipart/mixed; boundary=a",                                                    ""                                                                      },
      {"application/x-www-form-urlencoded",                                              ""                                                                      },
      {"",                                                                               ""                                                                      },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char out[HTTP_BOUNDARY_MAX];
    int n = http_value_boundary(edge(rows[i].text), strlen(rows[i].text), out);
    if (n != (rows[i].want ? (int)strlen(rows[i].want) : -1))
      fail_msg("%s gave %d", rows[i].text, n);
    if (n > 0) assert_memory_equal(out, rows[i].want, n);
  }
}

/* RFC 9110 section 12.5.3. */
static void codings_have_qualities(void **state) {
  static const struct {
    const char *text, *coding;
    int want;
  } rows[] = {
      {"gzip",              "gzip",     1000},
      {"gzip, br",          "br",       1000},
      {"GZIP;Q=0.5",        "gzip",     500 },
      {"gzip;q=0",          "gzip",     0   },
      {"gzip ; q=0.001",    "gzip",     1   },
      {"gzip;q=1.000",      "gzip",     1000},
      {"*",                 "gzip",     1000},
      {"*;q=0.3, gzip;q=0", "gzip",     0   },
      {"br",                "gzip",     0   },
      {"",                  "gzip",     0   },
      {"",                  "identity", 1000},
      {"gzip",              "identity", 1000},
      {"*;q=0",             "identity", 0   },
      {"identity;q=0",      "identity", 0   },
      {"gzip;q=1.1",        "gzip",     0   },
      {"gzip;q=0.1234",     "gzip",     0   },
      {"gzip;q=-1",         "gzip",     0   },
      {"gzip;q=\"\"",       "gzip",     0   },
      {"gzip;q",            "gzip",     0   },
      {"gzipped",           "gzip",     0   },
      {"gzi",               "gzip",     0   },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int q = http_value_quality(edge(rows[i].text), strlen(rows[i].text), rows[i].coding);
    if (q != rows[i].want) fail_msg("%s, %s: %d", rows[i].text, rows[i].coding, q);
  }
}

/* RFC 9110 section 8.8.3.2 has the table of the two comparisons. */
static void entity_tags_are_compared_strongly_and_weakly(void **state) {
  static const struct {
    const char *list, *etag;
    bool strong, weak;
  } rows[] = {
      {"W/\"1\"",         "W/\"1\"", false, true },
      {"W/\"1\"",         "W/\"2\"", false, false},
      {"W/\"1\"",         "\"1\"",   false, true },
      {"\"1\"",           "W/\"1\"", false, true },
      {"\"1\"",           "\"1\"",   true,  true },
      {"*",               "\"1\"",   true,  true },
      {" * ",             "W/\"1\"", true,  true },
      {"\"0\", \"1\"",    "\"1\"",   true,  true },
      {",\"0\",,\"1\" ,", "\"1\"",   true,  true },
      {"\"a,b\"",         "\"a,b\"", true,  true },
      {"\"a,b\"",         "\"a\"",   false, false},
      {"\"\"",            "\"\"",    true,  true },
      {"1",               "\"1\"",   false, false},
      {"w/\"1\"",         "\"1\"",   false, false},
      {"\"1",             "\"1\"",   false, false},
      {"x, \"1\"",        "\"1\"",   false, false},
      {"\"0\"\"1\"",      "\"1\"",   false, false},
      {"\"1\", x",        "\"1\"",   true,  true },
      {"*, \"0\"",        "\"1\"",   false, false},
      {"",                "\"1\"",   false, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const char *list = edge(rows[i].list);
    size_t len = strlen(rows[i].list), n = strlen(rows[i].etag);
    if (http_value_has_etag(list, len, rows[i].etag, n, false) != rows[i].strong ||
        http_value_has_etag(list, len, rows[i].etag, n, true) != rows[i].weak)
      fail_msg("%s, %s", rows[i].list, rows[i].etag);
  }
}

static void cookies_are_split(void **state) {
  const char *value = "a=b; c=\"d e\";f ; =g;h=; i=j=k;", *text = edge(value);
  static const char *const want[][2] = {
      {"a", "b"  },
      {"c", "d e"},
      {"h", ""   },
      {"i", "j=k"}
  };
  struct slice name, cookie;
  size_t at = 0, n = 0;
  while (http_value_cookie(text, strlen(value), &at, &name, &cookie)) {
    edge_assert_slice(text, name, want[n][0]);
    edge_assert_slice(text, cookie, want[n][1]);
    n++;
  }
  assert_int_equal(n, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_are_split_outside_of_quotes),
      cmocka_unit_test(parameters_follow_the_first_part),
      cmocka_unit_test(bad_parameters_are_refused),
      cmocka_unit_test(a_parameter_is_found_by_name),
      cmocka_unit_test(the_boundary_of_a_form_is_found),
      cmocka_unit_test(codings_have_qualities),
      cmocka_unit_test(entity_tags_are_compared_strongly_and_weakly),
      cmocka_unit_test(cookies_are_split),
  };
  return cmocka_run_group_tests(tests, edge_set_up, edge_tear_down);
}
