-- What every state begins with. A name whose work is done by a part of the library loads
-- that part when a script first calls it, so that a script pays for what it uses. The library
-- has globals of its own (api/loader.c); _G has the script's.

local early = ... -- see api/core.h

-- What parts need of Lua's, and what stands for standard input.
local own = {
  input = io.input,
  lines = io.lines,
  type = io.type,
  stdin = setmetatable({}, { __tostring = function() return "file (standard input)" end }),
}

-- For a tail call with what pcall gave: an error names the line of the script, and the
-- function as the script called it.
function own.outward(name, ok, ...)
  if ok then return ... end
  local err = ...
  error(type(err) == "string" and err:gsub("'%?'", "'" .. name .. "'", 1) or err, 2)
end

local core -- net.core, once a part was loaded
local parts = {}

local function part(name)
  if not parts[name] then
    core = core or own.open_core()
    parts[name] = early.chunk(name)(core, own)
  end
  return parts[name]
end

function own.open_core()
  local opened = early.core()
  opened.method("makefile", function(...) return part("net.makefile").makefile(...) end)
  return opened
end

own.part = part

-- Puts a function at `key` that stands for the one of that name in a part of the library.
-- It goes on by a tail call, so that errors name the line of the script.
local function lazy(name, place, key)
  local function stub(...)
    local f = part(name)[key]
    if rawget(place, key) == stub then place[key] = f end
    return f(...)
  end
  place[key] = stub
end

for _, globals in ipairs { _G, _ENV } do lazy("net.require", globals, "require") end
for i = 1, 6 do lazy("net.require", package.searchers, i) end

function _G.dofile(path)
  local chunk, err = loadfile(path)
  if not chunk then error(err, 2) end
  return chunk()
end

-- Standard input.

for _, key in ipairs { "input", "lines", "read", "type" } do lazy("net.stdin", io, key) end

io.stdin = own.stdin
lazy("net.stdin", getmetatable(own.stdin), "__index")

-- What was sent must be on its way before the process blocks or ends.

local function preceded(before, name, f)
  return function(...)
    local ok, err = pcall(before, ...) -- it may refuse what f would refuse
    if not ok then return own.outward(name, ok, err) end
    return own.outward(name, pcall(f, ...))
  end
end

os.execute = preceded(early.flush, "execute", os.execute)
io.popen = preceded(early.flush, "popen", io.popen)
os.exit = preceded(early.drain, "exit", os.exit)
