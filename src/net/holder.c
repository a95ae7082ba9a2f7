/* Who holds a port. The kernel tells the socket's inode in /proc/net/tcp and its like
 * (proc(5); Documentation/networking/proc_net_tcp.rst), and which process has a
 * descriptor of that inode in /proc/PID/fd. It runs once, after a bind has failed, so it
 * is bounded rather than fast. */
#include "net/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  LINKS_MAX = 65536,        /* descriptors looked at, about 0.1 s */
  STATE_LISTEN = 0x0a,      /* TCP_LISTEN of the kernel's tcp_states.h */
  FLAG_ACCEPTING = 0x10000, /* __SO_ACCEPTCON of the kernel's net.h */
  LINE = 512,               /* the longest row: a Unix path and about 60 bytes */
};

struct row {
  struct addr local; /* IPv4-mapped ones as IPv4 */
  unsigned state;
  uint64_t inode;
};

/* ---- the socket's inode ---- */

/* The address as the tables show it: its words in host order, 8 hex digits each. */
static bool row_addr(const char *hex, unsigned port, struct addr *a) {
  uint32_t words[4];
  size_t count = strlen(hex) / 8;
  if (count != 1 && count != 4) return false;
  for (size_t i = 0; i < count; i++)
    if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1) return false;
  *a = (struct addr){.len = count == 1 ? sizeof a->u.in : sizeof a->u.in6};
  a->u.sa.sa_family = count == 1 ? AF_INET : AF_INET6;
  if (count == 1)
    memcpy(&a->u.in.sin_addr, words, sizeof a->u.in.sin_addr);
  else
    memcpy(&a->u.in6.sin6_addr, words, sizeof a->u.in6.sin6_addr);
  addr_set_port(a, (int)(port & 0xffff));
  addr_unmap(a);
  return true;
}

/* "sl: local:port remote:port state tx:rx timer:when retransmits uid timeout inode" */
static bool row_parse(const char *line, struct row *row) {
  static const char form[] = " %*d: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x"
                             " %*x:%*x %*x:%*x %*x %*u %*d %lu";
  char hex[33];
  unsigned port;
  unsigned long inode;
  if (sscanf(line, form, hex, &port, &row->state, &inode) != 4) return false;
  row->inode = inode;
  return row_addr(hex, port, &row->local);
}

static bool is_any(const struct addr *a) {
  if (addr_family(a) == AF_INET) return a->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
  return IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr);
}

/* The tables do not tell whether a socket is IPV6_V6ONLY, so "::" counts as dual-stack
 * (ipv6(7)) and clashes with every IPv4 address. */
static bool clashes(const struct addr *a, const struct addr *b) {
  if (addr_port(a) != addr_port(b)) return false;
  if (addr_family(a) != addr_family(b)) return is_any(addr_family(a) == AF_INET6 ? a : b);
  if (is_any(a) || is_any(b)) return true;
  if (addr_family(a) == AF_INET)
    return a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
  return IN6_ARE_ADDR_EQUAL(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr);
}

/* The inode of a socket in the table `file` that stands in the way of `a`, or 0. The
 * kernel lists all listening TCP sockets before the connected ones, which are skipped. */
static uint64_t table_inode(const char *file, const struct addr *a, int type) {
  char line[LINE];
  struct row row;
  uint64_t found = 0;
  FILE *f = fopen(file, "re");
  if (!f) return 0;
  while (!found && fgets(line, sizeof line, f)) {
    if (!row_parse(line, &row)) continue; /* the heading */
    if (type == SOCK_STREAM && row.state != STATE_LISTEN) break;
    if (clashes(&row.local, a)) found = row.inode;
  }
  fclose(f);
  return found;
}

