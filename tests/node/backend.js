// A backend that knows nothing of us: node backend.js ADDRESS
//
// Offers `initialize` and `event` and no more, and decides to buy at every quote. An event whose `sid` is "REFUSED" is answered with
// an error. The port may be `*`; prints "ready ADDRESS" when it can be called.
"use strict";

const zerorpc = require("zerorpc");

let decisions = 0;

function quotes(data) {
  if (Array.isArray(data)) return data.flatMap(quotes);
  if ("sid" in data) return [data];
  return Object.entries(data).map(([sid, quote]) => ({ sid, quote }));
}

const server = new zerorpc.Server({
  // zerorpc reads the parameters from the source text, and knows only this way of writing a function.
  initialize: function (conf, reply) {
    reply(null, ["quotes"]);
  },

  event: function (data, reply) {
    const records = [];
    for (const { sid, quote } of quotes(data)) {
      if (sid === "REFUSED") return reply(new RangeError("this symbol is refused"));
      decisions += 1;
      records.push({
        id: `node:${decisions}:0`,
        type: "decision",
        seq: decisions,
        ts: Date.now() * 1000000,
        sid,
        side: "buy",
        cash: "1",
        quantity: "1",
        quote: Number(quote),
        algorithm: "node",
        portfolio: "node",
        status: "placed",
      });
    }
    reply(null, records);
  },
});

server.on("error", (error) => console.error(String(error)));
server.bind(process.argv[2]);
console.log(`ready ${server._socket._zmqSocket.last_endpoint}`);
