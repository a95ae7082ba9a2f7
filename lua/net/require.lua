-- `require` and its searchers: as Lua's own, but in Lua, so that a module may wait while it
-- loads. A second task that asks meanwhile waits for the first.

local core = ...

-- The library's own module is not in package.loaded: Lua names functions in its messages by
-- what it finds there, and they are to read "net.sleep".
local internal = { ["net.core"] = core }

local loading = {} -- name -> { name, task, over }: who loads it, the condition of its end
local awaited = {} -- task -> the name that it waits for

-- What stands in for a module of the library has the globals of the library.
local function load_file(name, path, ...)
  local chunk, err = loadfile(path, ...)
  if chunk then return chunk end
  error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, err), 0)
end

local function c_function(name, path)
  local open = "luaopen_" .. name:gsub("^.*%-", ""):gsub("%.", "_")
  return package.loadlib(path, open)
end

-- Each gives a loader and its argument, or nil and where it looked.
local M = {
  function(name)
    local loader = package.preload[name]
    if loader then return loader, ":preload:" end
    return nil, "no field package.preload['" .. name .. "']"
  end,
  function(name)
    if package.overrides == "" then return nil end
    local path, looked = package.searchpath(name, package.overrides)
    if not path then return nil, looked end
    if package.embedded(name) then return load_file(name, path, "t", _ENV), path end
    return load_file(name, path), path
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

local function find(name)
  local looked = {}
  for _, search in ipairs(package.searchers) do
    local loader, where = search(name)
    if type(loader) == "function" then return loader, where end
    looked[#looked + 1] = where
  end
  error("module '" .. name .. "' not found:\n\t" .. table.concat(looked, "\n\t"), 3)
end

-- The metatable of what `loading` holds.
local ends = {
  __close = function(load)
    loading[load.name] = nil
    while load.over:wake() do end -- luacheck: ignore 542
  end,
}

local function load_module(name)
  local load <close> = setmetatable({
    name = name,
    task = core.running(),
    over = core.condition(),
  }, ends)
  loading[name] = load
  local loader, where = find(name)
  local value = loader(name, where)
  if value ~= nil then package.loaded[name] = value end
  if package.loaded[name] == nil then package.loaded[name] = true end
  return package.loaded[name], where
end

-- Raises when `name` is being loaded by this task, or by one that waits for this task.
local function check_loop(name, me)
  local load = loading[name]
  while load and load.task ~= me do load = loading[awaited[load.task]] end
  if load then error("loop while loading module '" .. name .. "'", 3) end
end

-- Waits until no other task loads the module. When the first has failed, one of those that
-- waited is the next to load it.
local function await(name, me)
  local _ <close> = setmetatable({}, { __close = function() awaited[me] = nil end })
  awaited[me] = name
  while loading[name] do loading[name].over:wait("require") end
end

function M.require(name)
  if type(name) ~= "string" then
    error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2)
  end
  if loading[name] then
    local me = core.running()
    check_loop(name, me)
    await(name, me)
  end
  local value = internal[name] or package.loaded[name]
  if value then return value end
  return load_module(name)
end

return M
