/* A program of the build: compiles the modules of lua/ with the very Lua that is linked, and
 * writes them as the table of api/embedded.h: embed lua/net.lua lua/net/boot.lua ... >out.c
 * They lie in this order. Lines and names are kept for messages. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 256 * 1024 }; /* the longest module, in bytes */

/* "lua/net/boot.lua" -> "net.boot"; the caller frees it. */
static char *module_name(const char *path) {
  static const char folder[] = "lua/", ending[] = ".lua";
  size_t len = strlen(path), cut = sizeof folder - 1 + sizeof ending - 1;
  if (len <= cut || strncmp(path, folder, sizeof folder - 1) != 0) return NULL;
  char *name = strndup(path + sizeof folder - 1, len - cut);
  for (char *p = name; p && *p; p++)
    if (*p == '/') *p = '.';
  return name;
}

/* lua_Writer: bytes as signed numbers, because a plain char is signed where we run. */
static int write_bytes(lua_State *L, const void *bytes, size_t len, void *count) {
  (void)L;
  for (size_t i = 0; i < len; i++)
    printf("%d,%s", ((const signed char *)bytes)[i], ++*(size_t *)count % 20 ? "" : "\n");
  return 0;
}

/* Pushes the compiled module. */
static int compile(lua_State *L, const char *path, const char *name) {
  FILE *f = fopen(path, "rb");
  char text[TEXT_MAX];
  size_t len = f ? fread(text, 1, sizeof text, f) : 0;
  if (!f || ferror(f) || len == sizeof text) {
    fprintf(stderr, "embed: %s cannot be read, or is longer than %d bytes\n", path,
            TEXT_MAX);
    return -1;
  }
  fclose(f);
  const char *chunk = lua_pushfstring(L, "=[soquete:%s]", name);
  if (luaL_loadbufferx(L, text, len, chunk, "t") == LUA_OK) return 0;
  fprintf(stderr, "embed: %s: %s\n", path, lua_tostring(L, -1));
  return -1;
}

/* Writes the bytes of one module, and notes how many they are. */
static int embed(lua_State *L, const char *path, size_t *size) {
  char *name = module_name(path);
  int status = name ? compile(L, path, name) : -1;
  if (status == 0) {
    printf("\n/* %s */\n", name);
    status = lua_dump(L, write_bytes, size, 0);
  }
  free(name);
  lua_settop(L, 0);
  return status;
}

static void write_table(int count, char *paths[], const size_t sizes[]) {
  size_t at = 0;
  puts("\nconst struct embedded embedded_modules[] = {");
  for (int i = 0; i < count; at += sizes[i++]) {
    char *name = module_name(paths[i]);
    printf("  {\"%s\", code + %zu, %zu},\n", name, at, sizes[i]);
    free(name);
  }
  puts("  {NULL, NULL, 0},\n};");
}

int main(int argc, char *argv[]) {
  lua_State *L = luaL_newstate();
  if (!L) return EXIT_FAILURE;
  puts("#include \"api/embedded.h\"\nstatic const char code[] = {");
  size_t *sizes = calloc((size_t)argc, sizeof *sizes);
  for (int i = 1; i < argc; i++)
    if (!sizes || embed(L, argv[i], &sizes[i - 1]) != 0) return EXIT_FAILURE;
  puts("};");
  write_table(argc - 1, argv + 1, sizes);
  free(sizes);
  lua_close(L);
  return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
