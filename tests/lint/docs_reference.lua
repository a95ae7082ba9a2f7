-- The tests of the reference: docs_reference.lua WORK_FOLDER, run by tests/lint/docs.sh.
--
-- Every function, method, field, constant, option and code has a stub, every stub has its
-- function, docs/api is what docs/generate.lua writes, the page of the architecture names
-- every file, every chapter leads to the next one, and every picture can be read without
-- seeing it.

local net = require "net"
local tally = require "docs_tally"

local check, read, run, list, lines_of =
  tally.check, tally.read, tally.run, tally.list, tally.lines_of
local work = arg[1]

local stubs = {} -- name -> { place, args, text, value }

local function read_stubs()
  for _, path in ipairs(list("ls docs/stubs/*.lua")) do
    local text = {}
    for number, line in ipairs(lines_of(read(path))) do
      local name, args = line:match("^function ([%w_.:]+)(%b())")
      local value
      if not name then name, value = line:match("^([%w_.]+%.[%w_]+) = (.*)$") end
      if name then
        stubs[name] = {
          place = path .. ":" .. number,
          args = args,
          value = value,
          text = table.concat(text, "\n"),
        }
      end
      if line:find("^%-%-%-") then text[#text + 1] = line else text = {} end
    end
  end
end

-- The names of a C table "static const luaL_Reg NAME[] = { {"x", ...}, ... }".
local function registered(path, name)
  local body = read(path):match("luaL_Reg " .. name .. "%[%] = {(.-)\n};")
  local names = {}
  for word in body:gmatch('{"([%w_]+)"') do names[#names + 1] = word end
  return names
end

-- The globals that the runtime replaces or adds, from the files that do it.
local function changed_globals()
  local names = {}
  local function add(prefix, words)
    for _, word in ipairs(words) do names[prefix .. word] = true end
  end
  local function grep(path, pattern)
    local words = {}
    for word in read(path):gmatch(pattern) do words[#words + 1] = word end
    return words
  end
  add("", registered("src/api/protect.c", "functions"))
  add("coroutine.", registered("src/api/coro.c", "functions"))
  add("utf8.", registered("src/api/text.c", "functions"))
  add("", grep("src/api/loader.c", 'replace_global%(L, "(%w+)"'))
  add("package.", { "embedded", "overrides", "searchers" })
  add("", grep("lua/net/boot.lua", "\nfunction _G%.(%w+)%("))
  add("", grep("lua/net/boot.lua", "\n([%w.]+) = preceded%("))
  add("", grep("lua/net/require.lua", "\nfunction M%.(%l+)%("))
  add("io.", grep("lua/net/stdin.lua", "\nfunction M%.(%l+)%("))
  return names
end

-- The names of net.http and of its classes.
local function add_http_names(names)
  local core = require "net.http.core"
  require "net.http.request"
  require "net.http.response"
  local function add(prefix, methods)
    for name, value in pairs(methods) do
      if type(value) == "function" and not name:find("^__") then names[prefix .. name] = true end
    end
  end
  local function grep(prefix, path, class)
    for name in read(path):gmatch("\nfunction " .. class .. ":(%w+)") do
      names[prefix .. name] = true
    end
  end
  add("http.", require "net.http")
  add("request:", core.message)
  add("response:", core.reply)
  for _, name in ipairs(registered("src/api/http_fields.c", "header_methods")) do
    names["headers:" .. name] = true
  end
  grep("server:", "lua/net/http/server.lua", "Server")
  grep("part:", "lua/net/http/multipart.lua", "Part")
  grep("events:", "lua/net/http/response.lua", "Events")
  grep("answer:", "lua/net/http/answer.lua", "Answer")
end

local function live_names()
  local names = changed_globals()
  local function add_methods(prefix, object)
    local meta = debug.getmetatable(object)
    for name in pairs(meta.methods or meta.__index) do
      if not name:find("^__") then names[prefix .. name] = true end
    end
  end
  local s <close> = assert(net.socket())
  for name in pairs(net) do names["net." .. name] = true end
  add_methods("socket:", s)
  add_methods("view:", s:makefile())
  add_methods("buffer:", net.buffer(1))
  local file <close> = assert(net.open("docs", "architecture.md"))
  add_methods("file:", file)
  add_methods("task:", net.spawn(function() end))
  add_methods("channel:", net.channel())
  net.group(function(g) add_methods("group:", g) end)
  add_http_names(names)
  for name in pairs(require "net.throughput") do names["throughput." .. name] = true end
  return names
end

local function check_stubs()
  read_stubs()
  local live = live_names()
  for name in pairs(live) do check("docs/stubs", stubs[name], name .. " has no stub") end
  for name, stub in pairs(stubs) do
    check(stub.place, live[name], "there is no " .. name)
    if stub.args then
      check(stub.place, stub.text:find("```lua", 1, true), name .. " has no example")
      for arg_name in stub.args:gmatch("[%w_.]+") do
        local tag = "@param " .. arg_name:gsub("%.", "%%.") .. "[ ?]"
        check(stub.place, stub.text:find(tag), name .. " does not tell of " .. arg_name)
      end
    elseif name:find("^net%.") then
      local value = net[name:sub(5)]
      check(stub.place, value == tonumber(stub.value), name .. " is " .. tostring(value))
    end
  end
end

local function fields(path)
  local names = {}
  for name in read(path):gmatch("@field ([%w_]+)") do names[name] = true end
  return names
end

local function check_fields()
  local known = fields("docs/stubs/address.lua")
  local _, message = pcall(function() return net.address("127.0.0.1:1").none end)
  for name in message:match("it has (.*)$"):gmatch("%w+") do
    check("docs/stubs/address.lua", known[name], "no field " .. name)
    known[name] = nil
  end
  local rest = next(known)
  check("docs/stubs/address.lua", not rest, "no such field: " .. tostring(rest))
end

-- One error of each shape: a set-up, a wait, a read, a send, a relay, and a hint that was
-- read.
local function failures()
  local found = {}
  local function keep(_, err) found[#found + 1] = err end
  local server <close> = assert(net.listen("127.0.0.1:0"))
  server:settimeout(0)
  keep(server:accept())
  keep(net.listen(server:getsockname()))
  local client <close> = assert(net.connect(server:getsockname()))
  client:settimeout(0)
  keep(client:recv())
  keep(client:send(("x"):rep(50000000)))
  local a <close> = assert(net.connect(server:getsockname()))
  local b <close> = assert(net.connect(server:getsockname()))
  keep(net.relay(a, b, { idle = 0 }))
  keep(client:discard())
  assert(found[2].hint)
  keep(require "net.http".get("none"))
  keep(require "net.http.core".invalid("body", "longer than its limit", 413))
  local babbler <close> = assert(net.listen("127.0.0.1:0"))
  net.spawn(function() assert(babbler:accept()):send("no head\r\n\r\n") end)
  keep(require "net.http".get("http://" .. babbler:getsockname() .. "/"))
  local datagrams <close> = assert(net.udp())
  keep(datagrams:send_many { "to nobody" })
  return found
end

local function check_errors()
  local known, seen = fields("docs/stubs/error.lua"), {}
  for _, err in ipairs(failures()) do
    for name in pairs(err) do seen[name] = true end
  end
  local place = "docs/stubs/error.lua"
  for name in pairs(seen) do check(place, known[name], "no field " .. name) end
  for name in pairs(known) do check(place, seen[name], "no such field: " .. name) end
  local page = read("docs/api/error.md")
  for name in read("src/base/status.c"):gmatch('{STATUS_%u+, +"(%w+)"') do
    check(place, page:find("`" .. name .. "`", 1, true), "no code " .. name)
  end
end

-- Rows that the generator did not understand would be missing in silence.
local function check_tables()
  local _, rows = read("src/net/option.c"):gsub("\n%s*ROW%(", "")
  local s <close> = assert(net.socket())
  local told = 0
  for name in read("docs/stubs/options.lua"):gmatch('\n%-%-%-| "([%w_]+)"') do
    told = told + 1
    local _, message = pcall(s.getsockopt, s, name)
    local unknown = tostring(message):find("no socket option", 1, true)
    check("docs/stubs/options.lua", not unknown, "no option " .. name)
  end
  check("docs/stubs/options.lua", told == rows, ("%d options of %d"):format(told, rows))
  local hint_rows = read("src/api/hint.c"):match("hints%[%] = {(.-)\n};")
  local _, hints = hint_rows:gsub('\n%s*{"', "")
  local _, shown = read("docs/api/error.md"):match("\n## Hints(.*)"):gsub("\n| `", "")
  check("docs/api/error.md", hints == shown, ("%d hints of %d"):format(shown, hints))
end

local function check_generated()
  local fresh = work .. "/fresh"
  run("mkdir -p " .. fresh .. "/api " .. fresh .. "/stubs")
  local said, status = run("soquete docs/generate.lua " .. fresh)
  check("docs/generate.lua", status == 0, said)
  local differs = run("diff -r docs/api " .. fresh .. "/api; " ..
    "diff docs/stubs/options.lua " .. fresh .. "/stubs/options.lua")
  check("docs/api", differs == "", "it is stale, run make docs:\n" .. differs)
end

-- No type of a parameter or a result is cut: it closes each bracket that it opens.
local function check_types()
  for _, path in ipairs(list("ls docs/api/*.md")) do
    for _, line in ipairs(lines_of(read(path))) do
      local kind = line:match("^%- %*%*[^*]*%*%* %(`([^`]*)`%)")
      local whole = not kind or not kind:gsub("%b{}", ""):gsub("%b()", ""):find("[{}()]")
      check(path, whole, "a type is cut: " .. line)
    end
  end
end

-- The page of the architecture names each source file.
local function check_files()
  local text, named = read("docs/architecture.md"), {}
  for name in text:gmatch("\n| `(%l+/[%w_/.]+)` |") do named[name] = true end
  for _, path in ipairs(list("find src lua -type f")) do
    local stem = path:gsub("%.[ch]$", "")
    local row = "| `" .. stem .. "` |"
    check("docs/architecture.md", text:find(row, 1, true), "it lacks " .. path)
    named[stem] = nil
  end
  check("docs/architecture.md", not next(named), "there is no " .. tostring(next(named)))
end

-- A picture tells its story to those who cannot see it, and needs no colour.
local function check_picture(path)
  local text = read(path)
  local told = text:find("<title[^>]*>[^<]+</title>") and
    text:find("<desc[^>]*>[^<]+</desc>") and text:find('role="img"', 1, true)
  check(path, told, "it has no title, description or role")
end

-- A chapter's last link is the next chapter, the last one's the index.
local function check_chapters(folder)
  local paths = list("ls " .. folder .. "/[0-9]*.md")
  for i, path in ipairs(paths) do
    local next_page = (paths[i + 1] or "README.md"):match("[^/]*$")
    local last = read(path):match(".*%]%(([^)]*)%)%.\n$")
    check(path, last == next_page, "its last words do not lead to " .. next_page)
  end
end

check_files()
check_chapters("docs/guide")
check_chapters("docs/pt-BR")
check_stubs()
check_fields()
check_errors()
check_tables()
check_generated()
check_types()
for _, path in ipairs(list("find docs -name '*.svg' | sort")) do check_picture(path) end
tally.finish()
