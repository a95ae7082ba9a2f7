-- What `soquete throughput --help` and `soquete throughput server --help` tell.

local M = {}

M.client = [[
Measures how fast bytes go to HOST and back. There `soquete throughput server` runs, or an
`iperf3 -s`.

  what moves
    -R, --reverse           the server sends
        --bidir             both send at once
    -u, --udp               datagrams, at 1 Mbit/s unless --rate is given
    -P, --streams N         so many streams at once, up to 128; 1 unless told
    -l, --len SIZE          of each send (128K unless told), or of a datagram (1460)
    -b, --rate RATE         of each stream, in bits a second, like 10M; 0 is no limit
        --copy              who receives really reads the bytes
  how long
    -t, --time SECONDS      10 unless told
    -n, --bytes SIZE        until so many bytes have moved, like 1G
    -O, --omit SECONDS      at the beginning that do not count
  TCP
    -w, --window SIZE       of the sockets' buffers, like 256K
    -C, --congestion NAME   the congestion control of both ends
        --compare A,B       one test with each of these, like reno,bbr, and a table
    -N, --nodelay           without Nagle's algorithm
    -M, --mss BYTES         the largest segment
  where
    -p, --port N            5201 unless told; also HOST:PORT
    -B, --bind HOST         the address of this end
    -4, -6                  IPv4 or IPv6 alone
  what is shown
    -i, --interval SECONDS  between two lines, 1 unless told
    -J, --json              all figures, as JSON
        --csv               a line an interval, for spreadsheets
        --plot FILE.svg     a drawing
        --web PORT          a page that draws while the test runs

RATE counts in powers of ten (k, M, G), SIZE in powers of two (K, M, G). Ctrl-C ends the test
with the figures so far.]]

M.server = [[
Serves tests to `soquete throughput HOST` and to `iperf3 -c HOST`, several at once.

    -p, --port N            5201 unless told
    -B, --bind HOST         on this address only
    -4, -6                  over IPv4 or IPv6 alone]]

return M
