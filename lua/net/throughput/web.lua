-- A page that draws a test while it runs: server-sent events over net.http. Who opens it
-- late gets all rows so far.

local core = require "net.core"
local http = require "net.http"
local json = require "net.throughput.json"
local net = require "net"

local M = {}

local Page = {}
Page.__index = Page

local function tell(self, kind, value)
  self.events[#self.events + 1] = { data = json.encode(value), event = kind }
  while self.news:wake() do end -- luacheck: ignore 542
end

---A row of the running test.
function Page:interval(row)
  tell(self, "interval", row)
end

---The figures of the test that is over.
function Page:result(figures)
  local sums = { cpu = figures.cpu, from_server = figures.from_server, test = figures.test,
    to_server = figures.to_server }
  tell(self, "result", sums)
end

-- The events so far, then each as it comes. A watcher that reads slowly holds up nobody.
local function follow(self, res)
  local stream, seen = res:events(), 0
  while stream do
    while seen < #self.events do
      seen = seen + 1
      if not stream:send(self.events[seen]) then return end
    end
    self.news:wait("events")
  end
end

---Shows the page until Ctrl-C, which is the usual end of the program here.
function Page:linger()
  net.on_signal("SIGINT", function() os.exit(0) end)
  io.stderr:write("the page stays at ", self.url, "; Ctrl-C ends it\n")
  self.task:join()
end

---Serves the page on that port of this machine: the page, or nil, err, code.
function M.start(port)
  local listener, err, code = net.listen("127.0.0.1", port)
  if not listener then return nil, err, code end
  local self = setmetatable({
    events = {}, news = core.condition(), url = ("http://%s/"):format(listener:getsockname()),
  }, Page)
  local html = require("net.throughput.page")
  self.task = net.spawn(http.serve, listener, http.router {
    ["GET /"] = function(_, res)
      res:send(200, html, { ["Content-Type"] = "text/html; charset=utf-8" })
    end,
    ["GET /events"] = function(_, res) follow(self, res) end,
  }, { signals = false })
  return self
end

return M
