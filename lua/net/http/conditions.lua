-- Preconditions (RFC 9110 section 13): whether a request wants the version that there is.
-- A version has `etag`, as it is written in the field, and `modified`, in seconds.

local core = require "net.http.core"

local M = {}

local function date(value)
  return value and core.parse_date(value)
end

-- Section 13.2.2, steps 1 and 2: the client's version is no longer there.
local function has_failed(headers, v)
  local match = headers["if-match"]
  if match then return not core.has_etag(match, v.etag, false) end
  local since = date(headers["if-unmodified-since"])
  return since and v.modified > since
end

-- Steps 3 and 4: the client has it already.
local function is_known(headers, v)
  local match = headers["if-none-match"]
  if match then return core.has_etag(match, v.etag, true) end
  local since = date(headers["if-modified-since"])
  return since and v.modified <= since
end

---412 or 304 where that is the answer to a GET or HEAD, else nil.
function M.check(req, v)
  local headers = req.headers
  if has_failed(headers, v) then return 412 end
  if is_known(headers, v) then return 304 end
  return nil
end

---Whether the Range of a request counts (section 13.1.5): there is one, and If-Range, if it
---is there too, names this very version.
function M.wants_range(req, v)
  local headers = req.headers
  if req.method ~= "GET" or not headers.range then return false end
  local condition = headers["if-range"]
  if not condition then return true end
  if condition:find('"', 1, true) then return core.has_etag(condition, v.etag, false) end
  return date(condition) == v.modified and v.settled
end

return M
