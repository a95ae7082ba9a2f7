-- Loading: text only, the search paths, a require that waits.

local net = require "net"
local T = require "harness"

-- Writes a module into a folder of its own; gives the folder.
local function folder_with(files)
  local folder = os.tmpname()
  os.remove(folder)
  T.ok(os.execute("mkdir -p " .. folder))
  for name, text in pairs(files) do
    local f <close> = assert(io.open(folder .. "/" .. name, "wb"))
    f:write(text)
  end
  return setmetatable({ path = folder }, {
    __close = function() os.execute("rm -r " .. folder) end,
  })
end

T.test("a_module_may_wait_while_it_loads", function()
  local dir <close> = folder_with {
    ["waits.lua"] = [[
      local net = require "net"
      for _ = 1, 5 do net.yield() end
      count = (count or 0) + 1
      return { name = ..., value = 7 }
    ]],
  }
  package.path = dir.path .. "/?.lua;" .. package.path
  local ticks = 0
  local ticker = net.spawn(function()
    while not package.loaded.waits do
      ticks = ticks + 1
      net.yield()
    end
  end)
  local others = {}
  for i = 1, 3 do others[i] = net.spawn(require, "waits") end
  local module, where = require "waits"
  T.eq(module.value, 7)
  T.eq(module.name, "waits")
  T.ok(where == nil or where == dir.path .. "/waits.lua", where)
  for i = 1, 3 do T.ok(rawequal((others[i]:join()), module)) end
  ticker:join()
  T.ok(ticks > 1)
  T.eq(_G.count, 1)
end)

T.test("require_gives_the_module_and_where_it_was_found", function()
  local dir <close> = folder_with { ["plain.lua"] = "return { ... }" }
  package.path = dir.path .. "/?.lua"
  local module, where = require "plain"
  T.eq(where, dir.path .. "/plain.lua")
  T.eq(module[1], "plain")
  T.eq(module[2], where)
  T.ok(rawequal(require "plain", module))
  T.eq(require "string", string)
end)

T.test("a_module_that_returns_nothing_is_true", function()
  local dir <close> = folder_with {
    ["nothing.lua"] = "",
    ["sets.lua"] = "package.loaded[...] = 'set'",
    ["no.lua"] = "return false",
  }
  package.path = dir.path .. "/?.lua"
  T.eq((require "nothing"), true)
  T.eq((require "sets"), "set")
  T.eq((require "no"), false)
end)

T.test("a_missing_module_is_told_with_every_place_and_the_line", function()
  local err = T.raises("module 'not.there' not found:", function() require "not.there" end)
  T.match(err, "^tests/lua/test_loader.lua:%d+: ")
  T.match(err, "no field package.preload%['not.there'%]")
  T.match(err, "no file '.*/not/there.lua'")
  T.match(err, "no file '.*/not/there.so'")
  T.ok(not err:find("no file ''", 1, true), err)
end)

T.test("an_error_in_a_module_is_told_and_the_next_require_tries_again", function()
  local dir <close> = folder_with {
    ["bad.lua"] = "local net = require 'net' net.yield() tries = (tries or 0) + 1 error('boom')",
    ["syntax.lua"] = "return return",
  }
  package.path = dir.path .. "/?.lua"
  T.raises("bad.lua:1: boom", require, "bad")
  T.raises("bad.lua:1: boom", require, "bad")
  T.eq(_G.tries, 2)
  T.raises("syntax.lua:1:", require, "syntax")
end)

T.test("a_cancelled_require_lets_others_load", function()
  local dir <close> = folder_with {
    ["slow.lua"] = "local net = require 'net' if not go then net.sleep(1000) end return 'loaded'",
  }
  package.path = dir.path .. "/?.lua"
  local first = T.waiting(require, "slow")
  local second = T.waiting(require, "slow")
  _G.go = true
  first:cancel()
  T.fails("cancelled", first:join())
  T.eq((second:join()), "loaded")
end)

T.test("a_task_that_requires_what_another_loads_sleeps_until_it_is_there", { net = "fake" },
  function()
    package.preload.slow = function()
      net.sleep(1000)
      return "loaded"
    end
    local first = T.waiting(require, "slow")
    local second = T.waiting(require, "slow")
    local third = T.waiting(require, "slow")
    T.eq(net.tasks()[3].waits_in, "require")
    second:cancel()
    T.fails("cancelled", second:join())
    T.eq((first:join()), "loaded")
    T.eq((third:join()), "loaded")
  end)

T.test("modules_that_require_each_other_are_told", function()
  local dir <close> = folder_with {
    ["one.lua"] = "return require 'two'",
    ["two.lua"] = "return require 'one'",
  }
  package.path = dir.path .. "/?.lua"
  T.raises("loop while loading module 'one'", require, "one")
end)

T.test("modules_that_require_each_other_in_two_tasks_are_told", function()
  local function both(name, other)
    package.preload[name] = function()
      net.sleep(0.001)
      return require(other)
    end
  end
  both("one", "two")
  both("two", "one")
  local one, two = net.spawn(require, "one"), net.spawn(require, "two")
  local outcome = table.pack(net.deadline(2, function()
    local ok, err = pcall(one.join, one)
    return ok, err, pcall(two.join, two)
  end))
  one:cancel()
  two:cancel()
  T.eq(outcome[1], false)
  T.match(tostring(outcome[2]) .. tostring(outcome[4]), "loop while loading module")
end)

T.test("bytecode_is_refused_everywhere", function()
  local code = string.dump(function() return 1 end)
  local dir <close> = folder_with { ["bytes.lua"] = code }
  package.path = dir.path .. "/?.lua"
  local path = dir.path .. "/bytes.lua"
  for _, mode in ipairs { "b", "bt", "t" } do
    local f, err = load(code, "code", mode)
    T.eq(f, nil)
    T.match(err, mode == "b" and "only text is loaded" or "attempt to load a binary chunk")
    f, err = loadfile(path, mode)
    T.eq(f, nil)
    T.eq(type(err), "string")
  end
  T.eq(load(code), nil)
  T.eq(load(function() local piece = code code = nil return piece end), nil)
  T.raises("binary chunk", dofile, path)
  T.raises("binary chunk", require, "bytes")
end)

T.test("load_of_text_is_luas", function()
  T.eq(load("return ...")(5), 5)
  T.eq(load("return x", "name", "t", { x = 3 })(), 3)
  T.eq(load("return x", "name", nil, { x = 3 })(), 3)
  local f, err = load("return return", "=name")
  T.eq(f, nil)
  T.match(err, "^name:1:")
  local parts, i = { "return ", "4", "2" }, 0
  T.eq(load(function() i = i + 1 return parts[i] end)(), 42)
  T.eq(load("return _ENV", "n", "t", nil)(), nil)
end)

T.test("dofile_may_wait", function()
  local dir <close> = folder_with {
    ["waits.lua"] = "#!/usr/bin/env soquete\nrequire('net').sleep(0.001) return 'a', 'b'",
  }
  local a, b = dofile(dir.path .. "/waits.lua")
  T.eq(a .. b, "ab")
  T.raises("cannot open", dofile, dir.path .. "/nothing.lua")
end)

T.test("c_modules_of_the_distribution_load", function()
  local ok, lfs = pcall(require, "lfs")
  if not ok then T.skip("lua-filesystem is not installed") end
  T.eq(lfs.attributes("/", "mode"), "directory")
end)
