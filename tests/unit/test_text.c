/* utf8.upper over whole texts, over pieces, and over bytes that are no text at all. */
#include "api/text.h"

#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "support/seed.h"

enum { TEXT_MAX = 4096 };

struct text {
  char p[TEXT_MAX];
  size_t len;
};

static lua_State *L;
static struct rng rng;

static void take(int index, struct text *t) {
  const char *p = lua_tolstring(L, index, &t->len);
  assert_non_null(p);
  assert_true(t->len <= TEXT_MAX);
  memcpy(t->p, p, t->len);
}

static void call_upper(const char *s, size_t len, struct text *up, struct text *tail) {
  lua_getglobal(L, "utf8");
  lua_getfield(L, -1, "upper");
  lua_pushlstring(L, s, len);
  assert_int_equal(lua_pcall(L, 1, 2, 0), LUA_OK);
  take(-2, up);
  take(-1, tail);
  lua_settop(L, 0);
}

static void assert_upper(const char *s, const char *up, const char *tail) {
  struct text u, t;
  call_upper(s, strlen(s), &u, &t);
  if (u.len != strlen(up) || memcmp(u.p, up, u.len) != 0) fail_msg("\"%s\": up", s);
  if (t.len != strlen(tail) || memcmp(t.p, tail, t.len) != 0) fail_msg("\"%s\": tail", s);
}

static void append(struct text *t, const char *p, size_t len) {
  assert_true(t->len + len <= TEXT_MAX);
  memcpy(t->p + t->len, p, len);
  t->len += len;
}

/* One piece as a script takes it: `up, rest = utf8.upper(rest .. piece)`. */
static void feed(const char *piece, size_t len, struct text *rest, struct text *all) {
  struct text up;
  append(rest, piece, len);
  call_upper(rest->p, rest->len, &up, rest);
  append(all, up.p, up.len);
}

/* ---- tests ---- */

static void portuguese_text_becomes_upper_case(void **state) {
  assert_upper("ação", "AÇÃO", "");
  assert_upper("pinguim, à noite: ÉÈ êñ", "PINGUIM, À NOITE: ÉÈ ÊÑ", "");
}

static void ascii_letters_and_nothing_else_change(void **state) {
  char s[128], want[128];
  struct text up, tail;
  for (int i = 0; i < 128; i++) {
    s[i] = (char)i;
    want[i] = (char)(i >= 'a' && i <= 'z' ? i - 32 : i);
  }
  for (size_t from = 0; from < 128; from++) { /* each byte at each place of a word */
    call_upper(s + from, 128 - from, &up, &tail);
    assert_int_equal(up.len, 128 - from);
    assert_memory_equal(up.p, want + from, up.len);
    assert_int_equal(tail.len, 0);
  }
}

static void the_result_may_be_longer_than_the_text(void **state) {
  char s[1000], want[1500];
  struct text up, tail;
  for (size_t i = 0; i < 500; i++) {
    memcpy(s + 2 * i, "ɐ", 2);
    memcpy(want + 3 * i, "Ɐ", 3);
  }
  call_upper(s, sizeof s, &up, &tail);
  assert_int_equal(up.len, sizeof want);
  assert_memory_equal(up.p, want, sizeof want);
}

static void letters_map_one_to_one(void **state) {
  assert_upper("straße", "STRAẞE", "");
  assert_upper("ﬁ", "ﬁ", "");
  assert_upper("ı", "I", ""); /* shorter than the text */
  assert_upper("я λ 𐐨 中 😀", "Я Λ 𐐀 中 😀", "");
}

static void an_incomplete_character_at_the_end_is_the_tail(void **state) {
  assert_upper("", "", "");
  assert_upper("a\xc3", "A", "\xc3");
  assert_upper("a\xe2", "A", "\xe2");
  assert_upper("a\xe2\x82", "A", "\xe2\x82");
  assert_upper("a\xf0\x9f", "A", "\xf0\x9f");
  assert_upper("\xf0\x9f\x98", "", "\xf0\x9f\x98");
  assert_upper("\xed\x9f", "", "\xed\x9f");
  assert_upper("\xf4\x8f\xbf", "", "\xf4\x8f\xbf");
  assert_upper("\xc3\xc3", "\xc3", "\xc3");
}

static void what_can_never_become_a_character_is_no_tail(void **state) {
  static const char *const rows[] = {
      "\xff",     "\xc0",     "\xc1",     "\xf5",         "\x80",
      "\xe0\x9f", "\xed\xa0", "\xf0\x8f", "\xf4\x90",     "\xc3\xa7\xa7",
      "\xbf\xbf", "\xff\x80", "\xed\xbf", "\xe0\x80\x80", "\xf8\x88\x80\x80"};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct text up, tail;
    call_upper(rows[i], strlen(rows[i]), &up, &tail);
    assert_int_equal(tail.len, 0);
    assert_int_equal(up.len, strlen(rows[i]));
  }
}

