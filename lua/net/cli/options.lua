-- The words behind a command: `--name value`, `--flag`, and what stands by itself.

local quantity = require "net.cli.quantity"

local M = {}

---Ends the program as bad usage does everywhere: status 2, the reason on standard error.
function M.refuse(command, reason)
  local more = command.help and ("`soquete %s --help` lists the options"):format(command.name)
  io.stderr:write("soquete ", command.name, ": ", reason, "\n",
    more or "usage: soquete " .. command.usage, "\n")
  os.exit(2)
end

---Says on standard error what failed, with the hint of an error object.
function M.complain(command, err, text)
  io.stderr:write("soquete ", command.name, ": ", text or tostring(err), "\n")
  local hint = type(err) == "table" and err.hint
  if hint then io.stderr:write("  hint: ", hint, "\n") end
end

local function number(text)
  local value = tonumber(text)
  return value and value >= 0 and value < math.huge and value or nil, "a number is needed"
end

local convert = {
  count = function(text)
    local value = math.tointeger(tonumber(text))
    return value and value > 0 and value or nil, "a whole number from 1 is needed"
  end,
  number = number,
  port = function(text)
    local port = math.tointeger(tonumber(text))
    return port and port >= 0 and port <= 65535 and port or nil, "a port is a number up to 65535"
  end,
  rate = function(text)
    return quantity.parse_rate(text), "a rate is a number with k, M or G: 10M is 10 Mbit/s"
  end,
  size = function(text)
    return quantity.parse_size(text), "a size is a number with K, M or G: 64K is 64 KiB"
  end,
  text = function(text) return text end,
}

local function take(command, found, name, value)
  name = command.short and command.short[name] or name
  local kind = command.options[name]
  if not kind then M.refuse(command, "there is no option " .. name) end
  if kind == "flag" then
    found[name:sub(3)] = true
    return false
  end
  if value == nil then M.refuse(command, name .. " needs a value") end
  local got, why = convert[kind](value)
  if got == nil then M.refuse(command, ("%s %s: %s"):format(name, value, why)) end
  found[name:sub(3)] = got
  return true
end

-- "-P2": a short name with its value.
local function joined(command, word)
  local long = #word > 2 and command.short and command.short[word:sub(1, 2)]
  return long and command.options[long] ~= "flag"
end

---The words as a table: options by name, the others in order. `command` has a `name`, a
---line of `usage`, `options` (name with its dashes -> "flag" or the kind of its value, see
---`convert`), their `short` names, and `most`, how many words may stand by themselves. Where
---its options need words, the `topic` of the module `help` has them.
function M.parse(command, ...)
  local words, found, i = { ... }, {}, 1
  while i <= #words do
    local word = words[i]
    local name, value = word:match("^(%-%-[^=]+)=(.*)$")
    if word == "--help" or word == "-h" then
      print("usage: soquete " .. command.usage)
      if command.help then print("\n" .. require(command.help)[command.topic]) end
      os.exit(0)
    elseif name then
      if not take(command, found, name, value) then M.refuse(command, name .. " takes no value") end
    elseif joined(command, word) then
      take(command, found, word:sub(1, 2), word:sub(3))
    elseif word:sub(1, 1) == "-" and #word > 1 then
      if take(command, found, word, words[i + 1]) then i = i + 1 end
    elseif #found < command.most then
      found[#found + 1] = word
    else
      M.refuse(command, "one word too many: " .. word)
    end
    i = i + 1
  end
  return found
end

return M
