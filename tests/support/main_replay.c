/* Runs a fuzz target without a fuzzer: feeds it every file of the folders that are named.
 * Ends with the line "N inputs"; an input that fails ends the process, so that the last
 * file that was named is the one. */
#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes lie at the end of their allocation: a sanitizer sees a read beyond them. */
static void feed(const char *path) {
  FILE *f = fopen(path, "rb");
  assert(f);
  fseek(f, 0, SEEK_END);
  long size = ftell(f);
  rewind(f);
  uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
  assert(size >= 0 && bytes && fread(bytes, 1, (size_t)size, f) == (size_t)size);
  fclose(f);
  fprintf(stderr, "%s\n", path);
  LLVMFuzzerTestOneInput(bytes, (size_t)size);
  free(bytes);
}

static int feed_folder(const char *folder) {
  struct dirent **names;
  int count = scandir(folder, &names, NULL, alphasort), fed = 0;
  for (int i = 0; i < count; i++) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
    if (names[i]->d_name[0] != '.') {
      feed(path);
      fed++;
    }
    free(names[i]);
  }
  if (count >= 0) free(names);
  return fed;
}

int main(int argc, char *argv[]) {
  int count = 0;
  for (int i = 1; i < argc; i++) count += feed_folder(argv[i]);
  printf("%d inputs\n", count);
  return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
