-- Writes the API reference from the stubs.
--
--   soquete docs/generate.lua [FOLDER]     FOLDER is docs/ unless told
--
-- docs/stubs/NAME.lua becomes FOLDER/api/NAME.md, in the order of the stub's lines. The
-- socket options, the codes and the hints come from the C tables themselves, so that a
-- new row needs no other change than this program's next run: a line "-- @table NAME" of
-- a stub stands for one, and the alias net.option in FOLDER/stubs/options.lua is written
-- anew.

local root = (arg[0]:match("^(.*)/docs/[^/]*$") or ".") .. "/"
local out = (arg[1] or root .. "docs"):gsub("/$", "") .. "/"

local function read(path)
  local f <close> = assert(io.open(root .. path, "rb"))
  return f:read("a")
end

local function write(path, text)
  local f <close> = assert(io.open(out .. path, "wb"))
  assert(f:write(text))
end

-- --- C tables ------------------------------------------------------------------------

-- A C string literal's pieces, joined and unescaped.
local function c_string(literals)
  local text = literals:gsub('"%s+"', ""):match('^%s*"(.*)"%s*$')
  return (text:gsub("\\(.)", "%1"))
end

local levels = {
  SO = "socket(7)", IP = "ip(7)", V6 = "ipv6(7)", TCP = "tcp(7)", UDP = "udp(7)",
}
local types = {
  BOOL = "boolean",
  BYTES = "string",
  CRED = "table",
  DEVICE = "string\\|integer",
  ERROR = "string\\|nil",
  INFO = "table",
  INT = "integer",
  LINGER = "integer\\|false",
  MEMBER = "string\\|table",
  MEMBERSIX = "string\\|table",
  OUTGOING = "string\\|integer",
  SOURCE = "table",
  STRING = "string",
  TIMEVAL = "number",
  UINT = "integer",
}

-- The access digit of a row: how the table and the stub tell it.
local access = {
  ["0"] = { table = "get, set", stub = "" },
  ["1"] = { table = "get", stub = ", read only" },
  ["2"] = { table = "set", stub = ", set only" },
}

local function options()
  local rows = {}
  local row = 'ROW%(([A-Z0-9]+),%s*([%w_]+),%s*(%u+),%s*(%d),%s*"([^"]*)"%)'
  for level, name, kind, ways, does in read("src/net/option.c"):gmatch(row) do
    rows[#rows + 1] = {
      name = name,
      type = assert(types[kind], kind),
      source = assert(levels[level], level),
      access = assert(access[ways], ways),
      does = does,
    }
  end
  return rows
end

-- The stub of the options: what stands before the alias stays as it is.
local function option_stub()
  local head = read("docs/stubs/options.lua"):match("^(.-\n)%-%-%-The names")
  local lines = {
    "---The names that `setsockopt` and `getsockopt` know: the rows of src/net/option.c.",
    "---@alias net.option",
  }
  for _, o in ipairs(options()) do
    local kind = o.type:gsub("\\", "")
    lines[#lines + 1] = ('---| "%s" # %s%s: %s, %s'):format(o.name, kind, o.access.stub,
      o.does, o.source)
  end
  return head .. table.concat(lines, "\n") .. "\n"
end

local tables = {}

function tables.options()
  local lines = {
    "| option | Lua value | access | meaning and unit | source |",
    "|---|---|---|---|---|",
  }
  for _, o in ipairs(options()) do
    lines[#lines + 1] = ("| `%s` | %s | %s | %s | %s |"):format(o.name, o.type,
      o.access.table, o.does, o.source)
  end
  return lines
end

