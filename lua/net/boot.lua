-- What every state begins with: a require and a dofile that can wait, then standard input
-- and sockets that look like files.

local core = ...

-- The library's own module is not in package.loaded: Lua names functions in its messages by
-- what it finds there, and they are to read "net.sleep".
local internal = { ["net.core"] = core }

-- As Lua's own require, but in Lua, so that a module may wait while it loads. A second task
-- that asks meanwhile waits for the first.

local loading = {} -- name -> the task that loads it; false: before any task
local awaited = {} -- task -> the name that it waits for

local function load_file(name, path)
  local chunk, err = loadfile(path)
  if chunk then return chunk end
  error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, err), 0)
end

local function c_function(name, path)
  local open = "luaopen_" .. name:gsub("^.*%-", ""):gsub("%.", "_")
  return package.loadlib(path, open)
end

-- Each gives a loader and its argument, or nil and where it looked.
local searchers = {
  function(name)
    local loader = package.preload[name]
    if loader then return loader, ":preload:" end
    return nil, "no field package.preload['" .. name .. "']"
  end,
  function(name)
    if package.overrides == "" then return nil end
    local path, looked = package.searchpath(name, package.overrides)
    if path then return load_file(name, path), path end
    return nil, looked
  end,
  function(name)
    local loader = package.embedded(name)
    if loader then return loader, ":embedded:" end
    return nil, "no embedded module '" .. name .. "'"
  end,
  function(name)
    local path, looked = package.searchpath(name, package.path)
    if path then return load_file(name, path), path end
    return nil, looked
  end,
  function(name)
    local path, looked = package.searchpath(name, package.cpath)
    if not path then return nil, looked end
    return assert(c_function(name, path)), path
  end,
  function(name) -- a library of several modules: a.b in a.so
    local root = name:match("^([^.]*)%.")
    if not root then return nil end
    local path, looked = package.searchpath(root, package.cpath)
    if not path then return nil, looked end
    local loader = c_function(name, path)
    if loader then return loader, path end
    return nil, "no module '" .. name .. "' in file '" .. path .. "'"
  end,
}

package.searchers = searchers

local function find(name)
  local looked = {}
  for _, search in ipairs(package.searchers) do
    local loader, where = search(name)
    if type(loader) == "function" then return loader, where end
    looked[#looked + 1] = where
  end
  error("module '" .. name .. "' not found:\n\t" .. table.concat(looked, "\n\t"), 3)
end

local function load_module(name)
  local loader, where = find(name)
  loading[name] = core.running()
  local _ <close> = setmetatable({}, { __close = function() loading[name] = nil end })
  local value = loader(name, where)
  if value ~= nil then package.loaded[name] = value end
  if package.loaded[name] == nil then package.loaded[name] = true end
  return package.loaded[name], where
end

-- Raises when `name` is being loaded by this task, or by one that waits for this task.
local function check_loop(name, me)
  local task = loading[name]
  while task and task ~= me do task = loading[awaited[task]] end
  if task then error("loop while loading module '" .. name .. "'", 3) end
end

-- Waits until another task has loaded the module. This is rare: looking again is enough.
local function await(name, me)
  local _ <close> = setmetatable({}, { __close = function() awaited[me] = nil end })
  awaited[me] = name
  while loading[name] do core.sleep(0.001) end
end

function require(name)
  if type(name) ~= "string" then
    error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2)
  end
  local me = core.running() or false
  if loading[name] then
    check_loop(name, me)
    await(name, me)
  end
  local value = internal[name] or package.loaded[name]
  if value then return value end
  return load_module(name)
end

function dofile(path)
  return assert(loadfile(path))()
end

-- What was sent must be on its way before the process blocks or ends.

local function preceded(before, f)
  return function(...)
    before()
    return f(...)
  end
end

os.execute = preceded(core.flush, os.execute)
io.popen = preceded(core.flush, io.popen)
os.exit = preceded(core.drain, os.exit)

core.method("makefile", require("net.makefile").makefile)
require "net.stdin"
