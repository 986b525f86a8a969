// A program of another language on the topics: node trader.js MQTT_URL SESSION COUNT QUOTE
//
// Subscribes to the session's decisions, publishes QUOTE (JSON) COUNT times, and prints each decision as one JSON line; ends after
// the first COUNT of them.
"use strict";

const mqtt = require("mqtt");

const [url, session, count, quote] = process.argv.slice(2);
const client = mqtt.connect(url, { protocolVersion: 4 });
let left = Number(count);

client.on("message", (topic, payload) => {
  console.log(payload.toString());
  left -= 1;
  if (left === 0) client.end(false, {}, () => process.exit(0));
});
client.on("error", (error) => {
  if (left <= 0) process.exit(0); // the broker closed first
  console.error(String(error));
  process.exit(1);
});
client.on("connect", async () => {
  await client.subscribeAsync(`intuition/1/${session}/decisions`, { qos: 1 });
  for (let n = 0; n < Number(count); n += 1) await client.publishAsync("quotes", quote, { qos: 1 });
});
