// Node: files of a folder by streams, and a short text: node web.js PORT ROOT
const fs = require('fs'), path = require('path');
const port = Number(process.argv[2]), root = process.argv[3];

const server = require('http').createServer((req, res) => {
  if (req.url === '/text') {
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 });
    res.end('hello, world\n');
    return;
  }
  const file = path.join(root, path.normalize(req.url));
  fs.stat(file, (err, stat) => {
    if (err || !stat.isFile()) {
      res.writeHead(404, { 'Content-Length': 0 });
      res.end();
      return;
    }
    res.writeHead(200, {
      'Content-Type': 'application/octet-stream', 'Content-Length': stat.size,
    });
    if (stat.size > 65536) fs.createReadStream(file).pipe(res);
    else fs.readFile(file, (_, data) => res.end(data));
  });
});
server.keepAliveTimeout = 600 * 1000; // a client waits for its turn
server.listen(port, '127.0.0.1', 511);
