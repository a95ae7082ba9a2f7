// Node: node throughput.js receive|send PORT
const net = require('net');
const role = process.argv[2], port = Number(process.argv[3]);

if (role === 'send') {
  const buffer = Buffer.alloc(8192), stop = Date.now() + 3600e3;
  const conn = net.connect(port, '127.0.0.1');
  const fill = () => {
    while (Date.now() < stop) if (!conn.write(buffer)) return conn.once('drain', fill);
  };
  conn.on('connect', fill);
} else {
  net.createServer((conn) => conn.on('data', () => {})).listen(port, '127.0.0.1');
}
