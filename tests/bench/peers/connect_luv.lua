-- libuv through luv: lua5.4 connect_luv.lua PORT TASKS [COUNT]
local uv = require "luv"
local port, tasks, count = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3] or math.huge)

local function visit(left)
  local conn, got = uv.new_tcp(), ""
  conn:connect("127.0.0.1", port, function(refused)
    assert(not refused, refused)
    conn:read_start(function(err, data)
      assert(not err, err)
      if data then
        got = got .. data
        return
      end
      assert(got == "welcome\n", "the greeting is wrong")
      conn:close()
      if left > 1 then visit(left - 1) end
    end)
  end)
end

for _ = 1, tasks do visit(count) end
uv.run()
