// Runs a client for a test: it reads commands and writes what the client's
// handlers receive, as lines of JSON.
import { createInterface } from 'node:readline';
import { Client } from './ping.js';

const tell = (news) => process.stdout.write(`${JSON.stringify(news)}\n`);
let client;

const commands = {
  begin({ server, session, throws }) {
    const told = (what, news) => {
      tell({ told: what, ...news });
      if (!throws.includes(what)) return;
      if (what === 'event') throws = throws.filter((other) => other !== what); // it is delivered again
      throw new Error(`the handler of ${what} throws`);
    };
    client = new Client(server, session, {
      event: (event) => told('event', { event }),
      state: (state) => told('state', state),
      reset: () => told('reset'),
      skipped: (id, from, to) => told('skipped', { id, from, to }),
      ephemeral: (frame) => told('ephemeral', { frame }),
      session: (changed) => told('session', { session: changed }),
    }, { minBackoff: 5, maxBackoff: 200 });
    client.start();
  },
  start: () => client.start(),
  stop: () => client.stop(),
  async restart({ turns }) {
    while (client.sleepers.size === 0) await new Promise(setImmediate); // until it waits to reconnect
    client.stop();
    for (let n = 0; n < turns; n++) await null;
    client.start();
  },
  send({ conversation, body }) {
    client.send(conversation, body).then(
      ({ id }) => tell({ told: 'settled', body, outcome: id }),
      ({ code }) => tell({ told: 'settled', body, outcome: code }),
    );
  },
  unsent: () => tell({ told: 'unsent', bodies: client.unsent().map(({ body }) => body) }),
  typing: ({ conversation, on }) => client.typing(conversation, on),
  presence: ({ state }) => client.presence(state),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  await commands[command.do](command);
}
client?.stop();
process.exit(0);
