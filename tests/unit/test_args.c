/* Arguments: of the command line, and numbers from scripts. */
#include <lauxlib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/args.h"
#include "api/task.h"
#include "cli/args.h"
#include "support/fake_net.h"

/* --- the command line --- */

struct line {
  const char *argv[6]; /* after "soquete" */
  enum args_action action;
  int first; /* of argv with "soquete" counted */
  bool trace;
  const char *script, *code, *word;
};

static const struct line lines[] = {
    {{NULL},                     ARGS_PROMPT,  1, false, NULL,     NULL,       NULL     },
    {{"--trace"},                ARGS_PROMPT,  2, true,  NULL,     NULL,       NULL     },
    {{"a.lua"},                  ARGS_RUN,     2, false, "a.lua",  NULL,       NULL     },
    {{"a.lua", "x", "--trace"},  ARGS_RUN,     2, false, "a.lua",  NULL,       NULL     },
    {{"--trace", "a.lua", "-e"}, ARGS_RUN,     3, true,  "a.lua",  NULL,       NULL     },
    {{"-"},                      ARGS_RUN,     2, false, "-",      NULL,       NULL     },
    {{"-", "x"},                 ARGS_RUN,     2, false, "-",      NULL,       NULL     },
    {{"-e", "print(1)"},         ARGS_CODE,    3, false, NULL,     "print(1)", NULL     },
    {{"-e", "", "x"},            ARGS_CODE,    3, false, NULL,     "",         NULL     },
    {{"--trace", "-e", "-e"},    ARGS_CODE,    4, true,  NULL,     "-e",       NULL     },
    {{"-e"},                     ARGS_USAGE,   0, false, NULL,     NULL,       ""       },
    {{"--version"},              ARGS_VERSION, 0, false, NULL,     NULL,       NULL     },
    {{"-v"},                     ARGS_VERSION, 0, false, NULL,     NULL,       NULL     },
    {{"--help", "x"},            ARGS_HELP,    0, false, NULL,     NULL,       NULL     },
    {{"-h"},                     ARGS_HELP,    0, false, NULL,     NULL,       NULL     },
    {{"help"},                   ARGS_HELP,    0, false, NULL,     NULL,       NULL     },
    {{"help", "a.lua"},          ARGS_EXPLAIN, 0, false, "a.lua",  NULL,       NULL     },
    {{"help", "a.lua", "b.lua"}, ARGS_USAGE,   0, false, NULL,     NULL,       "b.lua"  },
    {{"--trase", "a.lua"},       ARGS_USAGE,   0, false, NULL,     NULL,       "--trase"},
    {{"-x"},                     ARGS_USAGE,   0, false, NULL,     NULL,       "-x"     },
    {{"./help"},                 ARGS_RUN,     2, false, "./help", NULL,       NULL     },
    {{""},                       ARGS_RUN,     2, false, "",       NULL,       NULL     },
};

static void assert_text(const char *actual, const char *expected) {
  if (expected)
    assert_string_equal(actual, expected);
  else
    assert_null(actual);
}

static void command_lines_mean_what_the_usage_says(void **state) {
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    const struct line *l = &lines[i];
    char *argv[8] = {"soquete"};
    int argc = 1;
    while (argc < 7 && l->argv[argc - 1]) {
      argv[argc] = (char *)l->argv[argc - 1];
      argc++;
    }
    struct args a = args_parse(argc, argv);
    assert_int_equal(a.action, l->action);
    if (l->first) assert_int_equal(a.first, l->first);
    assert_int_equal(a.trace, l->trace);
    assert_text(a.script, l->script);
    assert_text(a.code, l->code);
    assert_text(a.word, l->word);
    assert_int_equal(a.complaint != NULL, a.action == ARGS_USAGE);
  }
}

/* --- numbers --- */

static int64_t result;

static int call_seconds(lua_State *L) {
  result = args_seconds(L, 1);
  return 0;
}

/* args_seconds of the value on top; false when it raised. */
static bool seconds(lua_State *L) {
  lua_pushcfunction(L, call_seconds);
  lua_insert(L, -2);
  bool fine = lua_pcall(L, 1, 0, 0) == LUA_OK;
  lua_settop(L, 0);
  return fine;
}

