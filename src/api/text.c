/* utf8.upper: upper case by utf8proc, for whole texts and for pieces of a stream.
 *
 * It maps code point by code point (UnicodeData's simple mapping), so that no piece needs
 * its neighbours: "ﬁ" stays, and utf8proc 2.8 makes ẞ (U+1E9E) of ß, not "SS". The result
 * may be longer than the text: U+0250 takes two bytes, its upper case U+2C6F three. */
#include "api/text.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

/* The bytes that a lead byte promises, and the range that its second byte has to be in:
 * RFC 3629 section 4. 0 for what leads nothing (ASCII, C0, C1, F5 to FF). */
static size_t lead(uint8_t c, uint8_t *low, uint8_t *high) {
  *low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;  /* else overlong */
  *high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf; /* surrogates; over U+10FFFF */
  if (c >= 0xc2 && c <= 0xdf) return 2;
  if (c >= 0xe0 && c <= 0xef) return 3;
  if (c >= 0xf0 && c <= 0xf4) return 4;
  return 0;
}

/* The length of the character that has begun at the end of `s` and may still become
 * valid: 0 to 3. */
static size_t tail_length(const uint8_t *s, size_t len) {
  uint8_t low, high;
  for (size_t n = 1; n <= 3 && n <= len; n++) {
    const uint8_t *p = s + len - n;
    if ((*p & 0xc0) == 0x80) continue; /* a later byte of a character */
    if (lead(*p, &low, &high) <= n) return 0;
    return n == 1 || (p[1] >= low && p[1] <= high) ? n : 0;
  }
  return 0;
}

/* The upper case of the ASCII bytes at the front of `s` to `out`: how many there are.
 * Eight at once, each in its byte of a word: below 0x80 the sums cannot carry over, and
 * the high bit of `from_a` and not of `past_z` marks a small letter. */
static size_t ascii_upper(uint8_t *restrict out, const uint8_t *restrict s, size_t len) {
  const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
  size_t i = 0;
  uint64_t word;
  for (; i + sizeof word <= len; i += sizeof word) {
    memcpy(&word, s + i, sizeof word);
    if (word & high) break;
    uint64_t from_a = word + ones * (0x80 - 'a'), past_z = word + ones * (0x7f - 'z');
    word -= (from_a & ~past_z & high) >> 2; /* 0x80 to 0x20 */
    memcpy(out + i, &word, sizeof word);
  }
  for (; i < len && s[i] < 0x80; i++)
    out[i] = s[i] >= 'a' && s[i] <= 'z' ? s[i] - 0x20 : s[i];
  return i;
}

/* One character, or one invalid byte as it is, to `out`. Returns the bytes taken. */
static size_t upper_one(uint8_t *out, size_t *out_len, const uint8_t *s, size_t len) {
  utf8proc_int32_t c;
  utf8proc_ssize_t n = utf8proc_iterate(s, (utf8proc_ssize_t)len, &c);
  if (n < 1) {
    out[0] = s[0];
    *out_len = 1;
    return 1;
  }
  *out_len = (size_t)utf8proc_encode_char(utf8proc_toupper(c), out);
  return (size_t)n;
}

/* Adds the upper case of `s`. The buffer is on the top of the stack.     [-?, +?, m] */
static void add_upper(luaL_Buffer *b, const uint8_t *s, size_t len) {
  size_t taken, made;
  for (; len > 0; s += taken, len -= taken) {
    uint8_t *out = (uint8_t *)luaL_prepbuffsize(b, len + 4);
    taken = made = ascii_upper(out, s, len);
    if (taken == 0) taken = upper_one(out, &made, s, len);
    luaL_addsize(b, made);
  }
}

/* The upper case of s, and the incomplete UTF-8 character at its end ("" when there is
 * none), which the first result lacks: `up, rest = utf8.upper(rest .. piece)`. Invalid
 * bytes pass unchanged. */
/* utf8.upper(s) -> upper, tail */
static int upper(lua_State *L) {
  size_t len;
  luaL_Buffer b;
  const uint8_t *s = (const uint8_t *)luaL_checklstring(L, 1, &len);
  size_t tail = tail_length(s, len);
  luaL_buffinitsize(L, &b, len + 4); /* what ASCII needs, so that it never grows */
  add_upper(&b, s, len - tail);
  luaL_pushresult(&b);
  lua_pushlstring(L, (const char *)s + len - tail, tail);
  return 2;
}

void text_push_method(lua_State *L, const char *name) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 3, NULL);
  lua_pushliteral(L, "");
  if (luaL_getmetafield(L, top + 1, "__index") == LUA_TTABLE) {
    lua_pushstring(L, name);
    lua_rawget(L, top + 2);
  } else {
    lua_pushnil(L);
  }
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

static const luaL_Reg functions[] = {
    {"upper", upper},
    {NULL,    NULL },
};

void text_open(lua_State *L) {
  lua_getglobal(L, "utf8");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