/* The table of the address' own family first: its socket is the more certain holder. */
static uint64_t inet_inode(const struct addr *a, int type) {
  static const char *const tables[2][2] = {
      {"/proc/net/tcp", "/proc/net/tcp6"},
      {"/proc/net/udp", "/proc/net/udp6"}
  };
  int dgram = type == SOCK_DGRAM;
  struct addr own;
  addr_copy(&own, a);
  addr_unmap(&own);
  int v6 = addr_family(&own) == AF_INET6;
  uint64_t inode = table_inode(tables[dgram][v6], &own, type);
  return inode ? inode : table_inode(tables[dgram][!v6], &own, type);
}

/* "Num: RefCount Protocol Flags Type St Inode Path"; Path is absent when unnamed. */
static uint64_t unix_row(const char *line, const char *path, int type) {
  unsigned flags, kind;
  unsigned long inode;
  int end = 0;
  if (sscanf(line, "%*s %*x %*x %x %x %*x %lu%n", &flags, &kind, &inode, &end) != 3)
    return 0;
  if ((int)kind != type || line[end] != ' ') return 0;
  if (type == SOCK_STREAM && !(flags & FLAG_ACCEPTING)) return 0;
  return strcmp(line + end + 1, path) == 0 ? inode : 0;
}

static uint64_t unix_inode(const struct addr *a, int type) {
  char line[LINE], path[ADDR_TEXT];
  uint64_t found = 0;
  size_t len = addr_host(a, path);
  for (size_t i = 0; i < len; i++)
    if (path[i] == '\0') path[i] = '@'; /* so the table shows an abstract name's NULs */
  FILE *f = len > 0 ? fopen("/proc/net/unix", "re") : NULL;
  if (!f) return 0;
  while (!found && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = '\0';
    found = unix_row(line, path, type);
  }
  fclose(f);
  return found;
}

static uint64_t socket_inode(const struct addr *a, int type) {
  int family = addr_family(a);
  if (type != SOCK_STREAM && type != SOCK_DGRAM) return 0;
  if (family == AF_UNIX) return unix_inode(a, type);
  return family == AF_INET || family == AF_INET6 ? inet_inode(a, type) : 0;
}

/* ---- its process ---- */

/* True when the process has a descriptor that links to `link` ("socket:[4711]"). */
static bool process_has(int pid, const char *link, int *links_left) {
  char path[32], target[64];
  bool found = false;
  struct dirent *e;
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR *dir = opendir(path);
  if (!dir) return false; /* another user's, or it has ended */
  while (!found && (*links_left)-- > 0 && (e = readdir(dir))) {
    ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);
    if (n < 0) continue; /* "." and "..", or closed meanwhile */
    target[n] = '\0';
    found = strcmp(target, link) == 0;
  }
  closedir(dir);
  return found;
}

/* The process that has the socket, or 0 where none shows. */
static int process_of(uint64_t inode) {
  char link[64];
  int found = 0, links_left = LINKS_MAX;
  struct dirent *e;
  DIR *proc = opendir("/proc");
  if (!proc) return 0;
  snprintf(link, sizeof link, "socket:[%llu]", (unsigned long long)inode);
  while (!found && links_left > 0 && (e = readdir(proc))) {
    int pid = atoi(e->d_name); /* 0 for "net", "self" ... */
    if (pid > 0 && process_has(pid, link, &links_left)) found = pid;
  }
  closedir(proc);
  return found;
}

/* A process chooses its own comm, so control bytes are hidden: this text reaches
 * terminals and logs. */
static void put_process(int pid, char *out, size_t size) {
  char path[32], name[64] = "?";
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  FILE *f = fopen(path, "re");
  if (f && !fgets(name, sizeof name, f)) strcpy(name, "?"); /* it has ended meanwhile */
  if (f) fclose(f);
  name[strcspn(name, "\n")] = '\0';
  for (char *p = name; *p; p++)
    if (iscntrl((unsigned char)*p)) *p = '?';
  snprintf(out, size, "%s (pid %d)", name, pid);
}

int holder_find(const struct addr *a, int type, char *out, size_t size) {
  uint64_t inode = socket_inode(a, type);
  if (inode == 0) return -ENOENT;
  int pid = process_of(inode);
  if (pid == 0) return -EACCES;
  put_process(pid, out, size);
  return 0;
}