static int open_lua(void **state) {
  *state = luaL_newstate();
  return *state ? 0 : -1;
}

static int close_lua(void **state) {
  lua_close(*state);
  return 0;
}

static void seconds_become_nanoseconds(void **state) {
  lua_State *L = *state;
  static const struct {
    double given;
    int64_t ns;
  } rows[] = {
      {0,         0                  },
      {-0.0,      0                  },
      {1,         1000000000         },
      {0.5,       500000000          },
      {1e-9,      1                  },
      {1e-10,     0                  },
      {-1,        0                  },
      {-1e308,    0                  },
      {-INFINITY, 0                  },
      {9e9,       9000000000000000000},
      {9.2e9,     NET_NEVER          },
      {9.3e9,     NET_NEVER          },
      {1e308,     NET_NEVER          },
      {INFINITY,  NET_NEVER          },
      {5e-324,    0                  },
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    lua_pushnumber(L, rows[i].given);
    assert_true(seconds(L));
    assert_int_equal(result, rows[i].ns);
  }
}

static void whole_seconds_of_every_size_are_taken(void **state) {
  lua_State *L = *state;
  lua_pushinteger(L, LUA_MAXINTEGER);
  assert_true(seconds(L));
  assert_int_equal(result, NET_NEVER);
  lua_pushinteger(L, LUA_MININTEGER);
  assert_true(seconds(L));
  assert_int_equal(result, 0);
  lua_pushliteral(L, "1.5");
  assert_true(seconds(L));
  assert_int_equal(result, 1500000000);
}

static void no_value_means_no_limit(void **state) {
  lua_State *L = *state;
  lua_pushnil(L);
  assert_true(seconds(L));
  assert_int_equal(result, NET_NEVER);
}

static void what_is_no_number_raises(void **state) {
  lua_State *L = *state;
  lua_pushnumber(L, NAN);
  assert_false(seconds(L));
  lua_pushnumber(L, -NAN);
  assert_false(seconds(L));
  lua_pushliteral(L, "soon");
  assert_false(seconds(L));
  lua_pushboolean(L, 1);
  assert_false(seconds(L));
  lua_newtable(L);
  assert_false(seconds(L));
}

static void a_deadline_never_overflows(void **state) {
  lua_State *L = *state;
  struct sched s = {0};
  s.loop.net = fake_net_new();
  fake_net_advance(s.loop.net, INT64_C(8000000000000000000));
  lua_pushnumber(L, 1);
  assert_true(args_deadline(L, 1, &s) > INT64_C(8000000001000000000));
  lua_pushnumber(L, 5e9);
  lua_replace(L, 1);
  assert_int_equal(args_deadline(L, 1, &s), NET_NEVER);
  lua_settop(L, 0);
  net_free(s.loop.net);
}

static int call_size(lua_State *L) {
  result = (int64_t)args_size(L, 1, 1, 100);
  return 0;
}

static void sizes_keep_their_range(void **state) {
  lua_State *L = *state;
  static const struct {
    lua_Number given;
    bool fine;
  } rows[] = {
      {1,        true },
      {100,      true },
      {0,        false},
      {101,      false},
      {-1,       false},
      {1.5,      false},
      {NAN,      false},
      {1e300,    false},
      {2e18,     false},
      {INFINITY, false},
      {50.0,     true }
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    lua_pushcfunction(L, call_size);
    lua_pushnumber(L, rows[i].given);
    assert_int_equal(lua_pcall(L, 1, 0, 0) == LUA_OK, rows[i].fine);
    if (rows[i].fine) assert_int_equal(result, (int64_t)rows[i].given);
    lua_settop(L, 0);
  }
}

#define LUA_TEST(name) cmocka_unit_test_setup_teardown(name, open_lua, close_lua)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(command_lines_mean_what_the_usage_says),
      LUA_TEST(seconds_become_nanoseconds),
      LUA_TEST(whole_seconds_of_every_size_are_taken),
      LUA_TEST(no_value_means_no_limit),
      LUA_TEST(what_is_no_number_raises),
      LUA_TEST(a_deadline_never_overflows),
      LUA_TEST(sizes_keep_their_range),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
