-- `res:send(200, req:body())` took the error of a body that was bad for headers: the answer
-- was 200, with the error's fields in its head, the script's path among them.

local T = require "harness"
local web = require "web"

local FAKE = { net = "fake" }
local BAD = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n"

local function post(body)
  return ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

local handlers = {
  { "body", function(req, res) res:send(200, req:body()) end, BAD, 400 },
  { "long_body", function(req, res) res:send(200, req:body(3)) end, post("four"), 413 },
  { "json", function(req, res) res:json(req:json()) end, post("{"), 400 },
}

for _, row in ipairs(handlers) do
  local name, handler, request, status = table.unpack(row)
  T.test("an_error_of_a_" .. name .. "_that_is_handed_on_is_the_answer", FAKE, function()
    local site <close> = web.serve(handler)
    local answer = site:ask(request)
    T.eq(web.status(answer), status)
    T.ok(not answer:find("where", 1, true), answer)
    T.ok(not answer:find("json:", 1, true), answer)
  end)
end
