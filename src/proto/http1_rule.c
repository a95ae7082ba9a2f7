/* The tables of http1.h as data: rules and methods. */
#include "proto/http1.h"

#define ROW(...) \
  { __VA_ARGS__ }

static const struct http1_rule_row rules[HTTP1_RULE_COUNT] = {
    ROW("FINE", "nothing is wrong", "", 200),
#define X(name, status, section, text) ROW(#name, text, section, status),
    HTTP1_RULES(X)
#undef X
};

const struct http1_rule_row *http1_rule(ssize_t rule) {
  if (rule < 0) rule = -rule;
  return &rules[rule > 0 && rule < HTTP1_RULE_COUNT ? rule : HTTP1_FINE];
}

/* In the order of enum http1_method. */
static const char *const methods[HTTP1_METHODS] = {
    NULL, "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
};

const char *http1_method_name(enum http1_method method) {
  return method < HTTP1_METHODS ? methods[method] : NULL;
}
