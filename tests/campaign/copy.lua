-- Copies standard input to standard output through the loop, in pieces.
local net = require "net"
local from, to = assert(net.fdopen(0)), assert(net.fdopen(1))
for piece in from:pieces() do assert(to:send(piece)) end
