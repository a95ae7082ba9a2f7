-- URLs that a request can go to.

local core = require "net.http.core"

local M = {}

---nil, err, "invalid": what is wrong with the URL `text`.
function M.invalid(why, text)
  local _, err, code = core.invalid("request", why)
  err.url = text
  return nil, err, code
end

-- What the field Host tells: without the port that is meant anyway.
local function host_field(url)
  local host = url.host:find(":", 1, true) and "[" .. url.host .. "]" or url.host
  return url.port == 80 and host or host .. ":" .. url.port
end

---The URL in its parts: `text` without the fragment, `host`, `port`, `target`, `field` for
---Host, `key`, which is the same for the same server. Or nil, err, code.
function M.parse(text)
  local url, why = core.url(text)
  if not url then return M.invalid(("the URL '%s': %s"):format(core.escape(text), why), text) end
  if url.https then
    return M.invalid(text .. ": https needs TLS, which soquete does not have yet", text)
  end
  url.field = host_field(url)
  url.key = url.host:lower() .. " " .. url.port
  url.text = (text:gsub("#.*", ""))
  return url
end

return M
