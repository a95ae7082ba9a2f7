/* URIs: authorities, percent-encoding, paths for a file system, queries, URLs. Inputs end
 * at a page that cannot be read. */
#include "proto/uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/edge.h"

/* ---- authority ---- */

static void authorities_are_a_host_and_a_port(void **state) {
  static const struct {
    const char *text, *host;
    int port;
  } rows[] = {
      {"a",                         "a",                   -1   },
      {"a:",                        "a",                   -1   },
      {"a:0",                       "a",                   0    },
      {"a.b-c_d~!$&'()*+,;=:65535", "a.b-c_d~!$&'()*+,;=", 65535},
      {"127.0.0.1:080",             "127.0.0.1",           80   },
      {"[::1]",                     "::1",                 -1   },
      {"[::ffff:1.2.3.4]:1",        "::ffff:1.2.3.4",      1    },
      {"%41%fF",                    "%41%fF",              -1   },
      {"",                          "",                    -1   },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct uri_authority a;
    const char *text = edge(rows[i].text);
    assert_int_equal(uri_authority(text, strlen(rows[i].text), &a), 0);
    edge_assert_slice(text, a.host, rows[i].host);
    assert_int_equal(a.port, rows[i].port);
  }
}

static void what_is_no_authority_is_refused(void **state) {
  static const char *const rows[] = {
      "a b", "u@a", "a:b", "a:65536",  "a:-1",   "a:1:2",   "a/b",
      "[",   "[]",  "[:",  "[::1",     "[::1]a", "[::1]:x", "[v1.a]",
      "::1", "%4",  "%zz", "\xc3\xa9", "a\"",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct uri_authority a;
    if (uri_authority(edge(rows[i]), strlen(rows[i]), &a) == 0)
      fail_msg("%s was taken", rows[i]);
  }
}

/* ---- percent-encoding ---- */

static void bytes_are_decoded_once(void **state) {
  static const struct {
    const char *text;
    enum uri_escapes escapes;
    const char *want; /* NULL: refused */
  } rows[] = {
      {"a%20b+c", URI_PERCENT, "a b+c"   },
      {"a%20b+c", URI_FORM,    "a b c"   },
      {"%2B%2b",  URI_FORM,    "++"      },
      {"%252e",   URI_PERCENT, "%2e"     },
      {"%c3%A9",  URI_PERCENT, "\xc3\xa9"},
      {"%",       URI_PERCENT, NULL      },
      {"%4",      URI_PERCENT, NULL      },
      {"%zz",     URI_PERCENT, NULL      },
      {"%u002e",  URI_PERCENT, NULL      },
      {"%4%31",   URI_PERCENT, NULL      },
      {"",        URI_PERCENT, ""        },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char out[32];
    ssize_t n =
        uri_decode(edge(rows[i].text), strlen(rows[i].text), rows[i].escapes, out);
    assert_int_equal(n, rows[i].want ? (ssize_t)strlen(rows[i].want) : -1);
    if (n > 0) assert_memory_equal(out, rows[i].want, n);
  }
}

static void whatever_is_encoded_decodes_to_the_same(void **state) {
  char bytes[64], out[3 * sizeof bytes];
  for (int i = 0; i < 2000; i++) {
    size_t len = rng_below(&edge_rng, sizeof bytes);
    for (size_t k = 0; k < len; k++) bytes[k] = (char)rng_next(&edge_rng);
    size_t n = uri_encode(edge_bytes(bytes, len), len, URI_KEEP_NONE, out);
    assert_int_equal(uri_decode(out, n, URI_FORM, out), len);
    assert_memory_equal(out, bytes, len);
  }
  assert_int_equal(uri_encode("a/b c~", 6, URI_KEEP_SLASH, out), 8);
  assert_memory_equal(out, "a/b%20c~", 8);
  assert_int_equal(uri_encode("a/b", 3, URI_KEEP_NONE, out), 5);
  assert_memory_equal(out, "a%2Fb", 5);
}

/* ---- paths ---- */

