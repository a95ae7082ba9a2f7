-- Redirects: RFC 9110 section 15.4, and "HTTP-redirect fetch" of the Fetch standard, which
-- says what browsers do. The state of a call has method, body and headers for the next
-- request, how many redirects were followed, and which places were seen.

local core = require "net.http.core"
local targets = require "net.http.target"

local M = {}

local redirecting = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

---Where that answer sends the client, or nil where it does not or none is to be followed.
function M.target(state, head, from)
  if state.limit == 0 or not redirecting[head.status] then return nil end
  local location = head.headers:all("location")[1]
  if not location then return nil end
  local encoded = location:gsub("[^!-~]", function(byte) -- as browsers do
    return ("%%%02X"):format(byte:byte())
  end)
  return core.resolve(from.text, encoded)
end

local function becomes_get(status, method)
  if status == 303 then return method ~= "GET" and method ~= "HEAD" end
  return status <= 302 and method == "POST"
end

local of_body = {
  "content-encoding", "content-language", "content-length", "content-location", "content-type",
}

-- What was meant for one server is not told another.
local of_origin = { "authorization", "cookie", "host", "proxy-authorization" }

local function remove(headers, names)
  for _, name in ipairs(names) do headers[name] = nil end
end

-- True, or nil, err, code where it has gone on for too long.
local function count(state, from, target)
  state.followed = state.followed + 1
  if state.followed > state.limit then
    return targets.invalid(
      ("more than %d redirects, the last one to %s"):format(state.limit, target), target)
  end
  state.seen[state.before .. " " .. from] = true
  if state.seen[state.method .. " " .. target] then
    return targets.invalid("the redirects go round: " .. target, target)
  end
  return true
end

---Changes the state for the next request: the URL to ask, in its parts, or nil, err, code.
function M.follow(state, status, from, target)
  local to, ok, err, code
  to, err, code = targets.parse(target)
  if not to then return nil, err, code end
  state.before = state.method
  if becomes_get(status, state.method) then
    state.method, state.body, state.type = "GET", nil, nil
    remove(state.headers, of_body)
  elseif type(state.body) == "function" then
    return targets.invalid(("%d redirects to %s, but a body from a function cannot be sent again")
      :format(status, target), target)
  end
  if from.key ~= to.key then remove(state.headers, of_origin) end
  ok, err, code = count(state, from.text, to.text)
  if not ok then return nil, err, code end
  return to
end

return M
