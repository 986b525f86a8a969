// A client as the founding article has it: node client.js ADDRESS CONF EVENT...
//
// Calls `initialize` with CONF and then `event` with each EVENT, all JSON; events may come on stdin as well, one a line, when
// none is given. Prints one JSON line for each call: {"call", "answer"} or {"call", "error": {"name", "message"}}.
//
// With the variable KEYS (FOLDER/NAME, a key pair without the files' endings) and SERVER_KEY (a file) it calls a server that
// wants keys. TIMEOUT is in seconds.
"use strict";

const fs = require("node:fs");
const readline = require("node:readline");
const zerorpc = require("zerorpc");

const [address, conf = "{}", ...events] = process.argv.slice(2);
const { KEYS, SERVER_KEY, TIMEOUT = "20" } = process.env;
const client = new zerorpc.Client({ timeout: Number(TIMEOUT) });
client.on("error", (error) => console.error(String(error)));
if (KEYS) {
  const key = (file) => fs.readFileSync(file, "utf8").trim();
  const socket = client._socket._zmqSocket;
  socket.curve_serverkey = key(SERVER_KEY);
  socket.curve_publickey = key(`${KEYS}.public`);
  socket.curve_secretkey = key(`${KEYS}.secret`);
}
client.connect(address);

function call(method, argument) {
  return new Promise((resolve) => {
    client.invoke(method, argument, (error, answer) => {
      const outcome = error ? { error: { name: error.name, message: error.message } } : { answer };
      console.log(JSON.stringify({ call: method, ...outcome }));
      resolve();
    });
  });
}

async function main() {
  await call("initialize", JSON.parse(conf));
  const lines = events.length > 0 ? events : readline.createInterface({ input: process.stdin });
  for await (const line of lines) {
    await call("event", JSON.parse(line));
  }
  client.close();
  process.exit(0);
}

main();
