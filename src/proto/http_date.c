#include "proto/http_date.h"

#include <stdbool.h>
#include <string.h>

#include "proto/char.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

enum { DAY = 86400 };
static const int64_t first_time = -62167219200; /* 0000-01-01T00:00:00Z */
static const int64_t last_time = 253402300799;  /* 9999-12-31T23:59:59Z */

struct date {
  int year, month, day; /* month and day from 1 */
  int hour, minute, second;
};

/* Days since 1970-01-01 of the proleptic Gregorian calendar. The year is taken to begin in
 * March, so that the leap day is its last, and 400 years have 146,097 days. */
static int64_t days_of(int year, int month, int day) {
  int64_t y = month <= 2 ? year - 1 : year;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t in_era = y - era * 400;
  int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static struct date date_of(int64_t time) {
  int64_t day = time / DAY, second = time % DAY;
  if (second < 0) day--, second += DAY;
  day += 719468;
  int64_t era = (day >= 0 ? day : day - 146096) / 146097;
  int64_t in_era = day - era * 146097;
  int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
  int64_t m = (5 * in_year + 2) / 153;
  int month = (int)(m < 10 ? m + 3 : m - 9);
  return (struct date){
      .year = (int)(y + era * 400 + (month <= 2)),
      .month = month,
      .day = (int)(in_year - (153 * m + 2) / 5 + 1),
      .hour = (int)(second / 3600),
      .minute = (int)(second / 60 % 60),
      .second = (int)(second % 60),
  };
}

static char *put_number(char *out, int n, int digits) {
  for (int i = digits; i-- > 0; n /= 10) out[i] = (char)('0' + n % 10);
  return out + digits;
}

static char *put_name(char *out, const char *names, int index) {
  memcpy(out, names + index * 3, 3);
  return out + 3;
}

void http_date_format(int64_t time, char out[HTTP_DATE_LEN + 1]) {
  if (time < first_time) time = first_time;
  if (time > last_time) time = last_time;
  struct date d = date_of(time);
  int64_t day = days_of(d.year, d.month, d.day);
  memcpy(out, "Xxx, 00 Xxx 0000 00:00:00 GMT", HTTP_DATE_LEN + 1);
  put_name(out, days, (int)(((day + 4) % 7 + 7) % 7)); /* day 0 was a Thursday */
  put_number(out + 5, d.day, 2);
  put_name(out + 8, months, d.month - 1);
  put_number(out + 12, d.year, 4);
  put_number(out + 17, d.hour, 2);
  put_number(out + 20, d.minute, 2);
  put_number(out + 23, d.second, 2);
}

/* ---- reading ---- */

/* The index of the three letters among the names, or -1. Case counts. */
static int find_name(const char *text, const char *names) {
  for (int i = 0; names[i * 3]; i++)
    if (memcmp(text, names + i * 3, 3) == 0) return i;
  return -1;
}

/* Reads one item of a pattern. Small letters are codes: 'w' a day's name, 'n' a month's;
 * 'd' two digits of the day, 'e' the same with a space for its zero; 'y' two digits of the
 * year; 'h' 'm' 's' two digits of the time. Other bytes stand for themselves. The number
 * of bytes read, or 0. */
static size_t read_item(const char *text, size_t len, char code, struct date *d) {
  size_t size = code == 'w' || code == 'n' ? 3 : code >= 'a' && code <= 'z' ? 2 : 1;
  if (len < size) return 0;
  if (size == 1) return *text == code;
  size_t padded = code == 'e' && *text == ' ';
  int n = code == 'w'   ? find_name(text, days)
          : code == 'n' ? find_name(text, months)
                        : (int)char_number(text + padded, size - padded);
  if (n < 0) return 0;
  switch (code) {
  case 'n': d->month = n + 1; break;
  case 'd':
  case 'e': d->day = n; break;
  case 'y': d->year = d->year * 100 + n; break;
  case 'h': d->hour = n; break;
  case 'm': d->minute = n; break;
  case 's': d->second = n; break;
  default: break;
  }
  return size;
}

static bool match(const char *text, size_t len, const char *pattern, struct date *d) {
  *d = (struct date){0};
  for (; *pattern; pattern++) {
    size_t n = read_item(text, len, *pattern, d);
    if (n == 0) return false;
    text += n, len -= n;
  }
  return len == 0;
}

/* "Sunday" at the begin of RFC 850's form; its length, or 0. */
static size_t long_day(const char *text, size_t len) {
  static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
  for (size_t i = 0; i < 7; i++) {
    size_t n = strlen(names[i]);
    if (len > n && memcmp(text, names[i], n) == 0) return n;
  }
  return 0;
}

static bool is_valid(const struct date *d) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
  int length = lengths[d->month - 1] + (d->month == 2 && leap);
  return d->day >= 1 && d->day <= length && d->hour < 24 && d->minute < 60 &&
         d->second <= 60;
}

/* Two digits of a year as the whole of it (RFC 9110 section 5.6.7). */
static int full_year(int digits, int64_t now) {
  int this_year = date_of(now).year;
  int year = this_year / 100 * 100 + digits;
  return year > this_year + 50 ? year - 100 : year;
}

int http_date_parse(const char *text, size_t len, int64_t now, int64_t *time) {
  struct date d;
  size_t name = long_day(text, len);
  if (name) {
    if (!match(text + name, len - name, ", d-n-y h:m:s GMT", &d)) return -1;
    d.year = full_year(d.year, now);
  } else if (!match(text, len, "w, d n yy h:m:s GMT", &d) &&
             !match(text, len, "w n e h:m:s yy", &d)) {
    return -1;
  }
  if (!is_valid(&d)) return -1;
  *time =
      days_of(d.year, d.month, d.day) * DAY + d.hour * 3600 + d.minute * 60 + d.second;
  return 0;
}
