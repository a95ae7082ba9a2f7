-- Requests: what a script asks for, checked, and made into what is sent.

local runtime = require "net.core"
local core = require "net.http.core"
local answers = require "net.http.answer"
local exchange = require "net.http.exchange"
local redirect = require "net.http.redirect"
local targets = require "net.http.target"

local M = {}

local REDIRECTS = 10
local MAX = 64 * 1024 * 1024 -- bytes of a body that is read as a whole
local SILENCE = 30           -- seconds in which a server may say, or take, nothing

-- --- the script's options --------------------------------------------------------------

local is_number = { number = true }

local known = { -- name -> the types that it may have
  body = { string = true, number = true, table = true, ["function"] = true },
  headers = { table = true },
  json = {}, -- any
  lenient = { boolean = true },
  max = is_number,
  method = { string = true },
  on_progress = { ["function"] = true },
  query = { table = true, string = true },
  redirects = { number = true, boolean = true },
  silence = { number = true, boolean = true },
  timeout = { number = true, boolean = true },
  to = { string = true, userdata = true, table = true },
  url = { string = true },
}

local function check(options)
  if type(options) ~= "table" then
    runtime.raise("http: the options are a table, not " .. type(options))
  end
  for name, value in pairs(options) do
    local types = known[name]
    if not types then runtime.raise("http: there is no option '" .. tostring(name) .. "'") end
    if next(types) and not types[type(value)] then
      runtime.raise(("http: %s cannot be a %s"):format(name, type(value)))
    end
    if type(value) == "number" and (value ~= value or value < 0) then
      runtime.raise(("http: %s cannot be negative"):format(name))
    end
  end
  if not options.url then runtime.raise("http: a URL is needed") end
  if options.body ~= nil and options.json ~= nil then
    runtime.raise("http: either body or json")
  end
end

-- The names of a table in a fixed order.
local function sorted_names(values)
  local names = {}
  for name in pairs(values) do
    if type(name) ~= "string" then runtime.raise("http: names of fields are strings") end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- name=value&…; a list gives the name several times.
local function encoded(values)
  if type(values) == "string" then return values end
  local pieces = {}
  for _, name in ipairs(sorted_names(values)) do
    local list = values[name]
    for _, value in ipairs(type(list) == "table" and list or { list }) do
      pieces[#pieces + 1] = core.encode(name) .. "=" .. core.encode(tostring(value))
    end
  end
  return table.concat(pieces, "&")
end

-- Name -> value with the names in lower case, and how they were written.
local function lower_names(headers)
  local lower, written = {}, {}
  for _, name in ipairs(sorted_names(headers)) do
    lower[name:lower()], written[name:lower()] = headers[name], name
  end
  return lower, written
end

-- The names as they go out: the script's own as they are.
local function written_names(headers, written)
  local names = {}
  for name, value in pairs(headers) do
    names[written[name] or name:gsub("%f[%a]%a", string.upper)] = value
  end
  return names
end

-- The body as a string or a function, and its type.
local function body_of(options)
  if options.json ~= nil then
    local text, why = require("net.http.json").encode(options.json)
    if not text then runtime.raise("http: json: " .. tostring(why)) end
    return text, "application/json"
  end
  local body = options.body
  if type(body) == "table" then
    return encoded(body):gsub("%%20", "+"), "application/x-www-form-urlencoded"
  end
  if type(body) == "number" then return tostring(body) end
  return body
end

-- --- requests --------------------------------------------------------------------------

local function with_query(url, query)
  if not query then return url end
  local before, fragment = url:match("^([^#]*)(.*)$")
  local text = encoded(query)
  if text == "" then return url end
  return before .. (before:find("?", 1, true) and "&" or "?") .. text .. fragment
end

-- What is sent when `state` is asked of the URL.
local function request_of(state, url)
  local headers = {
    ["accept"] = "*/*",
    ["content-type"] = state.type,
    ["host"] = url.field,
    ["user-agent"] = "soquete/" .. core.version,
  }
  for name, value in pairs(state.headers) do headers[name] = value end
  if type(state.body) == "string" then headers["content-length"] = #state.body end
  return {
    body = state.body,
    headers = written_names(headers, state.written),
    host = url.host,
    length = tonumber(headers["content-length"]),
    method = state.method,
    port = url.port,
    target = url.target,
  }
end

-- --- the whole call --------------------------------------------------------------------

-- The answer behind all redirects, or nil, err, code.
local function run(state, call, text)
  local url, err, code = targets.parse(text)
  if not url then return nil, err, code end
  while true do
    call.key = call.lenient and "lenient " .. url.key or url.key
    local head, conn, last = exchange.run(call, request_of(state, url))
    if not head then
      err, code = conn, last
      err.url = err.url or url.text
      return nil, err, code
    end
    local target = redirect.target(state, head, url)
    if not target then return answers.new(call, head, conn, url.text, last) end
    answers.drop(call, conn)
    url, err, code = redirect.follow(state, head.status, url, target)
    if not url then return nil, err, code end
  end
end

local function redirect_limit(given)
  if given == nil or given == true then return REDIRECTS end
  return given or 0
end

-- A time that may be false for none.
local function seconds(given, otherwise)
  if given == nil or given == true then return otherwise end
  return given or nil
end

local function start(options)
  check(options)
  local body, kind = body_of(options)
  local headers, written = lower_names(options.headers or {})
  local state = {
    body = body,
    followed = 0,
    headers = headers,
    limit = redirect_limit(options.redirects),
    method = options.method or (body and "POST" or "GET"),
    seen = {},
    type = kind,
    written = written,
  }
  if state.method == "CONNECT" then runtime.raise("http: CONNECT is not for requests") end
  local timeout = seconds(options.timeout)
  local call = {
    ends = timeout and runtime.now() + timeout,
    lenient = options.lenient,
    max = options.max or MAX,
    on_progress = options.on_progress,
    silence = seconds(options.silence, not timeout and SILENCE or nil),
  }
  local answer, err, code = run(state, call, with_query(options.url, options.query))
  if not answer or not options.to or not answer.ok then return answer, err, code end
  local _ <close> = answer
  local ok
  ok, err, code = require("net.http.save").to(answer, options.to)
  if ok then return answer end
  return nil, err, code
end

local function with(options, more)
  if options ~= nil and type(options) ~= "table" then
    runtime.raise("http: the options are a table, not " .. type(options))
  end
  local all = {}
  for name, value in pairs(options or {}) do all[name] = value end
  for name, value in pairs(more) do all[name] = value end
  return all
end

---One request, by its options.
function M.request(options)
  local answer, err, code = start(options)
  return answer, err, code
end

---GET.
function M.get(url, options)
  local answer, err, code = start(with(options, { url = url }))
  return answer, err, code
end

---POST.
function M.post(url, body, options)
  local answer, err, code = start(with(options, { url = url, body = body, method = "POST" }))
  return answer, err, code
end

---Closes the connections that wait for the next request.
function M.close_idle()
  require("net.http.pool").close()
end

return M
