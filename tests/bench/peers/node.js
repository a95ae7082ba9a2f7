// Node: node node.js lines|requests|udp PORT
const mode = process.argv[2], port = Number(process.argv[3]);

if (mode === 'udp') {
  const server = require('dgram').createSocket('udp4');
  server.on('message', (data, from) => {
    server.send(data.toString('latin1').toUpperCase(), from.port, from.address);
  });
  server.bind(port, '127.0.0.1');
} else {
  require('net').createServer((conn) => {
    conn.setEncoding('latin1');
    conn.on('error', () => conn.destroy());
    conn.on('data', (data) => {
      if (mode === 'requests') conn.end(data.toUpperCase(), 'latin1');
      else conn.write(data.toUpperCase(), 'latin1');
    });
  }).listen(port, '127.0.0.1', 511);
}