static void paths_are_cleaned_for_a_file_system(void **state) {
  static const struct {
    const char *text, *want;
  } rows[] = {
      {"/",               "/"                  },
      {"//",              "/"                  },
      {"/a/b",            "/a/b"               },
      {"/a/b/",           "/a/b/"              },
      {"/a//b///c",       "/a/b/c"             },
      {"//evil.com/x",    "/evil.com/x"        },
      {"/./a/./b/.",      "/a/b/"              },
      {"/a%20b/%c3%a9",   "/a b/\xc3\xa9"      },
      {"/%2541",          "/%41"               }, /* once */
      {"/%252e%252e/a",   "/%2e%2e/a"          },
      {"/%2e/a",          "/a"                 },
      {"/...",            "/..."               },
      {"/..;/a",          "/..;/a"             },
      {"/.a/b..",         "/.a/b.."            },
      {"/%c0%ae%c0%ae/a", "/\xc0\xae\xc0\xae/a"}, /* overlong UTF-8 means no dot */
      {"/a+b",            "/a+b"               },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char out[32];
    ssize_t n = uri_path(edge(rows[i].text), strlen(rows[i].text), out);
    if (n != (ssize_t)strlen(rows[i].want)) fail_msg("%s gave %zd", rows[i].text, n);
    assert_memory_equal(out, rows[i].want, n);
  }
}

static void paths_that_could_lead_astray_are_refused(void **state) {
  static const struct {
    const char *text;
    enum uri_path why;
  } rows[] = {
      {"",           URI_PATH_RELATIVE},
      {"a",          URI_PATH_RELATIVE},
      {"../a",       URI_PATH_RELATIVE},
      {"*",          URI_PATH_RELATIVE},
      {"/..",        URI_PATH_UP      },
      {"/../a",      URI_PATH_UP      },
      {"/a/../b",    URI_PATH_UP      },
      {"/a/..",      URI_PATH_UP      },
      {"/%2e%2e/a",  URI_PATH_UP      },
      {"/.%2E/a",    URI_PATH_UP      },
      {"/%2e./a",    URI_PATH_UP      },
      {"/a//..//b",  URI_PATH_UP      },
      {"/a%2fb",     URI_PATH_BYTE    },
      {"/..%2Fa",    URI_PATH_BYTE    },
      {"/a%5cb",     URI_PATH_BYTE    },
      {"/..\\a",     URI_PATH_BYTE    },
      {"/\\evil",    URI_PATH_BYTE    },
      {"/a%00.html", URI_PATH_BYTE    },
      {"/a%0d%0a",   URI_PATH_BYTE    },
      {"/a%7f",      URI_PATH_BYTE    },
      {"/%",         URI_PATH_ESCAPE  },
      {"/%2",        URI_PATH_ESCAPE  },
      {"/%zz",       URI_PATH_ESCAPE  },
      {"/%u002e",    URI_PATH_ESCAPE  },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char out[32];
    ssize_t n = uri_path(edge(rows[i].text), strlen(rows[i].text), out);
    if (n != rows[i].why) fail_msg("%s gave %zd", rows[i].text, n);
  }
}

static void dot_files_are_told(void **state) {
  assert_true(uri_path_is_hidden("/.git/a", 7));
  assert_true(uri_path_is_hidden("/a/.b", 5));
  assert_false(uri_path_is_hidden("/a.b/c.", 7));
  assert_false(uri_path_is_hidden("/", 1));
}

/* ---- queries ---- */

static void queries_are_split_into_pairs(void **state) {
  const char *query = "a=b&&c&=d&e=f=g&h=&", *text = edge(query);
  static const char *const want[][2] = {
      {"a", "b"  },
      {"c", ""   },
      {"",  "d"  },
      {"e", "f=g"},
      {"h", ""   },
  };
  struct slice name, value;
  size_t at = 0, count = 0;
  while (uri_pair(text, strlen(query), &at, &name, &value)) {
    assert_true(count < sizeof want / sizeof *want);
    edge_assert_slice(text, name, want[count][0]);
    edge_assert_slice(text, value, want[count][1]);
    count++;
  }
  assert_int_equal(count, sizeof want / sizeof *want);
  at = 0;
  assert_false(uri_pair("", 0, &at, &name, &value));
}

/* ---- URLs ---- */