function tables.left()
  local lines = { "| option | why it is left out |", "|---|---|" }
  for name, why in read("src/net/option.c"):gmatch('LEFT%(([%w_]+),%s*"([^"]*)"%)') do
    lines[#lines + 1] = ("| `%s` | %s |"):format(name, why)
  end
  return lines
end

function tables.codes()
  local text = read("src/base/status.c")
  local lines = { "| code | `err.text` |", "|---|---|" }
  for name, words in text:gmatch('\n%s*EAI%(([%u_]+), "([^"]*)"%)') do
    lines[#lines + 1] = ("| `EAI_%s` | %s |"):format(name, words)
  end
  return lines
end

function tables.hints()
  local body = read("src/api/hint.c"):match("hints%[%] = {(.-)\n};")
  local lines = { "| code | operation | hint |", "|---|---|---|" }
  for code, op, hint in body:gmatch('{%s*"([%w_]+)",%s*([%w_"]+),%s*(".-")%s*}') do
    op = op == "NULL" and "any" or "`" .. op:gsub('"', "") .. "`"
    lines[#lines + 1] = ("| `%s` | %s | %s |"):format(code, op, c_string(hint))
  end
  return lines
end

-- --- reading a stub ------------------------------------------------------------------

local tags = {}

-- The type that `text` begins with, and what comes after it. A table's or a function's has
-- spaces inside its brackets.
local function take_type(text)
  local depth, at = 0, 1
  while at <= #text and (depth > 0 or not text:find("^%s", at)) do
    local byte = text:sub(at, at)
    if byte:find("[%(%[{]") then depth = depth + 1 end
    if byte:find("[%)%]}]") then depth = depth - 1 end
    at = at + 1
  end
  assert(depth == 0, "brackets of a type: " .. text)
  return text:sub(1, at - 1), text:match("^%s*(.*)$", at)
end

function tags.param(entry, rest)
  local name, typed = rest:match("^(%S+)%s+(.*)$")
  local kind, text = take_type(typed)
  entry.params[#entry.params + 1] = { name = name, type = kind, text = text }
end

function tags.field(entry, rest)
  local name, typed = rest:match("^(%S+)%s+(.*)$")
  local kind, text = take_type(typed)
  entry.fields[#entry.fields + 1] = { name = name, type = kind, text = text }
end

tags["return"] = function(entry, rest)
  local kind, named = take_type(rest)
  local name, text = named:match("^(%S*)%s*(.*)$")
  entry.returns[#entry.returns + 1] = { name = name, type = kind, text = text }
end

function tags.class(entry, rest) entry.class = rest:match("^%S+") end
function tags.alias(entry, rest) entry.alias = rest:match("^%S+") end
function tags.overload() end

local function new_entry()
  return { text = {}, params = {}, fields = {}, returns = {}, values = {} }
end

local function add_line(entry, line)
  local tag, rest = line:match("^@(%a+)%s*(.*)$")
  if tag then
    assert(tags[tag], "no tag @" .. tag)(entry, rest)
    return
  end
  local value, text = line:match('^| "([^"]+)" # (.*)$') -- else it is a table's row
  if value then
    entry.values[#entry.values + 1] = { value = value, text = text }
  else
    entry.text[#entry.text + 1] = line:gsub("^ ", "", 1)
  end
end

-- The blocks of a stub: prose (a list of lines) and entries, in order.
local function parse(text)
  local blocks, entry, prose = {}, nil, nil
  for line in text:gmatch("([^\n]*)\n") do
    if line:find("^%-%-%-@meta") then
      entry, prose = nil, nil
    elseif line:find("^%-%-%-") then
      entry = entry or new_entry()
      add_line(entry, line:sub(4))
    elseif line:find("^%-%-") then
      if not prose then
        prose = {}
        blocks[#blocks + 1] = { prose = prose }
      end
      prose[#prose + 1] = line:sub(4)
    else
      prose = nil
      if entry then
        entry.name, entry.args = line:match("^function ([%w_.:]+)(%b())")
        if not entry.name then
          entry.name, entry.value = line:match("^([%w_.]+) = (.*)$")
        end
        local internal = entry.alias == "net.option" -- its page shows the table instead
        if (entry.name or entry.class or entry.alias) and not internal then
          blocks[#blocks + 1] = entry
        end
        entry = nil
      end
    end
  end
  return blocks
end

-- --- writing a page ------------------------------------------------------------------

local function show_type(kind)
  return "`" .. kind .. "`"
end

local function signature(entry)
  local shown = {}
  for _, p in ipairs(entry.params) do
    local name, optional = p.name:gsub("%?$", "")
    shown[#shown + 1] = optional > 0 and "[" .. name .. "]" or name
  end
  return entry.name .. "(" .. table.concat(shown, ", ") .. ")"
end

-- Every failure is `nil, err, code`: said once, in one line.
local function show_returns(add, entry)
  local list, fails = {}, false
  for _, r in ipairs(entry.returns) do
    if r.type == "net.error?" or r.type == "net.code?" then
      fails = true
    else
      list[#list + 1] = r
    end
  end
  if #list == 0 and not fails then return end
  add("Returns")
  add("")
  for _, r in ipairs(list) do
    local kind = fails and r.type:gsub("%?$", "") or r.type
    if r.name ~= "" then
      add(("- **%s** (%s) %s"):format(r.name, show_type(kind), r.text))
    end
  end
  if fails then add("- on failure `nil, err, code` ([errors](error.md))") end
  add("")
end

local after_parameters = { Codes = true, Raises = true, Source = true }

-- The description goes before the parameters; "Codes:", "Raises:", "Source:" and the
-- example after them.
local function split_text(text)
  for i, line in ipairs(text) do
    local after = after_parameters[line:match("^(%u%l+): ")]
    if after or line:find("^```") or line:find("^<!%-%-") then
      return table.move(text, 1, i - 1, 1, {}), table.move(text, i, #text, 1, {})
    end
  end
  return text, {}
end

local function show_function(add, entry)
  local before, after = split_text(entry.text)
  add("### " .. entry.name)
  add("")
  add("    " .. signature(entry))
  add("")
  for _, line in ipairs(before) do add(line) end
  add("")
  for _, p in ipairs(entry.params) do
    add(("- **%s** (%s) %s"):format(p.name:gsub("%?$", ""), show_type(p.type), p.text))
  end
  if #entry.params > 0 then add("") end
  show_returns(add, entry)
  for _, line in ipairs(after) do add(line) end
  add("")
end

local function show_class(add, entry)
  for _, line in ipairs(entry.text) do add(line) end
  add("")
  if #entry.fields == 0 then return end
  add("| field | type | meaning |")
  add("|---|---|---|")
  for _, f in ipairs(entry.fields) do
    add(("| `%s` | %s | %s |"):format(f.name, f.type, f.text))
  end
  add("")
end

local function show_alias(add, entry)
  for _, line in ipairs(entry.text) do add(line) end
  add("")
  add("| value | meaning |")
  add("|---|---|")
  for _, v in ipairs(entry.values) do add(("| `%s` | %s |"):format(v.value, v.text)) end
  add("")
end

local function show_prose(add, lines)
  for _, line in ipairs(lines) do
    local name = line:match("^@table (%a+)$")
    if name then
      for _, row in ipairs(assert(tables[name], name)()) do add(row) end
    else
      add(line)
    end
  end
  add("")
end

local note = "<!-- Written by docs/generate.lua: change docs/stubs/ instead. -->"

local function page(blocks)
  local lines = { note, "" }
  local function add(line) lines[#lines + 1] = line end
  local in_table = false
  for _, b in ipairs(blocks) do
    if b.value and not in_table then
      add("| constant | value | meaning |")
      add("|---|---|---|")
    elseif in_table and not b.value then
      add("")
    end
    in_table = b.value ~= nil
    if b.prose then show_prose(add, b.prose)
    elseif b.value then
      add(("| `%s` | %s | %s |"):format(b.name, b.value, table.concat(b.text, " ")))
    elseif b.name then show_function(add, b)
    elseif b.class then show_class(add, b)
    else show_alias(add, b)
    end
  end
  local text = table.concat(lines, "\n"):gsub("\n\n\n+", "\n\n"):gsub("\n*$", "\n")
  return text
end

-- --- the index -----------------------------------------------------------------------

local pages = {
  "net", "socket", "view", "buffer", "file", "address", "error", "task", "channel", "options",
  "http", "http_request", "http_response", "http_client", "throughput", "globals",
}

local function index(titles, names)
  local lines = {
    note, "", "# API reference", "",
    "The pages are written from the annotations in [docs/stubs](../stubs), which editors",
    "read too: `make install` puts them into `PREFIX/share/soquete/stubs`. Point the Lua",
    "language server's `workspace.library` there.", "",
    "| page | what it describes |", "|---|---|",
  }
  for _, name in ipairs(pages) do
    lines[#lines + 1] = ("| [%s](%s.md) | %s |"):format(titles[name], name, names[name])
  end
  return table.concat(lines, "\n") .. "\n"
end

-- The names of a page with links: what a reader scans for.
local function summary(name, blocks)
  if name == "options" then return #options() .. " options that have a name" end
  local links = {}
  for _, b in ipairs(blocks) do
    if b.args then
      local slug = b.name:gsub("[.:]", "")
      local shown = b.name:gsub("^%l+:", "")
      links[#links + 1] = ("[%s](%s.md#%s)"):format(shown, name, slug)
    end
  end
  if #links > 0 then return table.concat(links, ", ") end
  for _, b in ipairs(blocks) do
    for _, f in ipairs(b.fields or {}) do links[#links + 1] = "`" .. f.name .. "`" end
  end
  return table.concat(links, ", ")
end

write("stubs/options.lua", option_stub())
local titles, names = {}, {}
for _, name in ipairs(pages) do
  local blocks = parse(read("docs/stubs/" .. name .. ".lua"))
  titles[name] = assert(blocks[1].prose[1]:match("^# (.*)"), name)
  names[name] = summary(name, blocks)
  write("api/" .. name .. ".md", page(blocks))
end
write("api/README.md", index(titles, names))
