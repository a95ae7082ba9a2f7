/* The lines of /etc/hosts (hosts(5)), as pairs of a name and its address. Reading a file of
 * this machine may sleep for the disk, never for the network. */
#ifndef NET_HOSTS_H
#define NET_HOSTS_H

#include <stdbool.h>
#include <stdio.h>

struct hosts {
  FILE *file;      /* owned; NULL: there is none */
  char *address;   /* borrowed from the line; NULL: it has none */
  char *rest;      /* of the line */
  char line[4096]; /* what of a line is longer is not seen */
};

void hosts_open(struct hosts *h);

/* The next name and its address, texts that live until the next call; false at the end of
 * the file. */
bool hosts_next(struct hosts *h, const char **address, const char **name);

/* The next address of `host`, whose case does not matter; false when there is no other. */
bool hosts_find(struct hosts *h, const char *host, const char **address);

void hosts_close(struct hosts *h);

#endif
