/* Watched folders: what is told of which change. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/file.h"
#include "net/watch.h"

static char folder[] = "/tmp/soquete-watch-XXXXXX";
static int root = -1;

/* What has been told: "path;" for each, as far as there is room; and whether changes were
 * lost. */
static char told[8192];
static bool lost;

static void note(struct watch *w, int of, const char *path) {
  (void)w;
  if (of >= 0) assert_int_equal(of, root);
  if (of < 0) lost = true;
  size_t len = strlen(told);
  snprintf(told + len, sizeof told - len, "%s;", path);
}

static void write_file(const char *path) {
  int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "x", 1), 1);
  close(fd);
}

static int make_folder(void **state) {
  static struct watch w;
  char made[] = "/tmp/soquete-watch-XXXXXX";
  if (!mkdtemp(made)) return -1;
  memcpy(folder, made, sizeof made);
  root = file_open_root(folder);
  if (root < 0 || mkdirat(root, "a", 0700) < 0 || mkdirat(root, "a/b", 0700) < 0)
    return -1;
  write_file("a/b/file");
  *told = 0;
  lost = false;
  *state = &w;
  if (watch_open(&w, note) < 0) return -1;
  int r = watch_file(&w, root, "a/b/file");
  assert_int_equal(r, 1);
  return 0;
}

static int remove_folder(void **state) {
  char command[64];
  watch_close(*state);
  watch_close(*state);
  file_close(root);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static const char *changes(void **state) {
  *told = 0;
  watch_take(*state);
  return told;
}

static void assert_told(void **state, const char *path) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, ";%s;", path);
  char all[sizeof told + 1] = ";";
  strcat(all, changes(state));
  if (!strstr(all, wanted)) fail_msg("%s is not among %s", path, all);
}

static void nothing_is_told_when_nothing_has_changed(void **state) {
  assert_string_equal(changes(state), "");
}

static void folders_are_added_once(void **state) {
  struct watch *w = *state;
  assert_int_equal(w->count, 3); /* the root, a, a/b */
  assert_int_equal(watch_file(w, root, "a/b/other"), 0);
  assert_int_equal(watch_file(w, root, "a/other"), 0);
  assert_int_equal(w->count, 3);
}

static void a_written_file_is_told_by_its_path(void **state) {
  write_file("a/b/file");
  assert_told(state, "a/b/file");
  assert_string_equal(changes(state), "");
}

static void each_kind_of_change_is_told(void **state) {
  assert_int_equal(fchmodat(root, "a/b/file", 0400, 0), 0);
  assert_told(state, "a/b/file");
  write_file("new");
  assert_told(state, "new");
  assert_int_equal(renameat(root, "new", root, "a/b/file"), 0);
  assert_told(state, "a/b/file");
  assert_int_equal(unlinkat(root, "a/b/file", 0), 0);
  assert_told(state, "a/b/file");
  assert_int_equal(symlinkat("/etc/passwd", root, "a/b/file"), 0);
  assert_told(state, "a/b/file");
  assert_int_equal(fchmodat(root, "a/b", 0500, 0), 0);
  assert_told(state, "a/b");
}

static void a_moved_folder_and_those_below_are_watched_no_longer(void **state) {
  struct watch *w = *state;
  assert_int_equal(renameat(root, "a", root, "gone"), 0);
  assert_told(state, "a");
  assert_int_equal(w->count, 1); /* the root */
  write_file("gone/b/file");
  changes(state); /* what the kernel had queued before the watch ended */
  write_file("gone/b/file");
  assert_string_equal(changes(state), "");
}

static void a_folder_in_the_place_of_another_is_watched_anew(void **state) {
  assert_int_equal(renameat(root, "a", root, "gone"), 0);
  assert_int_equal(mkdirat(root, "a", 0700), 0);
  assert_int_equal(mkdirat(root, "a/b", 0700), 0);
  changes(state);
  assert_int_equal(watch_file(*state, root, "a/b/file"), 1);
  write_file("a/b/file");
  assert_told(state, "a/b/file");
}

static void a_removed_folder_is_watched_no_longer(void **state) {
  struct watch *w = *state;
  char command[64];
  snprintf(command, sizeof command, "rm -r %s/a", folder);
  assert_int_equal(system(command), 0);
  assert_told(state, "a/b/file");
  assert_int_equal(w->count, 1); /* the root */
}

static void a_link_in_the_path_is_refused(void **state) {
  assert_int_equal(symlinkat("a", root, "link"), 0);
  assert_int_equal(watch_file(*state, root, "link/b/file"), -ELOOP);
}

static void changes_that_the_kernel_lost_are_everything(void **state) {
  FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
  long most = 0;
  if (!f || fscanf(f, "%ld", &most) != 1 || most > 100000) skip();
  fclose(f);
  for (long i = 0; i <= most; i++) /* by turns: equal ones in a row are one */
    assert_int_equal(fchmodat(root, i % 2 ? "a/b" : "a/b/file", 0700, 0), 0);
  watch_take(*state);
  assert_true(lost);
  assert_int_equal(((struct watch *)*state)->count, 0);
}

static void a_closed_watch_adds_nothing(void **state) {
  watch_close(*state);
  assert_int_equal(watch_file(*state, root, "a/b/file"), -EBADF);
}

static void folders_have_a_limit(void **state) {
  char name[32];
  int r = 0;
  for (int i = 0; i <= WATCH_DIRS_MAX && r >= 0; i++) {
    snprintf(name, sizeof name, "d%d", i);
    assert_int_equal(mkdirat(root, name, 0700), 0);
    strcat(name, "/file");
    r = watch_file(*state, root, name);
  }
  assert_int_equal(r, -ENOSPC);
}

static void openat2_is_missing_here(void **state) {
  (void)state;
  skip();
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
  const struct CMUnitTest tests[] = {
      TEST(nothing_is_told_when_nothing_has_changed),
      TEST(folders_are_added_once),
      TEST(a_written_file_is_told_by_its_path),
      TEST(each_kind_of_change_is_told),
      TEST(a_moved_folder_and_those_below_are_watched_no_longer),
      TEST(a_folder_in_the_place_of_another_is_watched_anew),
      TEST(a_removed_folder_is_watched_no_longer),
      TEST(a_link_in_the_path_is_refused),
      TEST(changes_that_the_kernel_lost_are_everything),
      TEST(a_closed_watch_adds_nothing),
      TEST(folders_have_a_limit),
  };
  const struct CMUnitTest none[] = {cmocka_unit_test(openat2_is_missing_here)};
  struct file_id id; /* valgrind and some sandboxes do not know the system call */
  if (file_look(AT_FDCWD, ".", &id) == -ENOSYS)
    return cmocka_run_group_tests(none, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