static void urls_are_read(void **state) {
  static const struct {
    const char *text;
    bool https;
    const char *authority, *host;
    int port;
    const char *path, *target;
  } rows[] = {
      {"http://a",                  false, "a",        "a",   80,   "",         ""          },
      {"HTTPS://a/",                true,  "a",        "a",   443,  "/",        "/"         },
      {"http://a.b:8080/c/d?e=f#g", false, "a.b:8080", "a.b", 8080, "/c/d",     "/c/d?e=f"  },
      {"http://[::1]:1?q",          false, "[::1]:1",  "::1", 1,    "",         "?q"        },
      {"http://a#/b?c",             false, "a",        "a",   80,   "",         ""          },
      {"http://a/@b:c//d",          false, "a",        "a",   80,   "/@b:c//d", "/@b:c//d"  },
      {"http://a?http://b/",        false, "a",        "a",   80,   "",         "?http://b/"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct uri u;
    const char *why = "", *text = edge(rows[i].text);
    if (uri_parse(text, strlen(rows[i].text), &u, &why) < 0)
      fail_msg("%s: %s", rows[i].text, why);
    assert_int_equal(u.https, rows[i].https);
    edge_assert_slice(text, u.authority, rows[i].authority);
    edge_assert_slice(text, u.host, rows[i].host);
    assert_int_equal(u.port, rows[i].port);
    edge_assert_slice(text, u.path, rows[i].path);
    edge_assert_slice(text, u.target, rows[i].target);
  }
}

static void bad_urls_are_refused_with_a_reason(void **state) {
  static const char *const rows[] = {
      "",
      "a",
      "/a",
      "//a/b",
      "ftp://a/",
      "http:",
      "http:/a",
      "http:a",
      "http://",
      "http:///a",
      "http://?a",
      "http://:80/",
      "http://u:p@a/",
      "http://a:0/",
      "http://a:65536/",
      "http://a b/",
      "http://a/b c",
      "http://a/\r\nX: y",
      "http://a/\xc3\xa9",
      "http://[::1/",
      "javascript:alert(1)",
      " http://a/",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct uri u;
    const char *why = NULL;
    if (uri_parse(edge(rows[i]), strlen(rows[i]), &u, &why) == 0)
      fail_msg("%s was taken", rows[i]);
    assert_non_null(why);
  }
}

/* Rows of RFC 3986 section 5.4 (with http for a.), and others. */
static void references_are_resolved(void **state) {
  static const char base[] = "http://a/b/c/d;p?q";
  static const char *const rows[][2] = {
      {"https://x/y", "https://x/y"          },
      {"g",           "http://a/b/c/g"       },
      {"./g",         "http://a/b/c/g"       },
      {"g/",          "http://a/b/c/g/"      },
      {"/g",          "http://a/g"           },
      {"//g",         "http://g"             },
      {"?y",          "http://a/b/c/d;p?y"   },
      {"g?y",         "http://a/b/c/g?y"     },
      {"#s",          "http://a/b/c/d;p?q"   },
      {"g#s",         "http://a/b/c/g"       },
      {"",            "http://a/b/c/d;p?q"   },
      {".",           "http://a/b/c/"        },
      {"..",          "http://a/b/"          },
      {"../g",        "http://a/b/g"         },
      {"../..",       "http://a/"            },
      {"../../../g",  "http://a/g"           },
      {"/./g",        "http://a/g"           },
      {"/../g",       "http://a/g"           },
      {"g..",         "http://a/b/c/g.."     },
      {"./g/.",       "http://a/b/c/g/"      },
      {"g/../h",      "http://a/b/c/h"       },
      {"g?y/../x",    "http://a/b/c/g?y/../x"},
      {"mailto:a",    "mailto:a"             },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char out[64];
    ssize_t n =
        uri_resolve(base, sizeof base - 1, edge(rows[i][0]), strlen(rows[i][0]), out);
    if (n != (ssize_t)strlen(rows[i][1]) || memcmp(out, rows[i][1], (size_t)n) != 0)
      fail_msg("%s gave %.*s", rows[i][0], (int)n, out);
  }
  char out[64];
  assert_int_equal(uri_resolve("http://a", 8, "b", 1, out), 10);
  assert_memory_equal(out, "http://a/b", 10);
  assert_int_equal(uri_resolve("none", 4, "b", 1, out), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(authorities_are_a_host_and_a_port),
      cmocka_unit_test(what_is_no_authority_is_refused),
      cmocka_unit_test(bytes_are_decoded_once),
      cmocka_unit_test(whatever_is_encoded_decodes_to_the_same),
      cmocka_unit_test(paths_are_cleaned_for_a_file_system),
      cmocka_unit_test(paths_that_could_lead_astray_are_refused),
      cmocka_unit_test(dot_files_are_told),
      cmocka_unit_test(queries_are_split_into_pairs),
      cmocka_unit_test(urls_are_read),
      cmocka_unit_test(bad_urls_are_refused_with_a_reason),
      cmocka_unit_test(references_are_resolved),
  };
  return cmocka_run_group_tests(tests, edge_set_up, edge_tear_down);
}
