/* Hints: what usually lies behind a failure, and what to do. One table row each; only a
 * busy port asks the system who holds it. */
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/error.h"
#include "net/addr.h"
#include "net/holder.h"

/* clang-format off */
static const struct {
  const char *code, *op; /* op NULL: any */
  const char *hint;
} hints[] = {
  {"EACCES", "sendto",
   "a broadcast needs setsockopt(\"SO_BROADCAST\", true) first"},
  {"EACCES", "bind",
   "ports below 1024 are the administrator's; choose 1024 to 65535"},
  {"EADDRINUSE", "join",
   "this socket has joined that group already, on that interface"},
  {"EADDRINUSE", "setsockopt",
   "this socket has joined that group already, on that interface"},
  {"EADDRNOTAVAIL", "leave",
   "this socket has not joined that group, or it has on another interface"},
  {"EADDRNOTAVAIL", "setsockopt",
   "this socket has not joined that group, or it has on another interface"},
  {"EADDRNOTAVAIL", "bind",
   "this machine has no such address; an empty host means any"},
  {"EADDRNOTAVAIL", NULL,
   "no local address or port is left for this peer"},
  {"EAFNOSUPPORT", NULL,
   "the address is of another family than the socket: net.socket(net.AF_INET6) takes both"},
  {"EBADF", "fdopen",
   "no such descriptor is open in this program"},
  {"EBUSY", "fdopen",
   "a socket of this script, or the runtime itself, uses it already"},
  {"EAI_ADDRFAMILY", "getaddrinfo",
   "the name has addresses of the other family only; without family it gives all"},
  {"EAI_ADDRFAMILY", "gethostbyname",
   "the name has IPv6 addresses only; net.getaddrinfo gives them"},
  {"EAI_ADDRFAMILY", NULL,
   "the name has addresses of the other family only; net.socket(net.AF_INET6) takes both, "
   "unless IPV6_V6ONLY is set"},
  {"EAI_AGAIN", NULL,
   "the name server did not answer; try again, or check the network"},
  {"EAI_NONAME", NULL,
   "no such name; check the spelling, /etc/hosts and the name server"},
  {"EAI_SERVICE", NULL,
   "a port is a number from 0 to 65535, or a name like \"http\""},
  {"ECONNREFUSED", NULL,
   "nothing listens there; is the server running, on this port?"},
  {"ECONNRESET", NULL,
   "the peer dropped the connection; often it closed with bytes unread, or it crashed"},
  {"EDESTADDRREQ", NULL,
   "say to whom: sendto(data, address), {to = address}, or connect first"},
  {"EHOSTUNREACH", NULL,
   "no route to that host; check the address and the network"},
  {"EINVAL", "bind",
   "this socket has an address already, by bind, connect or a send; make a new one"},
  {"EINVAL", "join",
   "groups are 224.0.0.0 to 239.255.255.255, and IPv6 addresses that begin with ff"},
  {"EINVAL", "leave",
   "groups are 224.0.0.0 to 239.255.255.255, and IPv6 addresses that begin with ff"},
  {"EINVAL", "open",
   "a path holds no zero byte"},
  {"EINVAL", "send_repeat",
   "this method is not for this socket; without one, send_repeat takes what is"},
  {"EISCONN", NULL,
   "this socket is connected already; make a new one"},
  {"EMFILE", NULL,
   "too many open sockets and files; close some, or raise `ulimit -n`"},
  {"EMSGSIZE", NULL,
   "a UDP datagram carries at most 65507 bytes over IPv4; send less"},
  {"ENETUNREACH", NULL,
   "no route to that network; check the address and the network; with IPV6_V6ONLY there is "
   "none to IPv4"},
  {"ENODEV", "join",
   "no such network interface; `ip link` lists them"},
  {"EISDIR", "open",
   "this is a folder; open a file in it"},
  {"ENOENT", "connect",
   "no server has made this socket file; is it running?"},
  {"ENOSYS", "open",
   "the kernel, or a sandbox, lacks openat2(2), without which no path can be confined"},
  {"EOPNOTSUPP", "send_repeat",
   "this method is not for this socket; without one, send_repeat takes what is"},
  {"EPIPE", NULL,
   "this direction is closed: the peer went away, or shutdown was called"},
  {"ETIMEDOUT", NULL,
   "the peer does not answer; it may be down, or a firewall drops it"},
  {"EXDEV", "open",
   "the path, or a link in it, leads out of the folder"},
  {"irregular", NULL,
   "only files are opened: no FIFOs, devices or sockets"},
  {"oversized", NULL,
   "raise the limit with {max = bytes}, or read in pieces"},
  {"truncated", NULL,
   "the file has become shorter since it was opened; err.sent counts what had gone"},
};
/* clang-format on */

static void push_holder(lua_State *L, const char *address, const char *transport) {
  struct addr_text text;
  struct addr addr;
  const char *why;
  char who[128] = "", own[32];
  bool datagrams = strcmp(transport, "udp") == 0 || strstr(transport, "datagram");
  int type = datagrams ? SOCK_DGRAM : SOCK_STREAM;
  int found = -1;
  if (addr_split(address, strlen(address), &text, &why) == 0 &&
      addr_from_text(&addr, &text, AF_UNSPEC) == 0)
    found = holder_find(&addr, type, who, sizeof who);
  snprintf(own, sizeof own, "(pid %d)", (int)getpid());
  if (found == 0 && strstr(who, own))
    lua_pushliteral(L, "this program holds it itself; close that socket first");
  else if (found == 0)
    lua_pushfstring(L, "%s holds it; stop that program, or choose another port", who);
  else if (strncmp(transport, "unix", 4) == 0)
    lua_pushliteral(L, "the socket file exists; remove it if no server uses it any more");
  else
    lua_pushliteral(L, "another program holds the port; stop it, or choose another port");
}

void hint_push(lua_State *L, const char *op, const char *code, const char *address,
               const char *transport) {
  for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
    if (strcmp(hints[i].code, code) != 0) continue;
    if (hints[i].op && strcmp(hints[i].op, op) != 0) continue;
    lua_pushstring(L, hints[i].hint);
    return;
  }
  if (strcmp(code, "EADDRINUSE") == 0)
    push_holder(L, address, transport);
  else
    lua_pushnil(L);
}