static void invalid_bytes_pass_unchanged_between_letters(void **state) {
  assert_upper("a\xff\xfe z", "A\xff\xfe Z", "");
  assert_upper("a\xc3z", "A\xc3Z", "");
  assert_upper("\xe2\x82z", "\xe2\x82Z", "");
  assert_upper("\xc0\xafz", "\xc0\xafZ", "");
  assert_upper("\xed\xa0\x80z", "\xed\xa0\x80Z", "");
  assert_upper("\xf4\x90\x80\x80z", "\xf4\x90\x80\x80Z", "");
}

static void nul_bytes_are_bytes_like_others(void **state) {
  struct text up, tail;
  call_upper("a\0b\0\xc3", 5, &up, &tail);
  assert_int_equal(up.len, 4);
  assert_memory_equal(up.p, "A\0B\0", 4);
  assert_int_equal(tail.len, 1);
}

static void a_word_cut_at_any_byte_gives_the_same(void **state) {
  static const char word[] = "ação 😀 é";
  for (size_t cut = 0; cut < sizeof word; cut++) {
    struct text rest = {.len = 0}, all = {.len = 0};
    feed(word, cut, &rest, &all);
    feed(word + cut, sizeof word - 1 - cut, &rest, &all);
    assert_int_equal(rest.len, 0);
    assert_int_equal(all.len, sizeof word - 1);
    assert_memory_equal(all.p, "AÇÃO 😀 É", all.len);
  }
}

static void a_wrong_argument_raises(void **state) {
  lua_getglobal(L, "utf8");
  lua_getfield(L, -1, "upper");
  lua_newtable(L);
  assert_int_equal(lua_pcall(L, 1, 2, 0), LUA_ERRRUN);
  lua_settop(L, 0);
}

static void the_rest_of_the_library_stays(void **state) {
  assert_int_equal(luaL_dostring(L, "return utf8.len('ação')"), LUA_OK);
  assert_int_equal(lua_tointeger(L, -1), 4);
  lua_settop(L, 0);
}

/* ---- properties ---- */

/* Letters, halves of letters and noise. */
static size_t random_text(char *out, size_t max) {
  static const char *const bits[] = {"a",    "Z",        "ã",        "ɐ",    "中",
                                     "😀",    "abcdefgh", "\xc3",     "\xe2", "\xed",
                                     "\x82", "\xf0\x9f", "\xed\xa0", "\xff", "\xf4"};
  size_t len = 0, want = rng_below(&rng, max - 8);
  while (len < want) {
    const char *bit = bits[rng_below(&rng, sizeof bits / sizeof bits[0])];
    char noise[2] = {(char)(1 + rng_below(&rng, 255)), 0};
    if (rng_below(&rng, 4) == 0) bit = noise;
    memcpy(out + len, bit, strlen(bit));
    len += strlen(bit);
  }
  return len;
}

static void random_cuts_give_what_the_whole_gives(void **state) {
  for (int i = 0; i < 3000; i++) {
    char s[256];
    struct text up, tail, rest = {.len = 0}, all = {.len = 0};
    size_t len = random_text(s, sizeof s);
    call_upper(s, len, &up, &tail);
    for (size_t at = 0, n; at < len; at += n) {
      n = 1 + rng_below(&rng, 12);
      if (n > len - at) n = len - at;
      feed(s + at, n, &rest, &all);
    }
    assert_int_equal(all.len, up.len);
    assert_memory_equal(all.p, up.p, up.len);
    assert_int_equal(rest.len, tail.len);
    assert_memory_equal(rest.p, tail.p, tail.len);
  }
}

static void upper_case_stays_upper_case(void **state) {
  for (int i = 0; i < 3000; i++) {
    char s[256];
    struct text up, again, tail;
    size_t len = random_text(s, sizeof s);
    call_upper(s, len, &up, &tail);
    assert_true(tail.len <= 3);
    assert_memory_equal(s + len - tail.len, tail.p, tail.len);
    append(&up, ".", 1); /* "\xc3\xc3" leaves "\xc3", which would be a tail again */
    call_upper(up.p, up.len, &again, &tail);
    assert_int_equal(tail.len, 0);
    assert_int_equal(again.len, up.len);
    assert_memory_equal(again.p, up.p, up.len);
  }
}

/* ---- main ---- */

static int set_up(void **state) {
  rng_init(&rng, seed_get());
  L = luaL_newstate();
  luaL_openlibs(L);
  text_open(L);
  return lua_gettop(L);
}

static int tear_down(void **state) {
  lua_close(L);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(portuguese_text_becomes_upper_case),
      cmocka_unit_test(ascii_letters_and_nothing_else_change),
      cmocka_unit_test(the_result_may_be_longer_than_the_text),
      cmocka_unit_test(letters_map_one_to_one),
      cmocka_unit_test(an_incomplete_character_at_the_end_is_the_tail),
      cmocka_unit_test(what_can_never_become_a_character_is_no_tail),
      cmocka_unit_test(invalid_bytes_pass_unchanged_between_letters),
      cmocka_unit_test(nul_bytes_are_bytes_like_others),
      cmocka_unit_test(a_word_cut_at_any_byte_gives_the_same),
      cmocka_unit_test(a_wrong_argument_raises),
      cmocka_unit_test(the_rest_of_the_library_stays),
      cmocka_unit_test(random_cuts_give_what_the_whole_gives),
      cmocka_unit_test(upper_case_stays_upper_case),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
