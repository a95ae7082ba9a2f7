-- The prompt: reads a line, runs it, prints what it gives. An expression needs no
-- `return`; an unfinished statement goes on in the next line.

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

local function show(ok, ...)
  if not ok then
    local err = ...
    io.stderr:write(tostring(err), "\n")
    local hint = type(err) == "table" and err.hint
    if hint then io.stderr:write("  hint: ", hint, "\n") end
  elseif select("#", ...) > 0 then
    print(...)
  end
end

return function()
  net = require "net" -- luacheck: globals net
  print(_VERSION .. ", soquete; `net` is loaded; end with Ctrl-D")
  for chunk in read_statement do
    show(xpcall(chunk, function(err)
      return type(err) == "string" and debug.traceback(err, 2) or err
    end))
  end
  print()
end
