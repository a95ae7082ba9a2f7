/* /etc/hosts, word by word. */
#include "net/hosts.h"

#include <netdb.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t\r\n";

void hosts_open(struct hosts *h) {
  h->file = fopen(_PATH_HOSTS, "re");
  h->address = h->rest = NULL;
}

static bool next_line(struct hosts *h) {
  if (!h->file || !fgets(h->line, sizeof h->line, h->file)) return false;
  if (!strchr(h->line, '\n'))
    for (int c = 0; c != '\n' && c != EOF;) c = getc(h->file);
  h->line[strcspn(h->line, "#")] = '\0';
  h->address = strtok_r(h->line, blanks, &h->rest);
  return true;
}

bool hosts_next(struct hosts *h, const char **address, const char **name) {
  while (!h->address || !(*name = strtok_r(NULL, blanks, &h->rest)))
    if (!next_line(h)) return false;
  *address = h->address;
  return true;
}

bool hosts_find(struct hosts *h, const char *host, const char **address) {
  const char *name;
  while (hosts_next(h, address, &name))
    if (strcasecmp(name, host) == 0) return true;
  return false;
}

void hosts_close(struct hosts *h) {
  if (h->file) fclose(h->file);
}
