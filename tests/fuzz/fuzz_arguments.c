/* Fuzz target: the argument checks of the bindings. The input chooses functions, methods
 * and arguments; each call runs under a protected call in a task with a deadline. Nothing
 * may crash, hang or leave a handle behind. */
#include <assert.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "api/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char script[] =
    "local input = ...\n"
    "local net = require 'net'\n"
    "local core = require 'net.core'\n"
    "local at = 0\n"
    "local function byte() at = at + 1 return input:byte(at) or 0 end\n"
    "local s <close> = net.socket()\n"
    "local u <close> = net.udp('127.0.0.1:0')\n"
    "local l <close> = net.listen('127.0.0.1:0')\n"
    "local c <close> = net.connect(l:getsockname())\n"
    "for _, x in ipairs { s, u, l, c } do x:settimeout(0) end\n"
    "local values = { nil, true, false, 0, -1, 1, 2^31, 2^53 + 1, math.mininteger,\n"
    "  math.maxinteger, 0/0, 1/0, -1/0, 1.5, '', 'x', '127.0.0.1:0', ':1', 'unix:@f',\n"
    "  '[::1]:1', '12', ('y'):rep(300), '\\0', {}, { 'a', 1 }, { {} }, { max = 1 },\n"
    "  { max = -1 }, print, s, u, l, c, net.address('127.0.0.1:1'), 'l', 'a', 'L',\n"
    "  'SO_REUSEADDR', 'SO_LINGER', 'TCP_CONGESTION', net.AF_INET6, coroutine.create(print) }\n"
    "local count = 42\n"
    "local skip = { spawn = true, sleep = true, stdin = true, on_signal = true, join_set = true,\n"
    "  group = true, race = true, all = true, deadline = true, drain = true, resolve = true,\n"
    "  getaddrinfo = true, gethostbyname = true, getnameinfo = true, connect = true }\n"
    "local names, methods = {}, {}\n"
    "for name, f in pairs(core) do\n"
    "  if type(f) == 'function' and not skip[name] then names[#names + 1] = name end end\n"
    "for name in pairs(debug.getmetatable(s).__index) do methods[#methods + 1] = name end\n"
    "table.sort(names) table.sort(methods)\n"
    "local function argument() return values[byte() % count + 1] end\n"
    "while at < #input do\n"
    "  local f, self\n"
    "  if byte() % 4 == 0 then\n"
    "    f = core[names[byte() % #names + 1]]\n"
    "    net.deadline(0.01, pcall, f, argument(), argument(), argument())\n"
    "  else\n"
    "    self = ({ s, u, l, c })[byte() % 4 + 1]\n"
    "    f = self[methods[byte() % #methods + 1]]\n"
    "    net.deadline(0.01, pcall, f, self, argument(), argument())\n"
    "  end\n"
    "end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int status;
  struct net *net = net_host_epoll(&status);
  assert(net);
  struct runtime *rt = runtime_new(net, NULL);
  assert(rt);
  if (luaL_loadbuffer(rt->L, script, sizeof script - 1, "=fuzz") != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(rt->L, -1));
    assert(!"the script does not load");
  }
  lua_pushlstring(rt->L, (const char *)data, size);
  status = runtime_run(rt, 1);
  assert(status == 0);
  struct leftovers left = runtime_leftovers(rt);
  assert(left.tasks == 0);
  runtime_free(rt);
  return 0;
}
