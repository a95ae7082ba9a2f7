-- The prompt: reads a line, runs it, prints what it gives. An expression needs no
-- `return`; an unfinished statement goes on in the next line. Each statement, with the
-- reading of it, is a task of its own: at a terminal Ctrl-C ends that one alone.

local core = require "net.core"

local function compile(text)
  local chunk = load("return " .. text, "=prompt")
  if chunk then return chunk end
  return load(text, "=prompt")
end

local function read_statement()
  io.write("> ")
  local text = io.read("L")
  if not text then return nil end
  local chunk, err = compile(text)
  while not chunk and err:find("<eof>", 1, true) do
    io.write(">> ")
    local more = io.read("L")
    if not more then break end
    text = text .. more
    chunk, err = compile(text)
  end
  return chunk or function() error(err, 0) end
end

local function complain(err)
  core.check("prompt") -- an interruption ends the statement
  io.stderr:write(tostring(err), "\n")
  local hint = type(err) == "table" and err.hint
  if hint then io.stderr:write("  hint: ", hint, "\n") end
end

local function show(ok, ...)
  if not ok then
    complain((...))
  elseif select("#", ...) > 0 then
    _G.print(...) -- the script's own, as in lua5.4
  end
end

-- False at the end of the input.
local function step()
  local chunk = read_statement()
  if not chunk then return false end
  show(xpcall(chunk, function(err)
    return type(err) == "string" and core.traced(err) or err
  end))
  return true
end

-- What became of a statement: true when another one follows.
local function settle(ok, more, _, code)
  if not ok then complain(more) end -- what it gave could not be printed
  if code ~= "cancelled" then return not ok or more end
  io.stdout:flush()
  io.stderr:write("\ninterrupted\n")
  return true
end

return function()
  local loaded = require "net"
  _G.net = loaded
  print(_VERSION .. ", soquete; `net` is loaded; end with Ctrl-D")
  repeat
    local task = loaded.spawn(step)
    if core.terminal(0) then core.prompts(task) end
  until not settle(pcall(task.join, task))
  core.prompts()
  print()
end
