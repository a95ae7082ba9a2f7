/* Helper threads that ask the name server. */
#include "net/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/status.h"

struct resolver_job {
  struct list link;    /* in the queue until a thread takes it, then in answered */
  struct net_lookup q; /* question and answer; its texts are below */
  char host[256], service[64];
  struct addr of;
  int fd;     /* -1: dropped, nobody waits */
  int status; /* valid once done */
  bool done, taken;
};

struct resolver {
  pthread_mutex_t lock; /* guards all below, and what the jobs say of their state */
  pthread_cond_t work;
  struct list queue;    /* jobs that no thread has taken */
  struct list answered; /* jobs whose answer nobody has fetched */
  int threads, idle;
  int waiting; /* jobs in the queue */
  bool closed; /* its owner has gone; the last thread frees it */
};

struct resolver *resolver_new(void) {
  struct resolver *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->work, NULL);
  list_init(&r->queue);
  list_init(&r->answered);
  return r;
}

static void destroy(struct resolver *r) {
  pthread_cond_destroy(&r->work);
  pthread_mutex_destroy(&r->lock);
  free(r);
}

static void free_job(struct resolver_job *job) {
  free(job->q.addrs);
  free(job);
}

/* --- the threads ------------------------------------------------------------------------ */

/* Tells the waiter, unless the job was dropped meanwhile. The lock is held, so that the
 * descriptor cannot be closed, and its number given away, in between. */
static void deliver(struct resolver *r, struct resolver_job *job, int status) {
  uint64_t one = 1;
  job->status = status;
  job->done = true;
  if (job->fd < 0 || r->closed) {
    free_job(job);
    return;
  }
  list_append(&r->answered, &job->link);
  if (write(job->fd, &one, sizeof one) < 0)
    return; /* an eventfd that is full is readable already */
}

static void *serve(void *arg) {
  struct resolver *r = arg;
  pthread_mutex_lock(&r->lock);
  while (!r->closed) {
    struct list *node = list_shift(&r->queue);
    if (!node) {
      r->idle++;
      pthread_cond_wait(&r->work, &r->lock);
      r->idle--;
      continue;
    }
    struct resolver_job *job = list_entry(node, struct resolver_job, link);
    r->waiting--;
    job->taken = true;
    pthread_mutex_unlock(&r->lock);
    int status = resolve_now(&job->q, RESOLVE_ALL);
    pthread_mutex_lock(&r->lock);
    deliver(r, job, status);
  }
  bool last = --r->threads == 0;
  pthread_mutex_unlock(&r->lock);
  if (last) destroy(r);
  return NULL;
}

/* Starts a thread that no signal interrupts: those are the main thread's. */
static int start_thread(struct resolver *r) {
  sigset_t all, before;
  pthread_attr_t attr;
  pthread_t thread;
  sigfillset(&all);
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread, &attr, serve, r);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  /* pthread_create(3) says EAGAIN, which would mean here that an event is to come. */
  return error == EAGAIN ? status_from_eai(EAI_AGAIN) : -error;
}

/* --- the owner's side ------------------------------------------------------------------- */

static struct resolver_job *new_job(const struct net_lookup *q, int fd) {
  struct resolver_job *job = calloc(1, sizeof *job);
  if (!job) return NULL;
  list_init(&job->link);
  job->q = *q;
  job->q.addrs = NULL;
  job->q.count = 0;
  job->fd = fd;
  if (q->host) job->q.host = strncpy(job->host, q->host, sizeof job->host - 1);
  if (q->service)
    job->q.service = strncpy(job->service, q->service, sizeof job->service - 1);
  if (q->of) {
    job->of = *q->of;
    job->q.of = &job->of;
  }
  return job;
}

struct resolver_job *resolver_ask(struct resolver *r, const struct net_lookup *q, int fd,
                                  int *status) {
  struct resolver_job *job = new_job(q, fd);
  *status = -ENOMEM;
  if (!job) return NULL;
  pthread_mutex_lock(&r->lock);
  *status = 0;
  /* One that was woken counts as idle until it runs: the queue is its. */
  if (r->idle <= r->waiting && r->threads < RESOLVER_THREADS) {
    *status = start_thread(r);
    if (*status == 0) r->threads++;
  }
  bool served = r->threads > 0; /* without a new thread an old one will come to it */
  if (served) {
    list_append(&r->queue, &job->link);
    r->waiting++;
    pthread_cond_signal(&r->work);
    *status = 0;
  }
  pthread_mutex_unlock(&r->lock);
  if (served) return job;
  free_job(job);
  return NULL;
}

bool resolver_is_busy(struct resolver *r) {
  pthread_mutex_lock(&r->lock);
  bool busy = r->idle <= r->waiting && r->threads >= RESOLVER_THREADS;
  pthread_mutex_unlock(&r->lock);
  return busy;
}

int resolver_answer(struct resolver *r, struct resolver_job *job, struct net_lookup *q) {
  pthread_mutex_lock(&r->lock);
  bool done = job->done;
  if (done) list_remove(&job->link);
  pthread_mutex_unlock(&r->lock);
  if (!done) return -EAGAIN;
  q->addrs = job->q.addrs;
  q->count = job->q.count;
  memcpy(q->name, job->q.name, sizeof q->name);
  memcpy(q->port_name, job->q.port_name, sizeof q->port_name);
  job->q.addrs = NULL;
  int status = job->status;
  free_job(job);
  return status;
}

void resolver_drop(struct resolver *r, struct resolver_job *job) {
  pthread_mutex_lock(&r->lock);
  bool running = job->taken && !job->done;
  job->fd = -1;
  if (!running) list_remove(&job->link);
  if (!job->taken) r->waiting--;
  pthread_mutex_unlock(&r->lock);
  if (!running) free_job(job);
}

void resolver_free(struct resolver *r) {
  if (!r) return;
  pthread_mutex_lock(&r->lock);
  struct list *node;
  while ((node = list_shift(&r->queue)) || (node = list_shift(&r->answered)))
    free_job(list_entry(node, struct resolver_job, link));
  r->closed = true;
  bool alone = r->threads == 0;
  pthread_cond_broadcast(&r->work);
  pthread_mutex_unlock(&r->lock);
  if (alone) destroy(r);
}
