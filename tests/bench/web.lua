-- Files of a folder, and a short text from a handler: soquete web.lua PORT ROOT
local http = require "net.http"

http.serve("127.0.0.1:" .. arg[1], http.router {
  ["GET /text"] = function(_, res) res:send(200, "hello, world\n") end,
  ["/*"] = http.files(arg[2]),
}, { requests = math.maxinteger })
