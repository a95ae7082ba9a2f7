---@meta _
-- # Channels
--
-- A channel carries values from task to task, in order. [`net.channel`](net.md#netchannel)
-- makes one that holds `capacity` values: `put` waits while it is full, `get` while it is
-- empty. With capacity 0 it is a rendezvous: `put` returns when a task has taken the value.
-- Who waits is served first come, first served.
--
-- Several tasks may put and get. Any value but nil can be sent; it is not copied.
--
-- `for value in channel do` takes values until the channel is closed and empty.
-- `local channel <close> = …` closes it when the block ends. `tostring` tells how many
-- values it holds: those of tasks that wait in `put` count too.

---@class net.channel
local channel = {}

-- ## Methods

---Hands a value over, and waits while the channel is full. A wait that is interrupted
---(deadline, `cancel`) takes the value back: nobody gets it.
---
---Codes: `closed`.
---
---Raises: the value is nil.
---
---```lua
---local net = require "net"
---local channel = net.channel(1)
---print(channel:put("first"))  --> true
---local ok, err, code = net.deadline(0.02, channel.put, channel, "second")
---print(ok, code)       --> nil	timeout
---print(channel:get())  --> first
---print(channel)        --> channel (0 of 1 held)
---```
---@param value any not nil
---@return true? ok
---@return net.error? err
---@return net.code? code
function channel:put(value) end

---Takes the oldest value, and waits for one while the channel is empty. A closed channel
---still gives what it holds.
---
---Codes: `closed`, when it is closed and empty.
---
---```lua
---local net = require "net"
---local channel = net.channel(1)
---channel:put("the last")
---channel:close()
---print(channel:get())  --> the last
---local value, err, code = channel:get()
---print(value, code)    --> nil	closed
---```
---@return any value nil at the end
---@return net.error? err
---@return net.code? code
function channel:get() end

---Says that no more comes. Tasks that wait in `put` get nil, and their values are dropped;
---those that wait in `get` are woken. Held values can still be taken. A second `close`
---does nothing.
---
---```lua
---local net = require "net"
---local channel = net.channel()
---local task = net.spawn(channel.get, channel)
---net.yield()
---channel:close()
---local value, err, code = task:join()
---print(value, code)  --> nil	closed
---```
function channel:close() end
