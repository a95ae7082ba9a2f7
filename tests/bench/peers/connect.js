// Node: node connect.js PORT TASKS [COUNT]
const net = require('net');
const [port, tasks, count] = process.argv.slice(2).map(Number);

function visit(left) {
  const conn = net.connect(port, '127.0.0.1');
  let got = '';
  conn.setEncoding('latin1');
  conn.on('data', (data) => { got += data; });
  conn.on('close', () => {
    if (got !== 'welcome\n') throw new Error('the greeting is wrong');
    if (left > 1) visit(left - 1);
  });
}

for (let i = 0; i < tasks; i++) visit(count || Infinity);
