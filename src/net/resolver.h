/* Name look-ups on helper threads. getaddrinfo(3) and getnameinfo(3) may wait for a name
 * server for a long time; a thread waits instead, and writes to an eventfd(2) when the
 * answer is there. At most RESOLVER_THREADS run, started when they are needed; a look-up
 * that nobody wants any more is dropped when it ends, and its thread is busy until then. The
 * threads touch nothing but their jobs: no Lua, no net. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "net/net.h"

struct resolver;
struct resolver_job;

enum { RESOLVER_THREADS = 8 };

/* NULL when there is no memory. */
struct resolver *resolver_new(void);

/* Drops every job. It does not wait for threads that are still asking: the last of them
 * frees what they share. NULL is allowed. */
void resolver_free(struct resolver *r);

/* Asks; `fd` (borrowed, until the job has answered or was dropped) becomes readable when
 * there is an answer. The question is copied. NULL with `*status` when it cannot be asked. */
struct resolver_job *resolver_ask(struct resolver *r, const struct net_lookup *q, int fd,
                                  int *status);

/* Moves the answer to `q` and frees the job: the look-up's status; -EAGAIN: not yet. */
int resolver_answer(struct resolver *r, struct resolver_job *job, struct net_lookup *q);

/* Gives up a job. */
void resolver_drop(struct resolver *r, struct resolver_job *job);

/* True when a new question would have to wait until another has its answer. */
bool resolver_is_busy(struct resolver *r);

/* Who is asked: nobody, for numeric addresses; /etc/hosts; whom nsswitch.conf names. Who
 * does not know says STATUS_EAI + EAI_NONAME. */
enum resolve_whom { RESOLVE_NUMERIC, RESOLVE_HOSTS, RESOLVE_ALL };

/* The question asked here and now, on the calling thread (resolve.c). */
int resolve_now(struct net_lookup *q, enum resolve_whom whom);

#endif
